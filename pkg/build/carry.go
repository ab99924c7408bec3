// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// carry has images to start from that are in a registry of this machine travel
// through this machine: for a builder elsewhere, localhost is another place.
// Only layers that the builder has not yet are asked for.
func carry(ctx context.Context, f folder, r Request, opt *client.SolveOpt) error {
	opt.OCIStores = map[string]content.Store{}
	for i, image := range bases(r.Dockerfile, r.Arguments) {
		host, _, err := net.SplitHostPort(hostOf(image))
		if err != nil {
			host = hostOf(image)
		}
		if !thisMachine(host) {
			continue
		}
		store, top, err := f.fetch(ctx, image, r)
		if err != nil {
			what, advice := base(image, oneLine(err.Error()))
			return &failure{name: r.Name, what: what, advice: advice, err: err}
		}
		id := "base" + strconv.Itoa(i)
		opt.OCIStores[id] = store
		opt.FrontendAttrs["context:"+contextName(image)] = "oci-layout://" + id + "@" + top.String()
	}
	return nil
}

// contextName is how BuildKit looks for what takes the place of an image.
func contextName(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest")
}

// fetch is an image as a store, and the digest of its manifest.
func (f folder) fetch(ctx context.Context, image string, r Request) (*carried, v1.Hash, error) {
	img, _, err := r.pull(ctx, image)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	c := &carried{folder: f.file("base"), blobs: map[digest.Digest]*blob{}}
	manifest, err := img.RawManifest()
	config, configErr := img.RawConfigFile()
	parsed, parsedErr := img.Manifest()
	layers, layersErr := img.Layers()
	top, topErr := img.Digest()
	if err := errors.Join(err, configErr, parsedErr, layersErr, topErr, os.MkdirAll(c.folder, 0o700)); err != nil {
		return nil, v1.Hash{}, err
	}
	c.add(top, int64(len(manifest)), text(manifest))
	c.add(parsed.Config.Digest, parsed.Config.Size, text(config))
	for i, l := range layers {
		c.add(parsed.Layers[i].Digest, parsed.Layers[i].Size, l.Compressed)
	}
	return c, top, nil
}

// pull finds an image to start from, for the platform of the build.
func (r Request) pull(ctx context.Context, image string) (v1.Image, name.Reference, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return nil, nil, err
	}
	opts := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(r.keychain()),
		remote.WithTransport(r.transport())}
	if r.Platform != "" {
		platform, err := v1.ParsePlatform(r.Platform)
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, remote.WithPlatform(*platform))
	}
	img, err := remote.Image(ref, opts...)
	return img, ref, err
}

func text(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(b))), nil }
}

// carried is a store of containerd that can only be read. A blob is kept in a
// file from when it is first asked for, as a builder reads it in many pieces.
type carried struct {
	folder string
	blobs  map[digest.Digest]*blob
}

type blob struct {
	size  int64
	fetch func() error
	file  string
}

func (c *carried) add(h v1.Hash, size int64, open func() (io.ReadCloser, error)) {
	file := filepath.Join(c.folder, h.Hex)
	c.blobs[digest.Digest(h.String())] = &blob{size: size, file: file, fetch: sync.OnceValue(func() error {
		in, err := open()
		if err != nil {
			return err
		}
		out, err := os.Create(file)
		if err == nil {
			_, err = io.Copy(out, in) // the registry's client compares the digest
			err = errors.Join(err, out.Close())
		}
		return errors.Join(err, in.Close())
	})}
}

func (c *carried) find(d digest.Digest) (*blob, error) {
	b, ok := c.blobs[d]
	if !ok {
		return nil, fmt.Errorf("%s is not in the image: %w", d, errdefs.ErrNotFound)
	}
	return b, nil
}

// Info tells the size of a blob.
func (c *carried) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	b, err := c.find(d)
	if err != nil {
		return content.Info{}, err
	}
	return content.Info{Digest: d, Size: b.size}, nil
}

// ReaderAt reads a blob.
func (c *carried) ReaderAt(_ context.Context, d ocispecs.Descriptor) (content.ReaderAt, error) {
	b, err := c.find(d.Digest)
	if err != nil {
		return nil, err
	}
	if err := b.fetch(); err != nil {
		return nil, err
	}
	file, err := os.Open(b.file)
	if err != nil {
		return nil, err
	}
	return sized{file, b.size}, nil
}

type sized struct {
	*os.File
	size int64
}

// Size is that of the blob.
func (s sized) Size() int64 { return s.size }

var errReadOnly = fmt.Errorf("the store can only be read: %w", errdefs.ErrNotImplemented)

// Update is refused.
func (c *carried) Update(context.Context, content.Info, ...string) (content.Info, error) {
	return content.Info{}, errReadOnly
}

// Walk is refused.
func (c *carried) Walk(context.Context, content.WalkFunc, ...string) error { return errReadOnly }

// Delete is refused.
func (c *carried) Delete(context.Context, digest.Digest) error { return errReadOnly }

// Status is refused.
func (c *carried) Status(context.Context, string) (content.Status, error) {
	return content.Status{}, errReadOnly
}

// ListStatuses is refused.
func (c *carried) ListStatuses(context.Context, ...string) ([]content.Status, error) {
	return nil, errReadOnly
}

// Abort is refused.
func (c *carried) Abort(context.Context, string) error { return errReadOnly }

// Writer is refused.
func (c *carried) Writer(context.Context, ...content.WriterOpt) (content.Writer, error) {
	return nil, errReadOnly
}
