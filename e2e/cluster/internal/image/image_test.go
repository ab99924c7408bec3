// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func sample(t *testing.T) (root string, files Files) {
	t.Helper()
	root = t.TempDir()
	program := filepath.Join(root, "src/program")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte("#!"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root, Files{
		"usr/bin/program": Program(program),
		"usr/bin/other":   Link("program"),
		"etc/motd":        Text("hello"),
		"tmp":             {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}
}

func TestWriteLayer(t *testing.T) {
	root, files := sample(t)
	var first, second bytes.Buffer
	if err := files.WriteLayer(&first); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(root, "src/program"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := files.WriteLayer(&second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("a file's time makes a difference")
	}
	want := []string{"etc/ 755", "etc/motd 644", "tmp/ 1777", "usr/ 755", "usr/bin/ 755", "usr/bin/other 777 -> program", "usr/bin/program 755"}
	if got := entries(t, &first); !slices.Equal(got, want) {
		t.Errorf("entries:\n%q\nwant\n%q", got, want)
	}
}

func entries(t *testing.T, layer io.Reader) []string {
	t.Helper()
	unpacked, err := gzip.NewReader(layer)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s has a time: %v", header.Name, header.ModTime)
		}
		line := header.Name + " " + octal(header.Mode)
		if header.Linkname != "" {
			line += " -> " + header.Linkname
		}
		found = append(found, line)
	}
}

func octal(mode int64) string {
	digits := ""
	for ; mode > 0; mode /= 8 {
		digits = string(rune('0'+mode%8)) + digits
	}
	return digits
}

func TestUnpackThenTree(t *testing.T) {
	_, files := sample(t)
	root := filepath.Join(t.TempDir(), "root")
	if err := files.Unpack(root); err != nil {
		t.Fatal(err)
	}
	found, err := Tree(root, func(name string) bool { return name == "etc" })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := found["etc/motd"]; ok {
		t.Error("what was refused is there")
	}
	if got := found["usr/bin/program"]; got.Mode != 0o755 {
		t.Errorf("program: mode %v", got.Mode)
	}
	if got := found["usr/bin/other"].Link; got != "program" {
		t.Errorf("link to %q", got)
	}
	if got := found["tmp"].Mode; got != fs.ModeDir|fs.ModeSticky|0o777 {
		t.Errorf("tmp: mode %v", got)
	}
}

func TestPushThenDigest(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/aml/router:1"
	if digest, err := Digest(t.Context(), ref); digest != "" || err != nil {
		t.Fatalf("before the push: %q, %v", digest, err)
	}
	dir := t.TempDir()
	_, files := sample(t)
	if err := SaveLayer(dir, files); err != nil {
		t.Fatal(err)
	}
	img, err := New(v1.Config{User: "65532"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := Push(t.Context(), ref, img)
	if err != nil {
		t.Fatal(err)
	}
	if digest, err := Digest(t.Context(), ref); digest != pushed || err != nil {
		t.Fatalf("after the push: %q, %v; want %q", digest, err, pushed)
	}
	server.Close()
	if _, err := Digest(t.Context(), ref); err == nil {
		t.Fatal("a registry that does not answer is taken for one without the image")
	}
}
