// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"
)

func TestPack(t *testing.T) {
	t.Parallel()
	entries := []entry{
		{Name: "kubectl-aml", Mode: 0o755, Content: []byte("program")},
		{Name: "LICENSE", Mode: 0o644, Content: []byte("terms")},
	}
	want := []string{
		"LICENSE -rw-r--r-- 1980-01-01 terms",
		"kubectl-aml -rwxr-xr-x 1980-01-01 program",
	}
	for name, list := range map[string]func([]byte) ([]string, error){"a.tar.gz": listTar, "a.zip": listZip} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := mustPack(t, name, entries)
			got, err := list(one)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			reversed := slices.Clone(entries)
			slices.Reverse(reversed)
			if other := mustPack(t, name, reversed); !bytes.Equal(one, other) {
				t.Error("the order of the entries changes the archive")
			}
		})
	}
}

func mustPack(t *testing.T, name string, entries []entry) []byte {
	t.Helper()
	content, err := pack(name, entries)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func line(name string, mode fs.FileMode, modified time.Time, r io.Reader) (string, error) {
	content, err := io.ReadAll(r)
	return fmt.Sprintf("%s %s %s %s", name, mode, modified.UTC().Format(time.DateOnly), content), err
}

func listTar(archive []byte) (lines []string, err error) {
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	for tr := tar.NewReader(zr); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		l, err := line(header.Name, header.FileInfo().Mode(), header.ModTime, tr)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
}

func listZip(archive []byte) (lines []string, err error) {
	zr, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	for _, f := range zr.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		l, err := line(f.Name, f.Mode(), f.Modified, r)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}
