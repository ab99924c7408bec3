// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gofrs/flock"
)

// part is a file in the making, beside what it is to be. It is locked for as long
// as its process lives.
type part struct {
	*os.File
	lock *flock.Flock
}

// newPart makes one for file, and removes those of processes that were killed.
func newPart(file string) (part, error) {
	dir, prefix := filepath.Dir(file), "."+filepath.Base(file)+"-"
	for {
		id := rand.Text()
		p, err := openPart(filepath.Join(dir, prefix+id))
		if err != nil {
			return part{}, err
		}
		if p.keeps() {
			sweep(dir, prefix, len(id))
			return p, nil
		}
		_ = p.Close() // it is gone
	}
}

func openPart(name string) (part, error) {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return part{out, lockOf(name)}, err
}

func lockOf(file string) *flock.Flock { return flock.New(file, flock.SetFlag(os.O_RDONLY)) }

// lockless tells whether a lock would keep its own process from writing. There, what
// is open cannot be removed anyway.
func lockless() bool { return runtime.GOOS == "windows" }

// keeps locks the part, and tells whether it is still there: another process may have
// taken it for one that was left, in the moment before. Where nothing can be locked,
// nothing is removed.
func (p part) keeps() bool {
	if lockless() {
		return true
	}
	locked, err := p.lock.TryLock()
	is, isErr := p.Stat()
	there, thereErr := os.Lstat(p.Name())
	return (locked || err != nil) && isErr == nil && thereErr == nil && os.SameFile(is, there)
}

// sweep removes the parts that nobody has locked.
func sweep(dir, prefix string, random int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // who wants to write there is told
	}
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), prefix); ok && len(id) == random && e.Type()&fs.ModeType == 0 {
			removeLeft(filepath.Join(dir, e.Name()))
		}
	}
}

// removeLeft removes a part whose process is gone. If it cannot, the next one tries.
func removeLeft(name string) {
	if lockless() {
		_ = os.Remove(name)
		return
	}
	lock := lockOf(name)
	if free, err := lock.TryLock(); err == nil && free {
		_ = os.Remove(name)
	}
	_ = lock.Close()
}

// Close closes the file and lets go of it.
func (p part) Close() error {
	_ = p.lock.Close() // nobody waits for it
	return p.File.Close()
}
