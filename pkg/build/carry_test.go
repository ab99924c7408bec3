// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// pushed is an image in a registry of this machine.
func pushed(t *testing.T) (string, v1.Image) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	img, err := random.Image(100, 2)
	if err == nil {
		img, err = mutate.ConfigFile(img, withPlatform(t, img))
	}
	if err != nil {
		t.Fatal(err)
	}
	image := strings.TrimPrefix(server.URL, "http://") + "/a/b:1"
	ref, err := name.ParseReference(image)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return image, img
}

func withPlatform(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture = "linux", "amd64"
	return config
}

func TestImageOfThisMachineTravelsThroughIt(t *testing.T) {
	t.Parallel()
	image, img := pushed(t)
	opt := client.SolveOpt{FrontendAttrs: map[string]string{}}
	r := Request{Name: "env", Platform: "linux/amd64", Dockerfile: "FROM example.com/other AS x\nFROM " + image}
	if err := carry(t.Context(), folder{path: t.TempDir()}, r, &opt); err != nil {
		t.Fatal(err)
	}
	top, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got := opt.FrontendAttrs["context:"+image]; len(opt.FrontendAttrs) != 1 || got != "oci-layout://base1@"+top.String() {
		t.Errorf("contexts are %v", opt.FrontendAttrs)
	}
	readsAll(t, opt.OCIStores["base1"], img)
}

func readsAll(t *testing.T, store content.Store, img v1.Image) {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		wanted := digest.Digest(d.Digest.String())
		for range 2 {
			reader, err := store.ReaderAt(t.Context(), ocispecs.Descriptor{Digest: wanted})
			if err != nil {
				t.Fatal(err)
			}
			got, err := digest.FromReader(io.NewSectionReader(reader, 0, reader.Size()))
			if err = errors.Join(err, reader.Close()); err != nil || got != wanted {
				t.Errorf("%s reads as %s, %v", wanted, got, err)
			}
		}
	}
	if _, err := store.Info(t.Context(), digest.FromString("another")); !errdefs.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	if _, err := store.Writer(t.Context()); !errdefs.IsNotImplemented(err) {
		t.Errorf("the builder may write: %v", err)
	}
}

func TestImageOfThisMachineIsNotThere(t *testing.T) {
	t.Parallel()
	image, _ := pushed(t)
	gone := strings.TrimSuffix(image, ":1") + ":2"
	err := carry(t.Context(), folder{path: t.TempDir()}, Request{Name: "env", Dockerfile: "FROM " + gone},
		&client.SolveOpt{FrontendAttrs: map[string]string{}})
	want := "cannot build env: there is no image " + gone + ": correct its name and tag"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLayersOfTheBaseStayItsOwn(t *testing.T) {
	t.Parallel()
	image, img := pushed(t)
	ref, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	got, err := borrow(t.Context(), Request{Platform: "linux/amd64", Dockerfile: "FROM " + image}, img)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := got.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		mountable, ok := l.(*remote.MountableLayer)
		if !ok || mountable.Reference.String() != ref.String() {
			t.Errorf("layer %d is a %T", i, l)
		}
	}
	was, _ := img.Digest()
	if is, err := got.Digest(); err != nil || is != was {
		t.Errorf("the digest is %s, was %s: %v", is, was, err)
	}
}
