// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// folder holds what a build needs and makes on this machine.
type folder struct {
	path   string
	remove func() error
}

const (
	folderPrefix = "kubectl-aml-build-"
	// lockName is a file in a folder that its process has locked for as long as it
	// lives.
	lockName = "lock"
	// settled is how old a folder is that has been locked, if it ever will be.
	settled = time.Minute
)

// newFolder makes one among the temporary files of this machine, and removes
// those of builds whose processes were killed.
func newFolder() (folder, error) { return newFolderIn(os.TempDir()) }

func newFolderIn(dir string) (folder, error) {
	none := func(err error) (folder, error) {
		return folder{}, fmt.Errorf("no folder for the build: %w; set TMPDIR to a folder with room for an image", err)
	}
	path, err := os.MkdirTemp(dir, folderPrefix)
	if err != nil {
		return none(err)
	}
	lock := flock.New(filepath.Join(path, lockName))
	if _, err := lock.TryLock(); err != nil {
		return none(errors.Join(err, os.RemoveAll(path)))
	}
	sweep(dir, path)
	return folder{path: path, remove: sync.OnceValue(func() error {
		return errors.Join(lock.Close(), os.RemoveAll(path))
	})}, nil
}

func (f folder) file(name string) string { return filepath.Join(f.path, name) }

// sweep removes the folders in dir that nobody has locked. What cannot be removed
// is another user's, or the next build's to remove. Ages are measured against the
// newest folder, so that no clocks are compared.
func sweep(dir, newest string) {
	now, err := os.Stat(newest)
	entries, listErr := os.ReadDir(dir)
	if err != nil || listErr != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), folderPrefix) {
			continue
		}
		if info, err := e.Info(); err == nil && now.ModTime().Sub(info.ModTime()) >= settled {
			bury(filepath.Join(dir, e.Name()))
		}
	}
}

// bury removes a folder, if its process is dead. Anybody may have made the folder:
// a lock that is no file is not opened, since a link may lead to what is not there
// yet, and a pipe keeps whoever opens it.
func bury(path string) {
	file := filepath.Join(path, lockName)
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_ = os.Remove(path) // killed before it was locked, so it is empty
		return
	case err != nil || !info.Mode().IsRegular():
		return
	}
	lock := flock.New(file, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryLock()
	if err != nil || !free {
		_ = lock.Close()
		return
	}
	_ = lock.Close()
	_ = os.RemoveAll(path)
}
