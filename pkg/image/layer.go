// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a tar archive that is made anew each time it is read: once for its
// digest, and once more when the registry does not have it. Neither memory nor
// disk hold it.
//
// Layers travel as they are. Most formats of models are compressed or hardly get
// smaller, and unpacking would cost every node more time than the bytes saved.
// Code is small, and what a compressor writes depends on its release: the same
// code would be another image for the next release of the plugin.
type layer struct {
	name      string
	content   content
	mediaType types.MediaType
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
	return shown(e.Path) + " changed while it was read: wait until nothing writes to it, then try again"
}

func newLayer(ctx context.Context, c content, docker bool) (*layer, error) {
	l := &layer{name: c.name, content: c, mediaType: layerType(docker)}
	count := &counter{hash: sha256.New()}
	if err := c.write(contextWriter{ctx, count}); err != nil {
		return nil, err
	}
	l.digest, l.size = sum(count.hash), count.size
	l.open = func(write func(io.Writer) error) io.ReadCloser {
		r, w := io.Pipe()
		// A pipe that is closed by its reader ends the writer too.
		go func() { _ = w.CloseWithError(write(contextWriter{ctx, w})) }()
		return r
	}
	return l, nil
}

func layerType(docker bool) types.MediaType {
	if docker {
		return types.DockerUncompressedLayer
	}
	return types.OCIUncompressedLayer
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

// tarWriter writes entries as a tar archive.
type tarWriter struct {
	*tar.Writer
	buffer []byte
}

// write writes the archive.
func (c content) write(w io.Writer) error {
	if c.pack != nil {
		return c.pack.write(w)
	}
	return writeTar(w, c.entries)
}

func writeTar(w io.Writer, entries []entry) error {
	const read = 256 << 10 // at a time
	t := tarWriter{tar.NewWriter(w), make([]byte, read)}
	for _, e := range entries {
		if err := t.entry(e); err != nil {
			return err
		}
	}
	return t.Close()
}

// entry leaves out everything that differs between machines: owners, times, and
// all modes but whether a file can be run. Names are kept to the byte.
func (t tarWriter) entry(e entry) error {
	h := &tar.Header{Name: e.name, ModTime: fixedTime(), Mode: 0o755}
	switch {
	case e.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.link, 0o777
	case e.info == nil:
		h.Typeflag, h.Name = tar.TypeDir, e.name+"/"
	default:
		return t.file(e, h)
	}
	return t.WriteHeader(h)
}

func (t tarWriter) file(e entry, h *tar.Header) error {
	f, err := openFound(e)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	h.Typeflag, h.Size, h.Mode = tar.TypeReg, e.info.Size(), 0o644
	if e.info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	if err := t.WriteHeader(h); err != nil {
		return fmt.Errorf("%s cannot be put into a layer: %w", shown(e.source), err)
	}
	in := &readError{r: f}
	n, err := io.CopyBuffer(struct{ io.Writer }{t}, io.LimitReader(in, h.Size), t.buffer)
	ended := n == h.Size && in.ended(t.buffer)
	switch {
	case in.err != nil:
		return fmt.Errorf("%s cannot be read: %w", shown(e.source), reason(in.err))
	case err != nil:
		return err
	}
	if err := unchanged(f, e); err != nil {
		return err
	}
	if !ended { // as files of /proc are, which tell no size
		return fmt.Errorf("%s holds more or less than its size says: put a copy of it in its place", shown(e.source))
	}
	return nil
}

// openFound opens a file that the tree has found, and nothing else that may be
// there by now. It does not wait for whoever would write to a pipe.
func openFound(e entry) (*os.File, error) {
	f, err := os.OpenFile(e.source, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ChangedError{Path: e.source}
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", shown(e.source), reason(err))
	}
	if err := unchanged(f, e); err != nil {
		_ = f.Close() // nothing was read from it
		return nil, err
	}
	return f, nil
}

// readError keeps errors of reading apart from those of writing.
type readError struct {
	r   io.Reader
	err error
}

func (r *readError) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// ended tells whether there is nothing more to read.
func (r *readError) ended(buffer []byte) bool {
	n, err := r.Read(buffer[:1])
	return n == 0 && errors.Is(err, io.EOF)
}

// unchanged compares an open file with what it was when it was found.
func unchanged(f *os.File, e entry) error {
	now, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", shown(e.source), reason(err))
	}
	same := now.Mode().IsRegular() && os.SameFile(now, e.info)
	if !same || now.Size() != e.info.Size() || !now.ModTime().Equal(e.info.ModTime()) {
		return &ChangedError{Path: e.source}
	}
	return nil
}

// Digest is that of the archive.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is that of the archive too.
func (l *layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Size is that of the archive.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType follows that of the base image.
func (l *layer) MediaType() (types.MediaType, error) { return l.mediaType, nil }

// Compressed makes the layer again. Its end is an error when it came out
// different, because a file changed since the digest was made.
func (l *layer) Compressed() (io.ReadCloser, error) {
	return l.open(func(w io.Writer) error {
		check := &counter{hash: sha256.New()}
		err := l.content.write(io.MultiWriter(w, check))
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

// Uncompressed is the same.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }
