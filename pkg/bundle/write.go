// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// Endpoint is what goes into a bundle.
type Endpoint struct {
	Name  string
	Chart chart.Archive
	// Values are those of the chart, in YAML. They name the images by what they are
	// called in Images.
	Values []byte
	Images Gathered
}

// Write makes a bundle of e. Blobs are read from their registries as they are
// written: memory does not grow with them. The file appears when it is whole and on
// the disk; what killed processes left of it goes. A file that is there is refused,
// or replaced if overwrite is set. Nobody but its owner may read it: variables of
// versions are in it. It returns its size, in bytes. Errors of registries are as in
// image.Package.
func Write(ctx context.Context, c *image.Courier, e Endpoint, file string, overwrite bool) (int64, error) {
	if err := Free(file, overwrite); err != nil {
		return 0, err
	}
	index, pieces, err := e.layout()
	if err != nil {
		return 0, err
	}
	out, err := newPart(file)
	if err != nil {
		return 0, unwritten(file, err)
	}
	// Until it has its name or is gone, nobody takes it for one that was left.
	defer func() { _ = out.lock.Close() }()
	w := &writing{ctx: ctx, courier: c, to: &sink{w: out},
		progress: c.Meter("writing "+filepath.Base(file), total(pieces))}
	err = w.all(index, pieces)
	if w.to.err != nil {
		err = unwritten(file, w.to.err)
	}
	if err == nil {
		err = unwritten(file, out.Sync())
	}
	err = errors.Join(err, unwritten(file, out.File.Close()))
	if err == nil {
		err = appear(out.Name(), file, overwrite)
	}
	if err != nil {
		_ = os.Remove(out.Name()) // of no use to anybody
		return 0, err
	}
	return w.to.size, nil
}

// Free refuses a file that is there already, unless it may be overwritten, and one
// in a folder that is not there.
func Free(file string, overwrite bool) error {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := os.Stat(filepath.Dir(file))
		return unwritten(file, err)
	case err != nil:
		return unwritten(file, err)
	case !overwrite:
		return fmt.Errorf("%s is there already: move it away, or give --overwrite", file)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there already and is no file: name another", file)
	}
	return nil
}

// appear gives the file its name.
func appear(part, file string, overwrite bool) error {
	if err := Free(file, overwrite); err != nil {
		return err
	}
	if err := rename(part, file, overwrite); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil //nolint:nilerr // the file is there; its name reaches the disk later
	}
	_ = folder.Sync() // some systems cannot
	return folder.Close()
}

// rename replaces no file unless it may, also if that file came this very moment:
// there is no link to a name that is taken, while a file that is renamed takes it.
func rename(part, file string, overwrite bool) error {
	if !overwrite {
		err := os.Link(part, file)
		if err == nil {
			_ = os.Remove(part) // the next one does, if it stays
			return nil
		}
		if err := Free(file, false); err != nil {
			return err
		} // a file system without links
	}
	return unwritten(file, os.Rename(part, file))
}

func unwritten(file string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s cannot be written: the disk is full: make room, or name a file on another disk", file)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%s cannot be written: the file system takes no file as large: name one on another disk", file)
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("%s cannot be written: %w", file, err)
}

// layout is index.json, and all blobs.
func (e Endpoint) layout() ([]byte, map[v1.Hash]piece, error) {
	if size := len(e.Values); size > mostValues {
		return nil, nil, fmt.Errorf("the values of endpoint %s have %d bytes, and the most is %d: shorten the variables and "+
			"descriptions in them", e.Name, size, mostValues)
	}
	pieces := maps.Clone(e.Images.pieces)
	if pieces == nil {
		pieces = map[v1.Hash]piece{}
	}
	config, err := json.Marshal(about{Endpoint: e.Name, Chart: e.Chart.Version})
	if err != nil {
		return nil, nil, err
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: slices.Clone(e.Images.tops)}
	for _, a := range []artifact{
		{config: config, configType: configType, content: e.Values, contentType: valuesType, file: valuesName,
			kind: artifactType, ref: "values"},
		{config: e.Chart.Metadata, configType: chartConfig, content: e.Chart.Content, contentType: chartContent,
			ref: e.Chart.Name + ":" + e.Chart.Version},
	} {
		d, err := a.add(pieces)
		if err != nil {
			return nil, nil, err
		}
		index.Manifests = append(index.Manifests, d)
	}
	text, err := json.Marshal(index)
	if err == nil && len(text) > mostIndex {
		err = fmt.Errorf("the images are too many for one bundle: %d", len(e.Images.Images))
	}
	return text, pieces, err
}

