// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Bundle is an open file. It may be used by several goroutines.
type Bundle struct {
	// Endpoint is the name of the endpoint.
	Endpoint string
	// Chart is the version of the chart.
	Chart string
	// Values are those of the chart, in YAML.
	Values []byte
	// Images are those that the values name, sorted by their references.
	Images []Image
	// File is its path, Size is in bytes.
	File string
	Size int64

	file  *os.File
	blobs map[v1.Hash]extent
	tops  []top
	chart top
	// named are the blobs that something names, each with what does.
	named map[v1.Hash]string
	// manifests and described are how many manifests were read, and their bytes.
	manifests int
	described int64
}

// extent is where a blob is in the file.
type extent struct{ offset, size int64 }

// top is an image or artifact with all that it consists of.
type top struct {
	image     Image
	manifests []manifest // what is named comes before what names it
	blobs     []v1.Descriptor
	// attached is what they say that they are attached to.
	attached []v1.Descriptor
	// lists are the lists of packages that are attached to them.
	lists []top
}

// manifest is a manifest or an index.
type manifest struct {
	descriptor v1.Descriptor
	raw        []byte
}

// FileError is what is wrong with a file, in one line.
type FileError struct {
	// File is its path, Advice what to do next.
	File, Advice string
	Err          error
}

// Error is one line. What a file says of itself may not be fit to be printed.
func (e *FileError) Error() string {
	what := strings.Map(func(r rune) rune {
		if unprintable(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(e.Err.Error()), " "))
	return fmt.Sprintf("%s: %s: %s", e.File, what, e.Advice)
}

// Unwrap gives what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// What to do with a file.
const (
	copyAgain = "copy the file again, or make it anew with kubectl aml bundle create"
	notOurs   = "name a file that kubectl aml bundle create made"
	doNotUse  = "do not use it: kubectl aml bundle create makes no such file"
)

// Open reads what is in a bundle and leaves its large blobs alone: see Verify. It
// refuses, as a *FileError, what is no bundle, one that is cut off or lacks
// something, and whatever kubectl aml puts into none: links, other names, a name
// twice, blobs that nothing names, and descriptions of unreasonable size.
func Open(name string) (*Bundle, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to is no file, too
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("%s cannot be read: %w", name, path.Err)
	}
	if err != nil {
		return nil, err
	}
	b := &Bundle{File: name, file: file, blobs: map[v1.Hash]extent{}, named: map[v1.Hash]string{}}
	if err := b.open(); err != nil {
		_ = file.Close() // only read from
		return nil, err
	}
	return b, nil
}

// Close closes the file.
func (b *Bundle) Close() error { return b.file.Close() }

func (b *Bundle) open() error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return b.wrong(notOurs, "it is no file")
	}
	b.Size = info.Size()
	index, err := b.scan()
	if err != nil {
		return err
	}
	if err := b.index(index); err != nil {
		return err
	}
	for digest := range b.blobs {
		if b.named[digest] == "" {
			return b.wrong(doNotUse, "it has blob %s, which nothing names", digest)
		}
	}
	return nil
}

func (b *Bundle) wrong(advice, format string, args ...any) error {
	return &FileError{File: b.File, Advice: advice, Err: fmt.Errorf(format, args...)}
}

// mostFiles is how many there may be in a bundle.
const mostFiles = 20000

var blobName = regexp.MustCompile(`^blobs/sha256/[0-9a-f]{64}$`)

// scan finds what is where in the file, and returns index.json.
func (b *Bundle) scan() ([]byte, error) {
	archive := tar.NewReader(b.file)
	small := map[string][]byte{}
	for count := 0; ; count++ {
		h, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return b.scanned(small)
		case errors.Is(err, io.ErrUnexpectedEOF) && count > 0:
			return nil, b.wrong(copyAgain, "it is cut off")
		case err != nil && count == 0 && b.compressed():
			return nil, b.wrong("unpack it first, with gunzip or zstd", "it is compressed")
		case err != nil && count == 0:
			return nil, b.wrong(notOurs, "it is no bundle")
		case err != nil:
			return nil, b.wrong(copyAgain, "it is damaged: %w", err)
		case count == mostFiles:
			return nil, b.wrong(doNotUse, "it has more than %d files", mostFiles)
		}
		if err := b.entry(h, archive, small, count == 0); err != nil {
			return nil, err
		}
	}
}

// compressed tells whether the file begins as those of gzip and zstd do.
func (b *Bundle) compressed() bool {
	start := make([]byte, 4)
	_, err := b.file.ReadAt(start, 0)
	return err == nil && (bytes.HasPrefix(start, []byte{0x1f, 0x8b}) || bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}))
}

