// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package golden compares what a test got with a file under testdata.
//
// Run the tests with -update to write the files anew, then review the change
// as you would review code.
package golden

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/aymanbagabas/go-udiff"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Assert fails t with a unified diff unless got is what the file at path holds.
// The path is relative to the folder of the test. With -update it writes got
// there instead, making folders as needed.
func Assert(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s does not exist: run the test with -update to write it", path)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := udiff.Unified(path, "got", string(want), got); diff != "" {
		t.Errorf("differs from %s (-update writes it anew):\n%s", path, diff)
	}
}

func write(t testing.TB, path, got string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
		t.Fatal(err)
	}
}
