// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// MostManifest is the size up to which a manifest is read, in bytes. Registries
// take none that is larger.
const MostManifest = 4 << 20

// Courier carries manifests and blobs to and from registries as they are, without
// a look at what they are for. It logs in once to each repository. It may be used
// by several goroutines.
type Courier struct {
	o       Options
	traffic *countingTransport
	puller  *remote.Puller
	pusher  *remote.Pusher
}

// NewCourier returns a Courier whose requests end with ctx.
func NewCourier(ctx context.Context, o Options) (*Courier, error) {
	c := &Courier{o: o, traffic: newTransport(o)}
	var err error
	if c.puller, err = remote.NewPuller(o.remoteOptions(ctx, c.traffic)...); err != nil {
		return nil, err
	}
	c.pusher, err = remote.NewPusher(o.remoteOptions(ctx, c.traffic)...)
	return c, err
}

// Manifest is the manifest of an image, an index or an artifact.
type Manifest struct {
	// Reference is REPOSITORY@sha256:DIGEST.
	Reference string
	Type      types.MediaType
	Digest    v1.Hash
	Raw       []byte
}

// Manifest reads the manifest that a reference names, by tag or by digest. One by
// digest is what the digest says. Errors are as in Package.
func (c *Courier) Manifest(ctx context.Context, ref string) (Manifest, error) {
	parsed, err := parseImage(ref, c.o)
	if err != nil {
		return Manifest{}, err
	}
	desc, err := c.puller.Get(ctx, parsed)
	if err != nil {
		return Manifest{}, explain(err, "read", ref)
	}
	if len(desc.Manifest) > MostManifest {
		return Manifest{}, fmt.Errorf("cannot read %s: its manifest has %d bytes, and the most is %d: name another image",
			ref, len(desc.Manifest), MostManifest)
	}
	return Manifest{pinned(parsed, desc.Digest), desc.MediaType, desc.Digest, desc.Manifest}, nil
}

// Blob reads a blob of the image that ref names. What was read is what the digest
// says if the reader comes to its end without an error.
func (c *Courier) Blob(ctx context.Context, ref string, digest v1.Hash) (io.ReadCloser, error) {
	parsed, err := parseImage(ref, c.o)
	if err != nil {
		return nil, err
	}
	layer, err := c.puller.Layer(ctx, parsed.Context().Digest(digest.String()))
	if err != nil {
		return nil, explain(err, "read", ref)
	}
	blob, err := layer.Compressed()
	if err != nil {
		return nil, explain(err, "read", ref)
	}
	return explained{blob, ref}, nil
}

// explained tells errors of reading as those of the image.
type explained struct {
	io.ReadCloser
	ref string
}

func (e explained) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return the sentinel itself
		err = explain(err, "read", e.ref)
	}
	return n, err
}

// Begin logs that a push to a repository begins. What is sent from then on is told
// every few seconds.
func (c *Courier) Begin(repository string) { c.traffic.progress.begin("pushing to " + repository) }

// Upload writes a blob to a repository that does not have it, and tells whether it
// was sent. open is called again when the registry breaks an upload off.
func (c *Courier) Upload(
	ctx context.Context, repository string, digest v1.Hash, size int64, open func() (io.ReadCloser, error),
) (sent bool, err error) {
	repo, err := parseRepository(repository, c.o)
	if err != nil {
		return false, err
	}
	var opened atomic.Bool // never, if the repository has the blob
	p := parcel{digest, size, func() (io.ReadCloser, error) {
		opened.Store(true)
		return open()
	}}
	if err := c.pusher.Upload(ctx, repo, p); err != nil {
		return false, explain(err, pushTo, repo.Name())
	}
	return opened.Load(), nil
}

// Put writes a manifest to a repository, by its digest, and under a tag too unless
// that is empty. What it names has to be there.
func (c *Courier) Put(ctx context.Context, repository, tag string, kind types.MediaType, raw []byte) error {
	repo, err := parseRepository(repository, c.o)
	if err != nil {
		return err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	var ref name.Reference = repo.Digest(digest.String())
	if tag != "" {
		ref = repo.Tag(tag)
	}
	if err := c.pusher.Put(ctx, ref, letter{kind, raw}); err != nil {
		return explain(err, pushTo, repo.Name())
	}
	return nil
}

// parcel is a blob to be written.
type parcel struct {
	digest v1.Hash
	size   int64
	open   func() (io.ReadCloser, error)
}

// Digest is that of the blob.
func (p parcel) Digest() (v1.Hash, error) { return p.digest, nil }

// DiffID is not known, and not asked for.
func (p parcel) DiffID() (v1.Hash, error) { return p.digest, nil }

// Size is that of the blob.
func (p parcel) Size() (int64, error) { return p.size, nil }

// MediaType does not matter to a blob.
func (p parcel) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed is the blob as it is.
func (p parcel) Compressed() (io.ReadCloser, error) { return p.open() }

// Uncompressed is not asked for.
func (p parcel) Uncompressed() (io.ReadCloser, error) { return p.open() }

// letter is a manifest to be written.
type letter struct {
	kind types.MediaType
	raw  []byte
}

// RawManifest is the manifest.
func (l letter) RawManifest() ([]byte, error) { return l.raw, nil }

// MediaType is that of the manifest.
func (l letter) MediaType() (types.MediaType, error) { return l.kind, nil }

// PathOf is the path of an image's repository, without the registry's host.
func PathOf(ref string) (string, error) {
	parsed, err := parseImage(ref, Options{})
	if err != nil {
		return "", err
	}
	return parsed.Context().RepositoryStr(), nil
}
