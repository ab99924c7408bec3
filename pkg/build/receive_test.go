// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := []byte("content of " + h.Name)
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReceiveWritesOnlyALayout(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "image")
	r := receive(folder)
	hex := strings.Repeat("a", 64)
	_, err := r.Write(archive(t,
		tar.Header{Name: "index.json", Typeflag: tar.TypeReg},
		tar.Header{Name: "../escaped", Typeflag: tar.TypeReg},
		tar.Header{Name: "/escaped", Typeflag: tar.TypeReg},
		tar.Header{Name: "oci-layout", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		tar.Header{Name: "blobs/sha256/" + hex + "/../../../escaped", Typeflag: tar.TypeReg}))
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	var files []string
	_ = filepath.WalkDir(filepath.Dir(folder), func(path string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	if want := filepath.Join(folder, "index.json"); len(files) != 1 || files[0] != want {
		t.Errorf("files are %q, want only %s", files, want)
	}
}

func TestReceiveRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	r := receive(filepath.Join(t.TempDir(), "image"))
	_, _ = r.Write(archive(t, tar.Header{Name: "blobs/sha256/" + strings.Repeat("a", 64), Typeflag: tar.TypeReg}))
	if err := r.end(); err == nil || !strings.Contains(err.Error(), "the builder sent other bytes than aaaa") {
		t.Errorf("got %v", err)
	}
}

func TestReceiveOfNothingHasNoErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	if err := receive(filepath.Join(t.TempDir(), "image")).end(); err != nil {
		t.Errorf("got %v", err)
	}
}
