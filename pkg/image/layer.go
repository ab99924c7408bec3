// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a tar archive that is made anew each time it is read: once for its
// digest, and once more when the registry does not have it. Neither memory nor
// disk hold it.
//
// Models travel as they are: most formats are compressed or hardly get
// smaller, and unpacking would cost every node more time than the bytes saved.
// Code is compressed; another release of Go may compress it to other bytes.
type layer struct {
	name      string
	content   content
	mediaType types.MediaType
	diffID    v1.Hash
	digest    v1.Hash
	size      int64
	// open reads what write makes, until the context of the packaging ends.
	open func(write func(io.Writer) error) io.ReadCloser
	// changed is set when the layer came out different from its digest.
	changed atomic.Pointer[ChangedError]
}

// fixedTime stands for all times in an image. It is the first that zip files
// can hold: code that packs its own files again works.
func fixedTime() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// ChangedError says that a file was written to while it was packaged.
type ChangedError struct {
	// Path of the file on this machine.
	Path string
}

// Error tells which file it was and what to do.
func (e *ChangedError) Error() string {
	return e.Path + " changed while it was read: wait until nothing writes to it, then try again"
}

func newLayer(ctx context.Context, c content, docker bool) (*layer, error) {
	l := &layer{name: c.name, content: c, mediaType: layerType(c.packed, docker)}
	packed, plain := &counter{hash: sha256.New()}, sha256.New()
	if err := l.write(contextWriter{ctx, packed}, plain); err != nil {
		return nil, err
	}
	l.diffID, l.digest, l.size = sum(plain), sum(packed.hash), packed.size
	l.open = func(write func(io.Writer) error) io.ReadCloser {
		r, w := io.Pipe()
		// A pipe that is closed by its reader ends the writer too.
		go func() { _ = w.CloseWithError(write(contextWriter{ctx, w})) }()
		return r
	}
	return l, nil
}

func layerType(packed, docker bool) types.MediaType {
	switch {
	case packed && docker:
		return types.DockerLayer
	case packed:
		return types.OCILayer
	case docker:
		return types.DockerUncompressedLayer
	default:
		return types.OCIUncompressedLayer
	}
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

type counter struct {
	hash hash.Hash
	size int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	return c.hash.Write(p)
}

// contextWriter makes a copy of gigabytes stop when ctx does.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// write writes the layer as it travels to out, and the bare archive to plain.
func (l *layer) write(out, plain io.Writer) error {
	if !l.content.packed {
		return l.content.write(io.MultiWriter(out, plain))
	}
	z := gzip.NewWriter(out)
	if err := l.content.write(io.MultiWriter(z, plain)); err != nil {
		return err
	}
	return z.Close()
}

// write writes the bare archive.
func (c content) write(w io.Writer) error {
	if c.pack != nil {
		return c.pack.write(w)
	}
	return writeTar(w, c.entries)
}

func writeTar(w io.Writer, entries []entry) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		if err := writeEntry(t, e); err != nil {
			return err
		}
	}
	return t.Close()
}

// writeEntry leaves out everything that differs between machines: owners,
// times, and all modes but whether a file can be run.
func writeEntry(t *tar.Writer, e entry) error {
	h := &tar.Header{Name: e.name, ModTime: fixedTime(), Mode: 0o755}
	switch {
	case e.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.link, 0o777
	case e.info == nil:
		h.Typeflag, h.Name = tar.TypeDir, e.name+"/"
	default:
		return writeFile(t, e, h)
	}
	return t.WriteHeader(h)
}

func writeFile(t *tar.Writer, e entry, h *tar.Header) error {
	f, err := os.Open(e.source)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", e.source, reason(err))
	}
	defer func() { _ = f.Close() }() // only read from
	h.Typeflag, h.Size, h.Mode = tar.TypeReg, e.info.Size(), 0o644
	if e.info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	if err := unchanged(f, e); err != nil {
		return err
	}
	if err := t.WriteHeader(h); err != nil {
		return fmt.Errorf("%s cannot be put into a layer: %w", e.source, err)
	}
	n, err := io.Copy(t, io.LimitReader(f, h.Size))
	if err != nil {
		return err
	}
	if n != h.Size {
		return &ChangedError{Path: e.source}
	}
	return unchanged(f, e)
}

// unchanged compares an open file with what it was when it was found.
func unchanged(f *os.File, e entry) error {
	now, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", e.source, reason(err))
	}
	if !os.SameFile(now, e.info) || now.Size() != e.info.Size() || !now.ModTime().Equal(e.info.ModTime()) {
		return &ChangedError{Path: e.source}
	}
	return nil
}

// Digest is that of the layer as it travels.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the bare archive.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is that of the layer as it travels.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType follows that of the base image.
func (l *layer) MediaType() (types.MediaType, error) { return l.mediaType, nil }

// Compressed makes the layer again. Its end is an error when it came out
// different, because a file changed since the digest was made.
func (l *layer) Compressed() (io.ReadCloser, error) {
	return l.open(func(w io.Writer) error {
		check := &counter{hash: sha256.New()}
		err := l.write(io.MultiWriter(w, check), io.Discard)
		changed := &ChangedError{Path: "a file of the " + l.name}
		if err == nil && sum(check.hash) != l.digest {
			err = changed
		}
		if errors.As(err, &changed) {
			l.changed.Store(changed)
		}
		return err
	}), nil
}

// Uncompressed is the bare archive.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	return l.open(l.content.write), nil
}
