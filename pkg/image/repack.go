// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// repacker writes the files of a pack into one archive, as a stream: with the
// names they get in the container, and without what differs between machines.
type repacker struct {
	pack *pack
	out  *tar.Writer
	// root is the folder of the model in the container.
	root string
	// seen are the names that were written, and whether each is a folder.
	seen map[string]bool
	// links are those that were written.
	links map[string]bool
}

func newRepacker(p *pack, w io.Writer) *repacker {
	return &repacker{pack: p, out: tar.NewWriter(w), root: strings.TrimPrefix(p.model.folder(), "/"),
		seen: map[string]bool{}, links: map[string]bool{}}
}

func (r *repacker) close() error {
	if len(r.seen) == 0 {
		return r.pack.refuse("has no files")
	}
	return r.out.Close()
}

func (r *repacker) layer(l packLayer) error {
	stream, err := l.Compressed()
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // only read from
	if l.file != "" {
		err = r.entry(&tar.Header{Name: l.file, Typeflag: tar.TypeReg, Size: l.size}, stream)
	} else {
		err = r.archive(l, stream)
	}
	if err != nil {
		return err
	}
	// The digest is checked at the very end, behind what the archive needs.
	_, err = io.Copy(io.Discard, stream)
	return err
}

// archive copies what an archive holds.
func (r *repacker) archive(l packLayer, stream io.Reader) error {
	plain, done, err := unpacked(l.packed, stream)
	if err != nil {
		return r.pack.refuse("has a layer that is not packed as it says")
	}
	defer done()
	archive := tar.NewReader(plain)
	for size := int64(0); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, tar.ErrHeader) {
			return r.pack.refuse("has an archive that cannot be read")
		}
		if err != nil {
			return err
		}
		// An archive can describe a file of any size by its holes.
		if size += h.Size; l.packed == "" && (h.Size > l.size || size > l.size) {
			return r.pack.refuse("holds more than its size, with %q", h.Name)
		}
		if err := r.entry(h, archive); err != nil {
			return err
		}
	}
}

func unpacked(packed string, stream io.Reader) (plain io.Reader, done func(), err error) {
	switch packed {
	case "gzip":
		z, err := gzip.NewReader(stream)
		return z, func() {}, err
	case "zstd":
		z, err := zstd.NewReader(stream, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return stream, func() {}, nil
}

// entry writes one file, folder or link.
func (r *repacker) entry(h *tar.Header, content io.Reader) error {
	name, err := r.place(h)
	if err != nil || name == "" {
		return err
	}
	if folder, there := r.seen[name]; there && (!folder || h.Typeflag != tar.TypeDir) {
		return r.pack.refuse("holds %q twice", h.Name)
	}
	if err := r.folders(path.Dir(name)); err != nil {
		return err
	}
	out := &tar.Header{Name: name, ModTime: fixedTime(), Mode: 0o755, Typeflag: h.Typeflag}
	switch h.Typeflag {
	case tar.TypeDir:
		return r.folders(name)
	case tar.TypeSymlink:
		out.Linkname, out.Mode = h.Linkname, 0o777
		r.links[name] = true
	case tar.TypeReg:
		out.Size = h.Size
		if h.Mode&0o111 == 0 {
			out.Mode = 0o644
		}
	default:
		return r.pack.refuse("holds %q, which is neither a file nor a folder", h.Name)
	}
	r.seen[name] = false
	if err := r.out.WriteHeader(out); err != nil {
		return r.pack.refuse("holds %q, which fits into no archive", h.Name)
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	_, err = io.CopyN(r.out, content, h.Size)
	return err
}

// place is where in the container an entry goes; empty for a folder above the
// model. It refuses what would lie, or lead, out of the model's folder.
func (r *repacker) place(h *tar.Header) (string, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if h.Typeflag == tar.TypeDir && (name == "" || name == "." || above(name, r.pack.inside)) {
		return "", nil
	}
	inner, ok := name, true
	if r.pack.inside != "" {
		inner, ok = strings.CutPrefix(name, r.pack.inside+"/")
	}
	if !ok || !fs.ValidPath(inner) || strings.Contains(inner, `\`) {
		return "", r.pack.refuse("holds %q", h.Name)
	}
	base := r.pack.base
	switch {
	case !r.pack.single:
		inner = path.Join(base, inner)
	case inner != base && !strings.HasPrefix(inner, base+"/"):
		return "", r.pack.refuse("says it is %q and holds %q", base, h.Name)
	}
	if h.Typeflag == tar.TypeSymlink && leadsOut(base, inner, h.Linkname) {
		return "", r.pack.refuse("holds a link from %q to %q", h.Name, h.Linkname)
	}
	return path.Join(r.root, inner), nil
}

// above tells whether a folder is one that inside is in.
func above(folder, inside string) bool {
	return inside != "" && strings.HasPrefix(inside+"/", folder+"/")
}

// folders writes a folder and those above it, unless they are there.
func (r *repacker) folders(name string) error {
	if name == "." {
		return nil
	}
	if r.links[name] {
		return r.pack.refuse("holds files behind the link %q", strings.TrimPrefix(name, r.root+"/"))
	}
	if folder, there := r.seen[name]; there {
		if !folder {
			return r.pack.refuse("holds %q as a file and as a folder", strings.TrimPrefix(name, r.root+"/"))
		}
		return nil
	}
	if err := r.folders(path.Dir(name)); err != nil {
		return err
	}
	r.seen[name] = true
	return r.out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", ModTime: fixedTime(), Mode: 0o755})
}
