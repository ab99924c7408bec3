// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/kubectl-aml/kubectl-aml/charts"
)

// Archive is the built-in chart as Helm packs charts.
type Archive struct {
	Name, Version string
	// Metadata is Chart.yaml as JSON.
	Metadata []byte
	// Content is the archive, a tar file in gzip.
	Content []byte
}

// Pack packs the built-in chart. The same chart gives the same bytes.
func Pack() (Archive, error) {
	c, err := Load()
	if err != nil {
		return Archive{}, err
	}
	metadata, err := json.Marshal(c.Metadata)
	if err != nil {
		return Archive{}, err
	}
	content, err := pack()
	return Archive{Name: c.Metadata.Name, Version: c.Metadata.Version, Metadata: metadata, Content: content}, err
}

// pack writes the files in the order of their names, all from the same time.
func pack() ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	err := fs.WalkDir(charts.FS, chartName, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := charts.FS.ReadFile(name)
		if err != nil {
			return err
		}
		err = files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(0, 0)})
		if err != nil {
			return err
		}
		_, err = files.Write(text)
		return err
	})
	if err := errors.Join(err, files.Close(), zip.Close()); err != nil {
		return nil, fmt.Errorf("pack the built-in chart %s: %w", chartName, err)
	}
	return out.Bytes(), nil
}
