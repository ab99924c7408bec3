// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// pushed pushes an image without a tag and returns its name in the folder.
func (l *Layout) pushed(t *testing.T, repo string, img v1.Image) string {
	t.Helper()
	name := repo + "@" + must(img.Digest()).String()
	must(0, remote.Write(ref(name), img, l.remote(t)...))
	return name
}

// about is an image that is attached to another.
func about(img v1.Image) v1.Image {
	return mutate.Subject(must(random.Image(10, 1)), v1.Descriptor{MediaType: must(img.MediaType()),
		Digest: must(img.Digest()), Size: must(img.Size())}).(v1.Image)
}

func TestPruneDeletesWhatNobodyUses(t *testing.T) {
	t.Parallel()
	const month = 720 * time.Hour
	l, clock := newLayout(t)
	base := must(random.Image(1000, 2))
	version := func() v1.Image {
		return must(mutate.AppendLayers(base, must(random.Layer(500, "application/vnd.oci.image.layer.v1.tar"))))
	}
	must(0, remote.Write(ref("environments:1"), base, l.remote(t)...))
	index := must(random.Index(10, 1, 2))
	must(0, remote.WriteIndex(ref("multi:1"), index, l.remote(t)...))
	l.pushed(t, "environments", about(base))
	deployed, asked, gone := version(), version(), version()
	kept := l.pushed(t, "iris", deployed)
	l.pushed(t, "iris", about(deployed))
	inUse := l.pushed(t, "iris", asked)
	want := []string{l.pushed(t, "iris", gone), l.pushed(t, "iris", about(gone)), l.pushed(t, "other", deployed)}
	slices.Sort(want)
	before := len(l.blobFiles())

	clock.SetTime(clock.Now().Add(month + grace))
	must(remote.Get(ref(inUse), l.remote(t)...))
	keep := func(image string) bool { return image == kept }
	would := must(l.Prune(keep, month, true))
	equal(t, "would delete", would.Images, want)
	equal(t, "blobs after looking", len(l.blobFiles()), before)
	must(remote.Get(ref(want[0]), l.remote(t)...)) // asked for now
	clock.SetTime(clock.Now().Add(month + grace))
	must(remote.Get(ref(inUse), l.remote(t)...))
	did := must(l.Prune(keep, month, false))
	equal(t, "deleted", []any{did.Images, did.Bytes}, []any{want, would.Bytes})
	// A layer, a config and a manifest of the image, and three blobs of what was attached to it.
	equal(t, "blobs that went", before-len(l.blobFiles()), 6)
	for _, name := range []string{"environments:1", kept, inUse} {
		must(0, validate.Image(must(remote.Image(ref(name), l.remote(t)...))))
	}
	must(0, validate.Index(must(remote.Index(ref("multi:1"), l.remote(t)...))))
	for _, child := range must(index.IndexManifest()).Manifests {
		must(remote.Get(ref("multi@"+child.Digest.String()), l.remote(t)...))
	}
	equal(t, "nothing more", must(l.Prune(keep, month, false)), Pruned{})
}

func TestPruneKeepsWhatIsNew(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	nothing := func(string) bool { return false }
	equal(t, "no folder", must(l.Prune(nothing, 0, true)), Pruned{})
	l.pushed(t, "iris", must(random.Image(10, 1)))
	equal(t, "in the first hour", must(l.Prune(nothing, 0, false)), Pruned{})
	clock.SetTime(clock.Now().Add(2 * grace))
	equal(t, "later", len(must(l.Prune(nothing, 0, false)).Images), 1)
	equal(t, "blobs", l.blobFiles(), "[]")
}
