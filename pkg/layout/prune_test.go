// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	wall "k8s.io/utils/clock"
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

func TestPruneDeletesWhatAKilledUploadLeft(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	nothing := func(string) bool { return false }
	equal(t, "no folder", must(l.Prune(nothing, 0, false)), Pruned{})
	if _, err := os.Stat(l.Folder()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made to delete nothing from: %v", err)
	}
	l.pushed(t, "iris", must(random.Image(10, 1)))
	left := l.path(tempFolder + "/1234")
	must(0, os.WriteFile(left, make([]byte, 5000), 0o600))
	before := must(l.Prune(func(string) bool { return true }, 0, false))
	equal(t, "of a writer that may live", before, Pruned{})
	clock.SetTime(clock.Now().Add(2 * grace))
	for _, dry := range []bool{true, false} {
		equal(t, "of a writer that was killed", must(l.Prune(func(string) bool { return true }, 0, dry)), Pruned{Bytes: 5000})
	}
	equal(t, "what is left", len(must(os.ReadDir(l.path(tempFolder)))), 0)
}

func TestSweepLeavesWhatIsAskedForMeanwhile(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	l.pushed(t, "iris", must(random.Image(10, 1)))
	clock.SetTime(clock.Now().Add(2 * grace))
	garbage := must(l.garbage(index{}))
	equal(t, "blobs that are listed", len(garbage), 3)
	l.touch(v1.Hash{Algorithm: "sha256", Hex: garbage[1].Name()})
	l.remove(blobFolder, garbage, false)
	equal(t, "blobs that stay", l.blobFiles(), []string{garbage[1].Name()})
}

// Whoever is told that an image is there counts on it.
func TestAnImageIsAskedForBeforeOrAfterAPrune(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	image := l.pushed(t, "iris", must(random.Image(10, 1)))
	clock.SetTime(clock.Now().Add(2 * grace))
	found := make(chan error, 1)
	must(l.Prune(func(string) bool {
		go func() {
			_, err := remote.Head(ref(image), l.remote(t)...)
			found <- err
		}()
		select {
		case err := <-found:
			found <- err
		case <-wall.RealClock{}.After(200 * time.Millisecond): // it waits
		}
		return false
	}, 0, false))
	if err := <-found; err == nil {
		t.Error("an image was found that is gone")
	}
}
