// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/lockedfile"
)

// refName is the annotation that names a manifest, by the OCI's image-spec.
const refName = "org.opencontainers.image.ref.name"

var (
	repositoryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagName        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// index is what index.json says.
type index struct {
	v1.IndexManifest
}

// readIndex reads an index.json, and refuses one in which a manifest is not named
// by its digest.
func readIndex(text []byte) (index, error) {
	var i index
	if err := json.Unmarshal(text, &i.IndexManifest); err != nil {
		return index{}, err
	}
	for n, d := range i.Manifests {
		if d.Digest.Algorithm != "sha256" {
			return index{}, fmt.Errorf("manifest %d has the digest %q, not sha256:…", n+1, d.Digest.String())
		}
	}
	return i, nil
}

// entry is a manifest as index.json names it: by a tag, or with none by its digest.
// One that has no repository is somebody else's.
type entry struct{ repo, tag string }

func entryOf(d v1.Descriptor) entry {
	ref := d.Annotations[refName]
	if repo, ok := strings.CutSuffix(ref, "@"+d.Digest.String()); ok && repositoryName.MatchString(repo) {
		return entry{repo: repo}
	}
	at := strings.LastIndex(ref, ":")
	if at < 0 || !repositoryName.MatchString(ref[:at]) || !tagName.MatchString(ref[at+1:]) {
		return entry{}
	}
	return entry{ref[:at], ref[at+1:]}
}

func (e entry) describe(d v1.Descriptor) v1.Descriptor {
	name := e.repo + ":" + e.tag
	if e.tag == "" {
		name = e.repo + "@" + d.Digest.String()
	}
	d.Annotations = map[string]string{refName: name}
	return d
}

// find returns the manifest of a repository that a tag or digest names.
func (i index) find(repo, ref string) (v1.Descriptor, bool) {
	for _, d := range i.Manifests {
		if e := entryOf(d); e.repo == repo && repo != "" && (e.tag == ref || d.Digest.String() == ref) {
			return d, true
		}
	}
	return v1.Descriptor{}, false
}

// put adds a manifest under a tag, or under none. What the tag named before stays
// in the repository.
func (i *index) put(repo, tag string, d v1.Descriptor) {
	if tag == "" {
		if _, there := i.find(repo, d.Digest.String()); !there {
			i.Manifests = append(i.Manifests, entry{repo: repo}.describe(d))
		}
		return
	}
	i.untag(repo, tag)
	i.drop(func(e entry, now v1.Descriptor) bool { return e == entry{repo: repo} && now.Digest == d.Digest })
	i.Manifests = append(i.Manifests, entry{repo, tag}.describe(d))
}

// untag takes a tag away, and tells whether it was there.
func (i *index) untag(repo, tag string) bool {
	d, there := i.find(repo, tag)
	if there {
		i.drop(func(e entry, _ v1.Descriptor) bool { return e == entry{repo, tag} })
		i.put(repo, "", d)
	}
	return there
}

// remove takes a manifest and its tags out of a repository, and tells whether it
// was there.
func (i *index) remove(repo, digest string) bool {
	return i.drop(func(e entry, d v1.Descriptor) bool { return e.repo == repo && d.Digest.String() == digest })
}

func (i *index) drop(which func(entry, v1.Descriptor) bool) bool {
	before := len(i.Manifests)
	i.Manifests = slices.DeleteFunc(i.Manifests, func(d v1.Descriptor) bool { return which(entryOf(d), d) })
	return len(i.Manifests) < before
}

// index reads index.json. A layout that was never written to is empty.
func (l *Layout) index() (index, error) {
	text, err := os.ReadFile(l.path(indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return index{v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}}, nil
	}
	if err != nil {
		return index{}, l.failed("read", err)
	}
	i, err := readIndex(text)
	if err != nil {
		return index{}, l.broken(indexFile, err)
	}
	return i, nil
}

// lock keeps all others from changing index.json, in this process and in others.
func (l *Layout) lock() (unlock func(), err error) {
	l.changing.Lock()
	release, err := lockedfile.MutexAt(l.path(lockFile)).Lock()
	if err != nil {
		l.changing.Unlock()
		return nil, l.failed("written", err)
	}
	return func() { release(); l.changing.Unlock() }, nil
}

// change has do change index.json while nobody else can. What do refuses changes
// nothing. After comes when the new one is written, before anybody else may write.
func (l *Layout) change(do func(*index) error, after func(index) error) error {
	if err := l.prepare(); err != nil {
		return err
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	i, err := l.index()
	if err != nil {
		return err
	}
	if err := do(&i); err != nil {
		return err
	}
	if i.Manifests == nil {
		i.Manifests = []v1.Descriptor{}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(i.IndexManifest); err != nil {
		return err
	}
	if err := l.replace(indexFile, text.Bytes()); err != nil {
		return err
	}
	return after(i)
}
