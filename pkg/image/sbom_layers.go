// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// inventory is what was found in the layers so far.
type inventory struct {
	// packages are those that each file tells of, by its path in the image.
	packages map[string][]installed
	release  release
	// releaseFile is the path of the file that release is from.
	releaseFile string
}

// release is the distribution in the image, as os-release has it.
type release struct{ id, version, name string }

// inventoryOf reads the layers from the bottom up, as a container runtime does.
func inventoryOf(ctx context.Context, img v1.Image) (inventory, error) {
	n := inventory{packages: map[string][]installed{}}
	layers, err := img.Layers()
	if err != nil {
		return n, err
	}
	models, err := modelLayers(img, len(layers))
	if err != nil {
		return n, err
	}
	for i, l := range layers {
		if models[i] {
			continue
		}
		if err := n.read(ctx, l); err != nil {
			return n, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return n, nil
}

// modelLayers tells which layers hold a model. They are large, and no package is
// installed in them.
func modelLayers(img v1.Image, count int) (map[int]bool, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	models, i := map[int]bool{}, 0
	for _, h := range file.History {
		if h.EmptyLayer {
			continue
		}
		models[i] = strings.HasPrefix(h.CreatedBy, createdBy+"model ")
		i++
	}
	if i != count { // nothing can be told from it
		return nil, nil
	}
	return models, nil
}

// change is what one layer does to what is below it.
type change struct {
	inventory
	// gone are files and folders that are no more, emptied folders whose content
	// from below is no more.
	gone, emptied map[string]bool
	// replaced are files of this layer. A folder of the name is no more.
	replaced map[string]bool
}

func (n *inventory) read(ctx context.Context, l v1.Layer) error {
	stream, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // only read from
	c := change{inventory: inventory{packages: map[string][]installed{}}, gone: map[string]bool{},
		emptied: map[string]bool{}, replaced: map[string]bool{}}
	folders := n.folders()
	for archive := tar.NewReader(stream); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := c.entry(h, archive, folders, n.packages); err != nil {
			return err
		}
	}
	n.apply(c)
	return nil
}

// folders are those that hold something of n.
func (n *inventory) folders() map[string]bool {
	out := map[string]bool{}
	for file := range n.packages {
		for dir := path.Dir(file); dir != "." && !out[dir]; dir = path.Dir(dir) {
			out[dir] = true
		}
	}
	return out
}

const (
	whiteout = ".wh."
	// opaque stands in a folder of which nothing below is seen.
	opaque = ".wh..wh..opq"
)

// entry takes note of one file of a layer. folders and below are those of the
// layers under it.
func (c *change) entry(h *tar.Header, content io.Reader, folders map[string]bool, below map[string][]installed) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Dir(name), path.Base(name)
	switch {
	case base == opaque:
		c.emptied[dir] = true
		return nil
	case strings.HasPrefix(base, whiteout):
		c.gone[path.Join(dir, strings.TrimPrefix(base, whiteout))] = true
		return nil
	case h.Typeflag == tar.TypeDir:
		return nil
	}
	if _, known := below[name]; known || folders[name] {
		c.replaced[name] = true
	}
	if h.Typeflag == tar.TypeLink {
		aim := strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		if found, ok := c.packages[aim]; ok {
			c.packages[name] = found
		} else if found, ok := below[aim]; ok {
			c.packages[name] = found
		}
		return nil
	}
	return c.file(name, h, content)
}

func (c *change) file(name string, h *tar.Header, content io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if isRelease(name) {
		found, err := readRelease(content)
		if found.id != "" && (c.releaseFile == "" || name < c.releaseFile) {
			c.release, c.releaseFile = found, name
		}
		return err
	}
	parse := parserOf(name)
	if parse == nil {
		return nil
	}
	found, err := parse(content)
	if len(found) > 0 {
		c.packages[name] = found
	}
	return err
}

// apply puts a layer on what is below it.
func (n *inventory) apply(c change) {
	maps.DeleteFunc(n.packages, func(file string, _ []installed) bool { return c.hides(file) })
	maps.Copy(n.packages, c.packages)
	if n.releaseFile != "" && c.hides(n.releaseFile) {
		n.release, n.releaseFile = release{}, ""
	}
	if c.releaseFile != "" {
		n.release, n.releaseFile = c.release, c.releaseFile
	}
}

// hides tells whether a file from below is no more.
func (c *change) hides(file string) bool {
	if c.gone[file] || c.replaced[file] {
		return true
	}
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if c.gone[dir] || c.emptied[dir] || c.replaced[dir] {
			return true
		}
		if dir == "." {
			return false
		}
	}
}
