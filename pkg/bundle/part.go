// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// part is a file in the making, beside what it is to be. It is locked for as long
// as its process lives.
type part struct {
	*os.File
	lock *flock.Flock
}

// settled is how old a part is that has been locked, if it ever will be.
const settled = time.Minute

// newPart makes one for file, and removes those of processes that were killed.
func newPart(file string) (part, error) {
	prefix := "." + filepath.Base(file) + "-"
	name := filepath.Join(filepath.Dir(file), prefix+rand.Text())
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return part{}, err
	}
	p := part{out, lockOf(name)}
	_, _ = p.lock.TryLock() // where nothing can be locked, nothing is removed
	p.sweep(prefix)
	return p, nil
}

func lockOf(file string) *flock.Flock { return flock.New(file, flock.SetFlag(os.O_RDONLY)) }

// sweep removes the other parts that nobody has locked. Ages are measured against
// this one, so that no clocks are compared.
func (p part) sweep(prefix string) {
	now, err := p.Stat()
	dir := filepath.Dir(p.Name())
	entries, listErr := os.ReadDir(dir)
	if err != nil || listErr != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(e.Name(), prefix) ||
			len(e.Name()) != len(filepath.Base(p.Name())) || now.ModTime().Sub(info.ModTime()) < settled {
			continue
		}
		lock := lockOf(filepath.Join(dir, e.Name()))
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.Remove(lock.Path()) // or the next one does
		}
		_ = lock.Close()
	}
}

// Close closes the file and lets go of it.
func (p part) Close() error {
	_ = p.lock.Close() // nobody waits for it
	return p.File.Close()
}
