// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

//go:build unix

package image

import (
	"path/filepath"
	"syscall"
	"testing"
)

func pipe(file string) error { return syscall.Mkfifo(file, 0o600) }

func TestPackageRefusesAPipe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"src/pipe", "src/lib/pipe"} {
		dir, src := project(t)
		file := filepath.Join(dir, name)
		must(0, pipe(file))
		_, err := Package(t.Context(), src, "localhost:1/x", options())
		equal(t, "error", err, file+" is a pipe: remove it, or leave it out with .amlignore")
	}
}

func TestPackageRefusesAPipeForAnIgnoreFile(t *testing.T) {
	t.Parallel()
	dir, src := project(t)
	must(0, pipe(filepath.Join(dir, "src/.amlignore")))
	equal(t, "error", Check(src), dir+"/src: .amlignore is not a file: put one there, or remove it")
}

func TestPackageRefusesAPipeThatTookAFilesPlace(t *testing.T) {
	t.Parallel()
	dir, src := project(t)
	file := filepath.Join(dir, "models/model.pkl")
	entries := must(modelEntries(src.Models[0]))
	must(0, syscall.Unlink(file))
	must(0, pipe(file))
	_, err := newLayer(t.Context(), content{entries: entries}, false)
	equal(t, "error", err, file+" changed while it was read: wait until nothing writes to it, then try again")
	must(0, syscall.Unlink(file))
	_, err = newLayer(t.Context(), content{entries: entries}, false)
	equal(t, "error", err, file+" changed while it was read: wait until nothing writes to it, then try again")
}