// artifact is a file as OCI has it.
type artifact struct {
	config, content         []byte
	configType, contentType types.MediaType
	kind, file, ref         string
}

// add makes pieces of it, and returns what index.json says of it.
func (a artifact) add(pieces map[v1.Hash]piece) (v1.Descriptor, error) {
	describe := func(kind types.MediaType, raw []byte) (v1.Descriptor, error) {
		digest, size, err := v1.SHA256(bytes.NewReader(raw))
		pieces[digest] = piece{size: size, raw: raw}
		return v1.Descriptor{MediaType: kind, Digest: digest, Size: size}, err
	}
	config, err := describe(a.configType, a.config)
	if err != nil {
		return config, err
	}
	content, err := describe(a.contentType, a.content)
	if err != nil {
		return content, err
	}
	if a.file != "" {
		content.Annotations = map[string]string{title: a.file}
	}
	manifest, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: a.kind,
		Config: config, Layers: []v1.Descriptor{content}})
	if err != nil {
		return content, err
	}
	d, err := describe(types.OCIManifestSchema1, manifest)
	d.ArtifactType, d.Annotations = a.kind, map[string]string{refName: a.ref}
	return d, err
}

// writing is one file in the making.
type writing struct {
	ctx     context.Context
	courier *image.Courier
	to      *sink
	// progress counts what is in blobs.
	progress io.Writer
}

func total(pieces map[v1.Hash]piece) int64 {
	var all int64
	for _, p := range pieces {
		all += p.size
	}
	return all
}

// all writes the file. Its order is fixed: what says what is in it comes first.
func (w *writing) all(index []byte, pieces map[v1.Hash]piece) error {
	out := tar.NewWriter(w.to)
	if err := put(out, layoutFile, []byte(layoutText)); err != nil {
		return err
	}
	if err := put(out, indexFile, index); err != nil {
		return err
	}
	for _, digest := range slices.SortedFunc(maps.Keys(pieces), compare) {
		if err := w.blob(out, digest, pieces[digest]); err != nil {
			return err
		}
	}
	return out.Close()
}

func compare(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) }

func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0)}
}

func put(out *tar.Writer, name string, content []byte) error {
	if err := out.WriteHeader(header(name, int64(len(content)))); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}

func (w *writing) blob(out *tar.Writer, digest v1.Hash, p piece) error {
	name := blobFolder + digest.Hex
	if p.raw != nil {
		_, _ = w.progress.Write(p.raw) // never an error
		return put(out, name, p.raw)
	}
	if err := out.WriteHeader(header(name, p.size)); err != nil {
		return err
	}
	from := &steady{ctx: w.ctx, open: func() (io.ReadCloser, error) { return w.courier.Blob(w.ctx, p.from, digest) }}
	defer from.close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum, w.progress), io.LimitReader(from, p.size+1))
	switch {
	case errors.Is(err, tar.ErrWriteTooLong), err == nil && n != p.size:
		return fmt.Errorf("cannot read %s: blob %s has another size than its manifest says: push the image anew", p.from,
			digest)
	case err != nil:
		return err
	case hex.EncodeToString(sum.Sum(nil)) != digest.Hex:
		return fmt.Errorf("cannot read %s: blob %s is not what its digest says: try again", p.from, digest)
	}
	return nil
}

// sink keeps errors of writing apart from those of reading.
type sink struct {
	w    io.Writer
	size int64
	err  error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.size += int64(n)
	if err != nil {
		s.err = err
	}
	return n, err
}
