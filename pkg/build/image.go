// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/stream"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fromLayout is the only image of an OCI layout. What else an index may have in
// it, such as how the image was made, is none.
func fromLayout(path string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(path)
	if err != nil {
		return nil, err
	}
	images, err := partial.FindImages(index, func(d v1.Descriptor) bool {
		return d.MediaType.IsImage() && d.Annotations["vnd.docker.reference.type"] == ""
	})
	if err == nil && len(images) != 1 {
		err = fmt.Errorf("there are %d images in it", len(images))
	}
	if err != nil {
		return nil, err
	}
	return images[0], nil
}

// assembled is an image of a config and layers.
type assembled struct {
	manifest, config []byte
	kind             types.MediaType
	layers           []v1.Layer
}

// assemble makes an OCI image.
func assemble(config []byte, layers []v1.Layer) (*assembled, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: types.OCIConfigJSON, Size: size, Digest: digest},
	}
	for _, l := range layers {
		d, err := partial.Descriptor(l)
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, *d)
	}
	manifest, err := json.Marshal(m)
	return &assembled{manifest: manifest, config: config, kind: m.MediaType, layers: layers}, err
}

// Layers has the lowest first.
func (a *assembled) Layers() ([]v1.Layer, error) { return a.layers, nil }

// MediaType is that of the manifest.
func (a *assembled) MediaType() (types.MediaType, error) { return a.kind, nil }

// Size is that of the manifest.
func (a *assembled) Size() (int64, error) { return int64(len(a.manifest)), nil }

// ConfigName is the digest of the config.
func (a *assembled) ConfigName() (v1.Hash, error) { return partial.ConfigName(a) }

// ConfigFile is the config.
func (a *assembled) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(a) }

// RawConfigFile is the config as it is written.
func (a *assembled) RawConfigFile() ([]byte, error) { return a.config, nil }

// Digest is that of the manifest.
func (a *assembled) Digest() (v1.Hash, error) { return partial.Digest(a) }

// Manifest is the manifest.
func (a *assembled) Manifest() (*v1.Manifest, error) { return partial.Manifest(a) }

// RawManifest is the manifest as it is written.
func (a *assembled) RawManifest() ([]byte, error) { return a.manifest, nil }

// LayerByDigest finds a layer by the digest of its blob.
func (a *assembled) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if name, err := a.ConfigName(); err == nil && name == h {
		return partial.ConfigLayer(a)
	}
	return a.find(h, v1.Layer.Digest)
}

// LayerByDiffID finds a layer by the digest of its archive.
func (a *assembled) LayerByDiffID(h v1.Hash) (v1.Layer, error) { return a.find(h, v1.Layer.DiffID) }

func (a *assembled) find(h v1.Hash, of func(v1.Layer) (v1.Hash, error)) (v1.Layer, error) {
	for _, l := range a.layers {
		if got, err := of(l); err == nil && got == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// borrowed is a layer of the image that was started from, as its registry has it.
type borrowed struct {
	v1.Layer
	diffID v1.Hash
}

// DiffID is known from the config; the layer's own would read it whole.
func (b borrowed) DiffID() (v1.Hash, error) { return b.diffID, nil }

// MediaType is the one of OCI, whatever that image has: the bytes are the same.
func (b borrowed) MediaType() (types.MediaType, error) {
	kind, err := b.Layer.MediaType()
	switch kind { //nolint:exhaustive // others are what they are
	case types.DockerLayer:
		kind = types.OCILayer
	case types.DockerUncompressedLayer:
		kind = types.OCIUncompressedLayer
	}
	return kind, err
}

// lent are the layers that an image has from those it was started from, by the
// digests of their archives. They need not be sent to a registry that has them.
func lent(ctx context.Context, r Request) map[v1.Hash]v1.Layer {
	found := map[v1.Hash]v1.Layer{}
	for _, image := range bases(r.Dockerfile, r.Arguments) {
		base, ref, err := r.pull(ctx, image)
		if err != nil {
			continue // the builder can read it and this machine cannot
		}
		config, err := base.ConfigFile()
		layers, layersErr := base.Layers()
		if errors.Join(err, layersErr) != nil || len(layers) != len(config.RootFS.DiffIDs) {
			continue
		}
		for i, id := range config.RootFS.DiffIDs {
			found[id] = &remote.MountableLayer{Layer: borrowed{layers[i], id}, Reference: ref}
		}
	}
	return found
}

// borrow has an image's layers that came with the image it was started from
// mounted from there: the same blobs, and a registry that has them needs no copy.
func borrow(ctx context.Context, r Request, img v1.Image) (v1.Image, error) {
	config, err := img.RawConfigFile()
	manifest, manifestErr := img.RawManifest()
	layers, layersErr := img.Layers()
	kind, kindErr := img.MediaType()
	if err := errors.Join(err, manifestErr, layersErr, kindErr); err != nil {
		return nil, err
	}
	from := lent(ctx, r)
	for i, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		if other, ok := from[id]; ok && sameBlob(l, other) {
			layers[i] = other
		}
	}
	return &assembled{manifest: manifest, config: config, kind: kind, layers: layers}, nil
}

func sameBlob(a, b v1.Layer) bool {
	x, err := a.Digest()
	y, other := b.Digest()
	return err == nil && other == nil && x == y
}

// packed is a layer in a file.
type packed struct {
	file           string
	digest, diffID v1.Hash
	size           int64
}

// pack compresses a layer into a file, in one pass.
func pack(l v1.Layer, file string) (packed, error) {
	content, err := l.Uncompressed()
	if err != nil {
		return packed{}, err
	}
	out, err := os.Create(file)
	if err != nil {
		return packed{}, errors.Join(err, content.Close())
	}
	passing := stream.NewLayer(content)
	compressed, err := passing.Compressed()
	if err == nil {
		_, err = io.Copy(out, compressed)
		err = errors.Join(err, compressed.Close())
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return packed{}, err
	}
	p := packed{file: file}
	p.digest, err = passing.Digest()
	diffID, diffErr := passing.DiffID()
	size, sizeErr := passing.Size()
	p.diffID, p.size = diffID, size
	return p, errors.Join(err, diffErr, sizeErr)
}

// Digest is that of the file.
func (p packed) Digest() (v1.Hash, error) { return p.digest, nil }

// DiffID is that of the archive.
func (p packed) DiffID() (v1.Hash, error) { return p.diffID, nil }

// Size is that of the file.
func (p packed) Size() (int64, error) { return p.size, nil }

// MediaType is an archive compressed with gzip.
func (p packed) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed reads the file.
func (p packed) Compressed() (io.ReadCloser, error) { return os.Open(p.file) }

// Uncompressed reads the archive in it.
func (p packed) Uncompressed() (io.ReadCloser, error) {
	l, err := partial.CompressedToLayer(p)
	if err != nil {
		return nil, err
	}
	return l.Uncompressed()
}
