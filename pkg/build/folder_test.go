// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

func TestFoldersOfTheDeadAreSwept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		old  bool
		left bool
	}{
		"a process that lives keeps its folder": {make: func(t *testing.T, path string) {
			t.Helper()
			lock := flock.New(filepath.Join(path, lockName))
			if locked, err := lock.TryLock(); err != nil || !locked {
				t.Fatal(locked, err)
			}
			t.Cleanup(func() { _ = lock.Close() })
		}, old: true, left: true},
		"one that was killed does not":          {make: dead, old: true},
		"one that was killed before its lock":   {make: func(*testing.T, string) {}, old: true},
		"one that may be about to lock":         {make: func(*testing.T, string) {}, left: true},
		"what has files and no lock is foreign": {make: full, old: true, left: true},
		"one whose lock leads elsewhere, too": {make: func(t *testing.T, path string) {
			t.Helper()
			elsewhere := filepath.Join(t.TempDir(), "made")
			if err := os.Symlink(elsewhere, filepath.Join(path, lockName)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if _, err := os.Lstat(elsewhere); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("a file was made elsewhere: %v", err)
				}
			})
		}, old: true, left: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, folderPrefix+"1")
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			c.make(t, path)
			if c.old {
				age(t, path)
			}
			f, err := newFolderIn(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); (err == nil) != c.left {
				t.Errorf("left: %v, want %v", err == nil, c.left)
			}
			if err := errors.Join(f.remove(), f.remove()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(f.path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is still there: %v", err)
			}
		})
	}
}

// What leads elsewhere is not followed, and what has another name is left alone.
func TestOnlyFoldersOfBuildsAreSwept(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	dead(t, elsewhere)
	for _, name := range []string{"other-1", "kubectl-aml-1"} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		dead(t, path)
		age(t, path)
	}
	age(t, elsewhere)
	if err := os.Symlink(elsewhere, filepath.Join(dir, folderPrefix+"1")); err != nil {
		t.Fatal(err)
	}
	f, err := newFolderIn(dir)
	if err == nil {
		err = f.remove()
	}
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"kubectl-aml-1", folderPrefix + "1", "other-1"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v: %v", left, want, err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, lockName)); err != nil {
		t.Error(err)
	}
}

func dead(t *testing.T, path string) {
	t.Helper()
	full(t, path)
	if err := os.WriteFile(filepath.Join(path, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func full(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(path, "image", "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func age(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	then := info.ModTime().Add(-2 * time.Minute)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}
