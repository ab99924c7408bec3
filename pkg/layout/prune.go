// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Pruned is what Prune deleted.
type Pruned struct {
	// Images are REPOSITORY@sha256:DIGEST, sorted.
	Images []string
	// Bytes are those of all files that went.
	Bytes int64
}

// Prune deletes the images that have no tag, that keep does not name by
// REPOSITORY@sha256:DIGEST, and that nobody wrote or asked for in the time given,
// an hour at least; the blobs that nothing else refers to; and what writers left
// that were killed. What is attached to an image that stays, and what an index that
// stays is of, stays too. With dry nothing is deleted, and Pruned is what would be.
// Errors are of type *FolderError.
func (l *Layout) Prune(keep func(image string) bool, unused time.Duration, dry bool) (Pruned, error) {
	var out Pruned
	drop := func(i *index) (err error) {
		out.Images, err = l.unused(i, keep, max(unused, grace))
		return err
	}
	sweep := func(i index) (err error) {
		out.Bytes, err = l.sweep(i, dry)
		out.Bytes += l.sweepTemporary(dry)
		return err
	}
	if _, err := os.Stat(l.folder); errors.Is(err, fs.ErrNotExist) {
		return out, nil // and none is made
	}
	if !dry {
		err := l.change(drop, sweep)
		return out, err
	}
	i, err := l.index()
	if err == nil {
		err = drop(&i)
	}
	if err == nil {
		err = sweep(i)
	}
	return out, err
}

// unused takes the images that Prune deletes out of an index, and returns their
// names.
func (l *Layout) unused(i *index, keep func(string) bool, unused time.Duration) ([]string, error) {
	stays := map[string]bool{} // by name
	for _, d := range i.Manifests {
		e := entryOf(d)
		if e.repo == "" || e.tag != "" || keep(nameOf(e, d.Digest)) || l.recent(d.Digest, unused) {
			stays[nameOf(e, d.Digest)] = true
		}
	}
	for more := true; more; {
		var err error
		if more, err = l.follow(*i, stays); err != nil {
			return nil, err
		}
	}
	var gone []string
	i.drop(func(e entry, d v1.Descriptor) bool {
		name := nameOf(e, d.Digest)
		if !stays[name] {
			gone = append(gone, name)
		}
		return !stays[name]
	})
	slices.Sort(gone)
	return gone, nil
}

// follow adds what belongs to an image that stays, and tells whether it added any.
func (l *Layout) follow(i index, stays map[string]bool) (more bool, err error) {
	for _, d := range i.Manifests {
		e := entryOf(d)
		if e.repo == "" || !d.MediaType.IsImage() && !d.MediaType.IsIndex() {
			continue
		}
		m, err := l.read(d.Digest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		name := nameOf(e, d.Digest)
		if m.Subject != nil && !stays[name] && stays[nameOf(e, m.Subject.Digest)] {
			stays[name], more = true, true
		}
		for _, child := range m.Manifests {
			if of := nameOf(e, child.Digest); stays[name] && !stays[of] {
				stays[of], more = true, true
			}
		}
	}
	return more, nil
}

func nameOf(e entry, digest v1.Hash) string { return e.repo + "@" + digest.String() }

// recent tells whether somebody wrote or asked for a manifest a short while ago.
func (l *Layout) recent(digest v1.Hash, unused time.Duration) bool {
	info, err := os.Stat(l.blobPath(digest))
	return err == nil && l.clock.Since(info.ModTime()) < unused
}
