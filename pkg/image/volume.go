// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// apart makes two images: one of the code on the environment, and one of the
// models alone. The layers are those that one image would have, so a registry
// that has a model has it for both kinds. Nothing of a model is in the image of
// the code: it stays the same when a model changes.
func (m *composed) apart(ctx context.Context, src Source, contents []content, base v1.Image, o Options) error {
	models, code := parted(contents)
	docker, err := isDocker(base)
	if err != nil {
		return explain(err, "read", m.about.Environment)
	}
	onBase, err := addLayers(ctx, code, docker, m.repo, o, m.traffic)
	if err != nil {
		return err
	}
	without := m.about
	without.ModelDir = ""
	if m.image, err = assemble(base, m.about.Environment, src.Variables, without, onBase); err != nil {
		return explain(err, "read", m.about.Environment)
	}
	if len(models) == 0 {
		m.layers = onBase
		return nil
	}
	alone, err := addLayers(ctx, models, false, m.repo, o, m.traffic)
	if err != nil {
		return err
	}
	m.layers = append(alone, onBase...)
	if m.models, err = modelImage(base, alone); err != nil {
		return explain(err, "read", m.about.Environment)
	}
	return nil
}

// parted are the models and the code.
func parted(contents []content) (models, code []content) {
	for _, c := range contents {
		if c.model.Name == "" {
			code = append(code, c)
		} else {
			models = append(models, c)
		}
	}
	return models, code
}

// modelImage is an image of layers on nothing, for the platform of the base:
// runtimes unpack an image only if it says that it is for them. It is OCI's,
// whatever the base is.
func modelImage(base v1.Image, layers []addition) (v1.Image, error) {
	from, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{Architecture: from.Architecture, OS: from.OS, Variant: from.Variant,
		Created: v1.Time{Time: fixedTime()}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}})
	if err != nil {
		return nil, err
	}
	return mutate.Append(img, addenda(layers)...)
}

// addenda are layers with their history.
func addenda(layers []addition) []mutate.Addendum {
	adds := make([]mutate.Addendum, 0, len(layers))
	for _, l := range layers {
		adds = append(adds, mutate.Addendum{Layer: l.Layer, MediaType: l.mediaType, History: v1.History{
			Created: v1.Time{Time: fixedTime()}, CreatedBy: createdBy + l.name}})
	}
	return adds
}

// isDocker tells whether an image is of Docker's media types and not of OCI's.
func isDocker(img v1.Image) (bool, error) {
	kind, err := img.MediaType()
	return kind == types.DockerManifestSchema2, err
}
