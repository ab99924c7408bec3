// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package layout keeps images and models in a folder of this machine, for
// whoever has no registry. The folder is an OCI image layout, which other tools
// read too. Transport answers for it as a registry would, without a socket, so
// that clients of registries need not know.
//
// In index.json a tag is a descriptor whose org.opencontainers.image.ref.name is
// REPOSITORY:TAG; a manifest without a tag is REPOSITORY@DIGEST. Blobs are shared
// by all repositories. What others wrote there is left alone.
package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"k8s.io/utils/clock"
)

// Host is the name of the registry that Transport answers for. Names that end in
// .localhost are never on the net (RFC 6761, section 6.3).
const Host = "layout.localhost"

// The files and folders of a layout. Temporary files are in a folder of their
// own, so that none is ever taken for a blob.
const (
	versionFile = "oci-layout"
	version     = "1.0.0"
	indexFile   = "index.json"
	lockFile    = "index.lock"
	blobFolder  = "blobs/sha256"
	tempFolder  = "ingest"
)

// grace is how long a blob stays that nothing refers to, after it was written or
// asked for: whoever is about to push a manifest may count on it. Temporary files
// that nobody wrote to for as long are of writers that were killed.
const grace = time.Hour

// Layout is a folder with images. It may be used by several goroutines, and the
// folder by several processes.
type Layout struct {
	folder string
	clock  clock.PassiveClock

	// changing keeps goroutines from waiting for the file lock, a thread each.
	changing sync.Mutex

	mu      sync.Mutex
	uploads map[string]*upload
}

// Open returns the layout in a folder, which is made when something is written.
// It refuses a folder that has other things in it, and a layout of a version that
// it does not know, as a *FolderError.
func Open(folder string) (*Layout, error) {
	full, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	l := &Layout{folder: full, clock: clock.RealClock{}, uploads: map[string]*upload{}}
	return l, l.check()
}

// Folder is where the images are.
func (l *Layout) Folder() string { return l.folder }

// check looks whether the folder is a layout, or can become one.
func (l *Layout) check() error {
	text, err := os.ReadFile(l.path(versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return l.vacant()
	}
	if err != nil {
		return l.failed("read", err)
	}
	var told struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(text, &told); err != nil {
		return l.broken(versionFile, err)
	}
	if told.Version != version {
		return l.broken(versionFile, fmt.Errorf("its version is %q, not %s", told.Version, version))
	}
	return nil
}

// vacant refuses a folder without a version that has anything else than what a
// process leaves that is killed while it makes a layout.
func (l *Layout) vacant() error {
	entries, err := os.ReadDir(l.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return l.failed("read", err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == versionFile }) {
		return l.check() // another process has made it one since
	}
	for _, e := range entries {
		switch e.Name() {
		case tempFolder, lockFile, filepath.Dir(blobFolder):
		default:
			return &FolderError{Folder: l.folder, What: fmt.Sprintf("it has %s in it and is no image layout", e.Name()),
				Do: "name an empty folder, or one that is not there, with AML_LAYOUT"}
		}
	}
	return nil
}

// prepare makes the folder a layout if it is none.
func (l *Layout) prepare() error {
	for _, dir := range []string{blobFolder, tempFolder} {
		if err := os.MkdirAll(l.path(dir), 0o755); err != nil {
			return l.failed("written", err)
		}
	}
	if _, err := os.Stat(l.path(versionFile)); err == nil {
		return nil
	}
	return l.replace(versionFile, []byte(`{"imageLayoutVersion":"`+version+`"}`))
}

func (l *Layout) path(name string) string { return filepath.Join(l.folder, filepath.FromSlash(name)) }

func (l *Layout) blobPath(digest v1.Hash) string { return l.path(blobFolder + "/" + digest.Hex) }

// replace writes a file as a whole: who reads it sees the old one or the new one.
func (l *Layout) replace(name string, content []byte) error {
	f, err := os.CreateTemp(l.path(tempFolder), "")
	if err != nil {
		return l.failed("written", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, settle(f, l.path(name))); err != nil {
		_ = os.Remove(f.Name()) // swept later, if it stays
		return l.failed("written", err)
	}
	return nil
}

// settle closes a file and gives it its name when the disk has it.
func settle(f *os.File, name string) error {
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
