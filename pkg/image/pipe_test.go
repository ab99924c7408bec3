// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

//go:build unix

package image

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestPackageRefusesAPipe(t *testing.T) {
	t.Parallel()
	dir, src := project(t)
	pipe := filepath.Join(dir, "src/pipe")
	must(0, syscall.Mkfifo(pipe, 0o600))
	_, err := Package(t.Context(), src, "localhost:1/x", options())
	equal(t, "error", err, pipe+" is a pipe: remove it, or leave it out with .amlignore")
}
