// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// hasty is a clock on which one waits an eighth of the time.
type hasty struct{ clock.RealClock }

func (h hasty) NewTimer(d time.Duration) clock.Timer { return h.RealClock.NewTimer(d / 8) }

// newDigest is one that no other test has.
func newDigest(t *testing.T) string {
	t.Helper()
	secret := make([]byte, 32)
	_, err := rand.Read(secret)
	must(t, err)
	return hex.EncodeToString(secret)
}

func environmentImage(t *testing.T) v1.Image {
	t.Helper()
	small, err := random.Image(1000, 1)
	must(t, err)
	layers, err := small.Layers()
	must(t, err)
	kind, err := layers[0].MediaType()
	must(t, err)
	large, err := random.Layer(500_000, kind)
	must(t, err)
	img, err := mutate.AppendLayers(small, large)
	must(t, err)
	file, err := img.ConfigFile()
	must(t, err)
	file.OS, file.Architecture = "linux", "amd64"
	img, err = mutate.ConfigFile(img, file)
	must(t, err)
	return img
}

// Of people who want an environment at once, one builds it; killed in the middle,
// another one does. What breaks on the way is sent again, and only that.
func TestAnEnvironmentIsBuiltOnce(t *testing.T) {
	t.Parallel()
	g, img, digest := newGate(t), environmentImage(t), newDigest(t)
	place := g.registry + "/people"
	people := image.Environments{Registry: place, Builder: "second@there", Options: image.Options{Clock: hasty{}}}
	var told bytes.Buffer
	var mu sync.Mutex
	people.Options.Log = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		told.WriteString(line + "\n")
	}

	// The first builder is cut off, so that it can neither renew nor end its claim.
	first, cut := people, newGate(t)
	first.Registry, first.Builder, first.Options.Log = cut.registry+"/people", "first@here", nil
	_, err := first.Ensure(t.Context(), digest, func(context.Context) (v1.Image, error) {
		cut.fails(reset)
		return nil, errors.New("killed")
	})
	if err == nil || err.Error() != "killed" {
		t.Fatalf("the first builder: %v", err)
	}

	g.fails(times(1, resetLarge))
	var builds atomic.Int32
	var all sync.WaitGroup
	found, errs := make([]image.Found, 5), make([]error, 5)
	for i := range found {
		all.Go(func() {
			found[i], errs[i] = people.Ensure(t.Context(), digest, func(context.Context) (v1.Image, error) {
				builds.Add(1)
				return img, nil
			})
		})
	}
	all.Wait()
	must(t, errors.Join(errs...))
	want, err := img.Digest()
	must(t, err)
	for _, f := range found {
		if f.Reference != place+"/environments@"+want.String() {
			t.Errorf("found %s", f.Reference)
		}
	}
	if builds.Load() != 1 {
		t.Errorf("%d builds", builds.Load())
	}
	for size, times := range g.uploads() {
		if again := size > 100_000; again && times != 2 || !again && size > 500 && times != 1 {
			t.Errorf("a blob of %d bytes was sent %d times", size, times)
		}
	}
	for _, line := range []string{"first@here builds it: waiting for the image", "first@here builds it no more",
		"second@there builds it: waiting for the image"} {
		if !strings.Contains(told.String(), line) {
			t.Errorf("not told: %s\n%s", line, told.String())
		}
	}
	again, err := people.Find(t.Context(), digest)
	must(t, err)
	assertLooked(t, again, people.Registry, "environment "+digest[:12]+": found in "+people.Registry+"/environments")
	assertNoClaims(t, people.Registry, digest)
	packageFromGlobal(t, people.Registry, digest)
}

// assertLooked wants an environment from a registry, after these looks.
func assertLooked(t *testing.T, found image.Found, where string, looks ...string) {
	t.Helper()
	var looked []string
	for _, l := range found.Looked {
		looked = append(looked, l.String())
	}
	if found.Where != where || !strings.HasPrefix(found.Reference, where+"/environments@sha256:") || found.Built ||
		!slices.Equal(looked, looks) {
		t.Errorf("found %+v, want the looks\n%s", found, strings.Join(looks, "\n"))
	}
}

// assertNoClaims looks for what the builders may have left.
func assertNoClaims(t *testing.T, registry, digest string) {
	t.Helper()
	repo, err := name.NewRepository(registry + "/environments")
	must(t, err)
	tags, err := remote.List(repo)
	must(t, err)
	for _, tag := range tags {
		if strings.Contains(tag, digest) && tag != digest {
			t.Errorf("tag %s was left", tag)
		}
	}
}

// packageFromGlobal makes the image of a version upon an environment of a global
// registry. That is the same registry by another name, which has the blobs and
// mounts them: nothing travels but the code and the config.
func packageFromGlobal(t *testing.T, global, digest string) {
	t.Helper()
	g, dir := newGate(t), t.TempDir()
	workspace := image.Environments{Registry: g.registry + "/workspace", Global: []string{global}}
	found, err := workspace.Find(t.Context(), digest)
	must(t, err)
	short := digest[:12]
	assertLooked(t, found, global, "environment "+short+": not in "+workspace.Registry+"/environments",
		"environment "+short+": found in "+global+"/environments")
	script := filepath.Join(dir, "score.py")
	src := image.Source{Environment: found.Reference, Code: amlv1.Code{Script: script, EntryScript: "score.py"}}
	for _, code := range []string{"one", "another"} {
		must(t, os.WriteFile(script, []byte(code), 0o600))
		made, err := image.Package(t.Context(), src, workspace.Registry+"/endpoint", image.Options{})
		must(t, err)
		if made.Uploaded != 2 || made.Skipped != 2 {
			t.Errorf("image of %s: %d blobs sent, %d there already", code, made.Uploaded, made.Skipped)
		}
	}
}
