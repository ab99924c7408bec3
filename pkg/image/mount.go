// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// addition is a layer that is added to the environment.
type addition struct {
	v1.Layer
	name      string
	mediaType types.MediaType
	digest    v1.Hash
	size      int64
}

// mounted is the layer of a registered model as a layer of an image. Its archive
// is not compressed, so both of its digests are known without reading it.
type mounted struct {
	model Registered
	from  v1.Layer
	kind  types.MediaType
}

// Digest is that of the archive.
func (m mounted) Digest() (v1.Hash, error) { return m.model.layer.Digest, nil }

// DiffID is that of the archive too.
func (m mounted) DiffID() (v1.Hash, error) { return m.model.layer.Digest, nil }

// Size is that of the archive.
func (m mounted) Size() (int64, error) { return m.model.layer.Size, nil }

// MediaType follows that of the base image.
func (m mounted) MediaType() (types.MediaType, error) { return m.kind, nil }

// Compressed reads the archive from the registry that has it. It is called only
// where the blob cannot be mounted.
func (m mounted) Compressed() (io.ReadCloser, error) { return m.from.Compressed() }

// Uncompressed is the same.
func (m mounted) Uncompressed() (io.ReadCloser, error) { return m.from.Compressed() }

// mount makes the layer of a registered model one of an image in repo. In the
// same registry the blob is mounted from the model's repository; if that is
// refused, or the image goes to another registry, it is copied as a stream.
func mount(ctx context.Context, r Registered, repo name.Repository, docker bool, o Options, t http.RoundTripper) (
	addition, error,
) {
	l, err := r.weights(ctx, o, t)
	if err != nil {
		return addition{}, err
	}
	from, err := r.source(o)
	if err != nil {
		return addition{}, err
	}
	kind := layerType(docker)
	a := addition{Layer: mounted{model: r, from: l, kind: kind}, name: "model " + r.ID, mediaType: kind,
		digest: r.layer.Digest, size: r.layer.Size}
	if from.Context().RegistryStr() == repo.RegistryStr() {
		a.Layer = &remote.MountableLayer{Layer: a.Layer, Reference: from}
	}
	return a, nil
}

// resolve finds the registered models among those of p.
func (p *plan) resolve(ctx context.Context, registry string, o Options) error {
	var errs []error
	for i := range p.contents {
		c := &p.contents[i]
		if _, artifact := c.model.Artifact(); c.model.Name == "" || c.model.Path != "" && !artifact {
			continue
		}
		errs = append(errs, c.find(ctx, registry, o))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return p.arrange()
}

// find reads what the registry says of the model in c.
func (c *content) find(ctx context.Context, registry string, o Options) error {
	if _, artifact := c.model.Artifact(); artifact {
		return c.findArtifact(ctx, registry, o)
	}
	if registry == "" {
		return fmt.Errorf("model %s is a registered one, and no registry is named", c.model)
	}
	found, err := Models{Registry: registry, Options: o}.Find(ctx, c.model.Name, c.model.Version)
	if err != nil {
		return err
	}
	c.model, c.registered, c.name = found.Model(), &found, "model "+found.ID
	return nil
}

// findArtifact pins the artifact in c. One that model register made has the very
// layer, unless it is to be called something else; if it is in registry, it is a
// registered model as if it had been named.
func (c *content) findArtifact(ctx context.Context, registry string, o Options) error {
	p, made, err := artifactOf(ctx, c.model, o)
	if err != nil {
		return err
	}
	o.log("model " + p.model.String() + " is " + p.model.Path)
	c.model, c.pack, c.name = p.model, &p, "model "+p.model.String()
	if made == nil || made.Model() != (Model{Name: p.model.Name, Version: p.model.Version}) {
		return nil
	}
	c.pack, c.registered = nil, made
	if s, err := (Models{Registry: registry, Options: o}).shelf(made.Name); err == nil &&
		s.repo.Name() == p.from.Context().Name() {
		c.model = made.Model()
	}
	return nil
}

// Resolve finds the registered models of src and returns src with the versions
// that they have now. It reads no file. Errors are those of Package.
func (src Source) Resolve(ctx context.Context, o Options) (Source, error) {
	p := plan{}
	for _, m := range src.Models {
		p.contents = append(p.contents, content{model: m})
	}
	if err := p.resolve(ctx, src.Registry, o); err != nil {
		return src, err
	}
	src.Models = nil
	for _, c := range p.contents {
		src.Models = append(src.Models, c.model)
	}
	return src, nil
}
