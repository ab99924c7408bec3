// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// newFile is a file that is yet to be written.
type newFile struct {
	// name is relative to the folder.
	name string
	text []byte
	// secret makes it readable for its owner alone.
	secret bool
}

// writeNew writes files into a folder, which is made if it is not there. It
// refuses to touch a file that is there, naming all of them, and takes
// everything back if one cannot be written.
func writeNew(dir string, files []newFile) error {
	var errs []error
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s is there already: move it away, or name another folder",
				filepath.Join(dir, f.name)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var made []string
	for _, f := range files {
		paths, err := writeOne(dir, f)
		made = append(made, paths...)
		if err != nil {
			for i := len(made) - 1; i >= 0; i-- {
				err = errors.Join(err, os.Remove(made[i]))
			}
			return err
		}
	}
	return nil
}

// writeOne returns what it has made, folders first.
func writeOne(dir string, f newFile) (made []string, err error) {
	path := filepath.Join(dir, f.name)
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
			break
		}
		made = append([]string{parent}, made...)
	}
	for i, parent := range made {
		if err := os.Mkdir(parent, 0o755); err != nil {
			return made[:i], err
		}
	}
	mode := fs.FileMode(0o644)
	if f.secret {
		mode = 0o600
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return made, err
	}
	made = append(made, path)
	_, err = file.Write(f.text)
	return made, errors.Join(err, file.Close())
}
