// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// sweep deletes the blobs that no manifest of the index refers to, unless they
// were written or asked for a short while ago, and returns how many bytes they had.
// It is called while nobody else can change the index. With dry it deletes nothing.
func (l *Layout) sweep(i index, dry bool) (int64, error) {
	files, err := l.garbage(i)
	return l.remove(blobFolder, files, dry), err
}

// sweepTemporary is sweep for what writers left that were killed.
func (l *Layout) sweepTemporary(dry bool) int64 {
	files, _ := os.ReadDir(l.path(tempFolder)) // an error is told by whoever writes into it
	return l.remove(tempFolder, files, dry)
}

// remove deletes those of the files that are old enough now: somebody may have
// asked for one since they were listed.
func (l *Layout) remove(folder string, files []fs.DirEntry, dry bool) (size int64) {
	for _, f := range files {
		path := l.path(folder + "/" + f.Name())
		info, err := os.Lstat(path)
		if err != nil || l.clock.Since(info.ModTime()) < grace {
			continue
		}
		if !dry && os.Remove(path) != nil {
			continue // in nobody's way but that of who looks at the folder
		}
		size += info.Size()
	}
	return size
}

// garbage are the files of the blobs that no manifest of the index refers to.
func (l *Layout) garbage(i index) ([]fs.DirEntry, error) {
	used := map[string]bool{}
	for _, d := range i.Manifests {
		if err := l.mark(d, used); err != nil {
			return nil, err
		}
	}
	files, err := os.ReadDir(l.path(blobFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, l.failed("read", err)
	}
	return slices.DeleteFunc(files, func(f fs.DirEntry) bool { return used[f.Name()] }), nil
}

// mark notes a blob and all that it refers to. What is no manifest of those kinds
// that are known refers to nothing.
func (l *Layout) mark(d v1.Descriptor, used map[string]bool) error {
	if used[d.Digest.Hex] {
		return nil
	}
	used[d.Digest.Hex] = true
	if !d.MediaType.IsImage() && !d.MediaType.IsIndex() {
		return nil
	}
	m, err := l.read(d.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // others may keep it elsewhere
	}
	if err != nil {
		return err
	}
	for _, child := range m.refers() {
		if err := l.mark(child, used); err != nil {
			return err
		}
	}
	return nil
}

// read reads a manifest.
func (l *Layout) read(digest v1.Hash) (manifest, error) {
	var m manifest
	text, err := os.ReadFile(l.blobPath(digest))
	if err != nil {
		return m, l.failed("read", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, l.broken(filepath.Join(blobFolder, digest.Hex), err)
	}
	return m, nil
}
