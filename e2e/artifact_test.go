// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/memory"
	orasremote "oras.land/oras-go/v2/registry/remote"
)

// artifacts is a repository of the real registry as oras sees it, which is another
// implementation of the same specifications.
func artifacts(t *testing.T, repository string) *orasremote.Repository {
	t.Helper()
	repo, err := orasremote.NewRepository(repository)
	must(t, err)
	repo.PlainHTTP = true
	return repo
}

// attachedTo is the one list of packages that is attached to an image by digest.
func attachedTo(t *testing.T, image string) []byte {
	t.Helper()
	repository, digest, _ := strings.Cut(image, "@")
	repo := artifacts(t, repository)
	subject, err := repo.Resolve(t.Context(), digest)
	must(t, err)
	var found []ocispec.Descriptor
	must(t, repo.Referrers(t.Context(), subject, "application/vnd.cyclonedx+json", func(d []ocispec.Descriptor) error {
		found = append(found, d...)
		return nil
	}))
	if len(found) != 1 {
		t.Fatalf("%d lists are attached to %s", len(found), image)
	}
	return firstLayer(t, repo, found[0])
}

// firstLayer is that of an artifact.
func firstLayer(t *testing.T, repo *orasremote.Repository, manifest ocispec.Descriptor) []byte {
	t.Helper()
	text, err := content.FetchAll(t.Context(), repo, manifest)
	must(t, err)
	var m ocispec.Manifest
	must(t, json.Unmarshal(text, &m))
	layer, err := content.FetchAll(t.Context(), repo.Blobs(), m.Layers[0])
	must(t, err)
	return layer
}

// pullModel is the one file of a registered model, pulled with oras.
func pullModel(t *testing.T, repository, version string) string {
	t.Helper()
	repo := artifacts(t, repository)
	manifest, err := repo.Resolve(t.Context(), version)
	must(t, err)
	files := tar.NewReader(bytes.NewReader(firstLayer(t, repo, manifest)))
	for {
		h, err := files.Next()
		must(t, err)
		if h.Typeflag == tar.TypeReg {
			file, err := io.ReadAll(files)
			must(t, err)
			return string(file)
		}
	}
}

// pushModel has oras push a model of one file, as the CNCF's specification has it.
func pushModel(t *testing.T, repository, tag, file, text string) {
	t.Helper()
	store := memory.New()
	push := func(kind string, data []byte) ocispec.Descriptor {
		d := content.NewDescriptorFromBytes(kind, data)
		must(t, store.Push(t.Context(), d, bytes.NewReader(data)))
		return d
	}
	layer := push("application/vnd.cncf.model.weight.v1.raw", []byte(text))
	layer.Annotations = map[string]string{"org.cncf.model.filepath": file}
	manifest, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.cncf.model.manifest.v1+json",
		Config: push("application/vnd.cncf.model.config.v1+json", []byte(`{"descriptor":{},"config":{},"modelfs":{}}`)),
		Layers: []ocispec.Descriptor{layer}})
	must(t, err)
	must(t, store.Tag(t.Context(), push(ocispec.MediaTypeImageManifest, manifest), tag))
	_, err = oras.Copy(t.Context(), store, tag, artifacts(t, repository), tag, oras.DefaultCopyOptions)
	must(t, err)
}
