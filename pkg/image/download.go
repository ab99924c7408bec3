// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Download writes the file or folder of a registered model into dir, which is
// made if it is not there, and returns its path. What is there under the same
// name is refused, or replaced if overwrite is set. The files are complete and
// their digest was checked when they appear: until then they are in a folder
// with a dot before its name, which goes when the download fails.
//
// Nothing is written outside of dir, whatever the archive says. Only files,
// folders, and links that stay in the model are taken.
func (m Models) Download(ctx context.Context, r Registered, dir string, overwrite bool) (string, error) {
	base := r.layer.Annotations[filePath]
	if base == "" || base != path.Base(base) || !filepath.IsLocal(base) || base == "." {
		return "", fmt.Errorf("model %s cannot be downloaded: it does not tell the name of its file", r.ID)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("%s cannot be made: %w", dir, reason(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("%s cannot be opened: %w", dir, reason(err))
	}
	defer func() { _ = root.Close() }() // nothing is pending
	target := filepath.Join(dir, base)
	if _, err := root.Lstat(base); err == nil && !overwrite {
		return "", fmt.Errorf("%s is there already: name another folder, or allow it to be overwritten", target)
	}
	part := "." + base + "-" + rand.Text()
	defer func() { _ = root.RemoveAll(part) }() // of no use to anybody
	if err := m.unpack(ctx, r, root, part); err != nil {
		return "", err
	}
	if overwrite {
		if err := root.RemoveAll(base); err != nil {
			return "", fmt.Errorf("%s cannot be replaced: %w", target, reason(err))
		}
	}
	if err := root.Rename(path.Join(part, base), base); err != nil {
		return "", fmt.Errorf("%s cannot be written: %w", target, reason(err))
	}
	return target, nil
}

// unpack reads the layer of r into the folder part of root.
func (m Models) unpack(ctx context.Context, r Registered, root *os.Root, part string) error {
	if err := root.Mkdir(part, 0o755); err != nil {
		return fmt.Errorf("%s cannot be written to: %w", root.Name(), reason(err))
	}
	into, err := root.OpenRoot(part)
	if err != nil {
		return fmt.Errorf("%s cannot be opened: %w", root.Name(), reason(err))
	}
	defer func() { _ = into.Close() }() // nothing is pending
	l, err := r.weights(ctx, m.Options, newTransport(m.Options))
	if err != nil {
		return err
	}
	stream, err := l.Compressed()
	if err != nil {
		return explain(err, "read", strings.TrimPrefix(r.URL, "oci://"))
	}
	defer func() { _ = stream.Close() }() // only read from
	u := unpacker{model: r, root: into, base: r.layer.Annotations[filePath], links: map[string]bool{}}
	if err := u.all(ctx, stream); err != nil {
		var local *localError
		if errors.As(err, &local) {
			return local
		}
		return explain(err, "read", strings.TrimPrefix(r.URL, "oci://"))
	}
	return nil
}

// localError is about the archive or this machine, not about the registry.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

type unpacker struct {
	model Registered
	root  *os.Root
	base  string
	// links are those that were made.
	links map[string]bool
	// size is that of all files so far.
	size int64
}

func (u *unpacker) refuse(format string, args ...any) error {
	return &localError{fmt.Errorf("model %s is refused: its archive "+format+
		", which none that was registered has: do not use it", append([]any{u.model.ID}, args...)...)}
}

func (u *unpacker) all(ctx context.Context, stream io.Reader) error {
	archive := tar.NewReader(stream)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, tar.ErrHeader) {
			if _, err := io.Copy(io.Discard, stream); err != nil {
				return err
			}
			return u.refuse("cannot be read")
		}
		if err != nil {
			return err
		}
		if err := u.entry(ctx, h, archive); err != nil {
			return err
		}
	}
	// The digest is checked at the very end, behind what the archive needs.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return err
	}
	if _, err := u.root.Lstat(u.base); err != nil {
		return u.refuse("has no %q", u.base)
	}
	return nil
}

func (u *unpacker) entry(ctx context.Context, h *tar.Header, archive io.Reader) error {
	folder := strings.TrimPrefix(u.model.Model().folder(), "/") + "/"
	name, ok := strings.CutPrefix(strings.TrimSuffix(h.Name, "/"), folder)
	if !ok {
		if h.Typeflag == tar.TypeDir && strings.HasPrefix(folder, h.Name) {
			return nil // a folder above the model
		}
		return u.refuse("holds %q", h.Name)
	}
	if !filepath.IsLocal(name) || name != path.Clean(name) || name != u.base && !strings.HasPrefix(name, u.base+"/") {
		return u.refuse("holds %q", h.Name)
	}
	if u.behindLink(name) {
		return u.refuse("holds %q, which lies behind a link", h.Name)
	}
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		err = u.root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return u.file(ctx, name, h, archive)
	case tar.TypeSymlink:
		if leadsOut(u.base, name, h.Linkname) {
			return u.refuse("holds a link from %q to %q", h.Name, h.Linkname)
		}
		u.links[name] = true
		err = u.root.Symlink(h.Linkname, name)
	default:
		return u.refuse("holds %q, which is neither a file nor a folder", h.Name)
	}
	return u.wrote(name, err)
}

// leadsOut tells whether a link called name may lead out of base. What is above
// another link cannot be told from names, so ".." may only come first in it.
func leadsOut(base, name, link string) bool {
	aim := path.Join(path.Dir(name), link)
	if path.IsAbs(link) || aim != base && !strings.HasPrefix(aim, base+"/") {
		return true
	}
	down := false
	for part := range strings.SplitSeq(link, "/") {
		if part == ".." && down {
			return true
		}
		down = down || part != ".." && part != "." && part != ""
	}
	return false
}

// behindLink tells whether one of the folders above name is a link. Where such a
// link leads to cannot be told from names alone.
func (u *unpacker) behindLink(name string) bool {
	for dir := path.Dir(name); dir != "." && len(u.links) > 0; dir = path.Dir(dir) {
		if u.links[dir] {
			return true
		}
	}
	return false
}

func (u *unpacker) file(ctx context.Context, name string, h *tar.Header, archive io.Reader) error {
	// An archive can describe a file of any size by its holes.
	if u.size += h.Size; h.Size > u.model.layer.Size || u.size > u.model.layer.Size {
		return u.refuse("holds more than its size, with %q", h.Name)
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode().Perm()&0o111|0o644)
	if err != nil {
		return u.wrote(name, err)
	}
	out := &writeError{w: f}
	_, err = io.Copy(contextWriter{ctx, out}, archive)
	if closed := f.Close(); err == nil && closed != nil {
		out.err = closed
	}
	if out.err != nil {
		return u.wrote(name, out.err)
	}
	return err
}

// wrote tells of what this machine could not write.
func (u *unpacker) wrote(name string, err error) error {
	if err == nil {
		return nil
	}
	return &localError{fmt.Errorf("%s of model %s cannot be written: %w", shown(name), u.model.ID, reason(err))}
}

// writeError keeps errors of writing apart from those of reading.
type writeError struct {
	w   io.Writer
	err error
}

func (w *writeError) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}