// scanned returns index.json of a file that is a layout.
func (b *Bundle) scanned(small map[string][]byte) ([]byte, error) {
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	index, ok := small[indexFile]
	if !ok && len(small) > 0 {
		return nil, b.wrong(copyAgain, "it is cut off")
	}
	if !ok || json.Unmarshal(small[layoutFile], &layout) != nil || layout.Version != "1.0.0" {
		return nil, b.wrong(notOurs, "it is no bundle, it is no OCI image layout 1.0.0")
	}
	return index, nil
}

// entry takes in one file of the archive.
func (b *Bundle) entry(h *tar.Header, archive io.Reader, small map[string][]byte, first bool) error {
	name := strings.TrimPrefix(h.Name, "./")
	offset, err := b.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	switch {
	case h.Typeflag == tar.TypeDir && (name == "" || name == "blobs/" || name == blobFolder):
		return nil // tar makes them of a folder
	case h.Typeflag != tar.TypeReg || !blobName.MatchString(name) && name != layoutFile && name != indexFile:
		if first {
			return b.wrong(notOurs, "it is no bundle, it begins with %q", h.Name)
		}
		return b.wrong(doNotUse, "it has %q in it", h.Name)
	case sparse(h):
		return b.wrong(doNotUse, "it has holes in %q", h.Name)
	case h.Size > b.Size-offset:
		return b.wrong(copyAgain, "it is cut off")
	}
	if hexDigest, ok := strings.CutPrefix(name, blobFolder); ok {
		digest := v1.Hash{Algorithm: "sha256", Hex: hexDigest}
		if _, twice := b.blobs[digest]; twice {
			return b.wrong(doNotUse, "it has %q twice", h.Name)
		}
		b.blobs[digest] = extent{offset, h.Size}
		return nil
	}
	if _, twice := small[name]; twice {
		return b.wrong(doNotUse, "it has %q twice", h.Name)
	}
	if h.Size > mostIndex {
		return b.wrong(doNotUse, "its %s has %d bytes", name, h.Size)
	}
	text, err := io.ReadAll(archive)
	if err != nil {
		return b.wrong(copyAgain, "it is cut off")
	}
	small[name] = text
	return nil
}

// sparse tells whether the file is described by its holes, and is elsewhere than
// it seems.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// reader reads a blob.
func (b *Bundle) reader(digest v1.Hash) io.Reader {
	at := b.blobs[digest]
	return io.NewSectionReader(b.file, at.offset, at.size)
}

// small reads a blob that may have so many bytes, and is what its digest says.
func (b *Bundle) small(d v1.Descriptor, of string, most int64) ([]byte, error) {
	if d.Size > most {
		return nil, b.wrong(doNotUse, "blob %s of %s has %d bytes, and the most is %d", d.Digest, of, d.Size, most)
	}
	if err := b.has(d, of); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(b.reader(d.Digest))
	if err != nil {
		return nil, b.wrong(copyAgain, "%w", err)
	}
	if digest, _, err := v1.SHA256(bytes.NewReader(raw)); err != nil || digest != d.Digest {
		return nil, b.changed(d.Digest, of)
	}
	return raw, nil
}

// has refuses a blob that is not there as it is described.
func (b *Bundle) has(d v1.Descriptor, of string) error {
	at, ok := b.blobs[d.Digest]
	if !ok {
		return b.wrong(copyAgain, "it lacks blob %s of %s", d.Digest, of)
	}
	if at.size != d.Size {
		return b.wrong(copyAgain, "blob %s of %s has %d bytes, not %d", d.Digest, of, at.size, d.Size)
	}
	b.named[d.Digest] = of
	return nil
}

func (b *Bundle) changed(digest v1.Hash, of string) error {
	return b.wrong(copyAgain, "blob %s of %s is not what its digest says", digest, of)
}

// Verify reads the whole file and refuses, as a *FileError, a blob that is not what
// its digest says. The error names the image. What was read is written to progress.
// It ends with ctx.
func (b *Bundle) Verify(ctx context.Context, progress io.Writer) error {
	inOrder := slices.SortedFunc(maps.Keys(b.named), func(a, c v1.Hash) int {
		return cmp.Compare(b.blobs[a].offset, b.blobs[c].offset)
	})
	for _, digest := range inOrder {
		of := b.named[digest]
		got, _, err := v1.SHA256(io.TeeReader(during{ctx, b.reader(digest)}, progress))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return b.wrong(copyAgain, "%w", err)
		}
		if got != digest {
			return b.changed(digest, of)
		}
	}
	return nil
}

// during reads until ctx ends.
type during struct {
	ctx context.Context
	io.Reader
}

func (d during) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.Reader.Read(p)
}
