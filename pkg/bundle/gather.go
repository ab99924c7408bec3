// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// AllPlatforms has Gather take images for several platforms as they are.
const AllPlatforms = "all"

// standardPlatform is the one to take if no image is for one platform only.
const standardPlatform = "linux/amd64"

// Gathered are the images that go into a bundle.
type Gathered struct {
	// Images are sorted by their references.
	Images []Image
	// Unlisted are why images come without a list of packages, sorted by the images.
	Unlisted []*image.NoSBOMError

	tops   []v1.Descriptor
	pieces map[v1.Hash]piece
}

// piece is one blob of the file.
type piece struct {
	size int64
	// raw is what is in it; nil for a blob that is read from the image called from.
	raw  []byte
	from string
}

// Gather finds the images that are called names, and everything they consist of. A
// tag is pinned to the digest that it has now.
//
// Of an image for several platforms only the one for platform is taken, under its
// own digest, which the image's index has; with AllPlatforms the whole image, under
// the digest of the index. An empty platform is that of the images which are for
// one only, or linux/amd64. An image that is not for the platform is refused. Blobs
// are not read yet, except for small ones that describe images. Errors of
// registries are as in image.Package, all of them at once.
//
// The list of packages that is attached to an image, or to its environment, comes
// along. If there is none, or its registry refuses to tell, Unlisted has the image.
// An image that is attached to one which does not come along is refused.
func Gather(ctx context.Context, c *image.Courier, names []string, platform string) (Gathered, error) {
	g := gathering{ctx: ctx, courier: c, pieces: map[v1.Hash]piece{}, carried: map[string]bool{},
		attached: map[string]string{}}
	var errs []error
	for _, name := range names {
		errs = append(errs, g.find(name))
	}
	if err := errors.Join(errs...); err != nil {
		return Gathered{}, err
	}
	wanted, err := g.platform(platform)
	if err != nil {
		return Gathered{}, err
	}
	for _, f := range g.found {
		errs = append(errs, g.take(f, wanted))
	}
	errs = append(errs, g.subjectsCarried())
	slices.SortFunc(g.out.Images, func(a, b Image) int { return strings.Compare(a.Reference, b.Reference) })
	slices.SortFunc(g.out.tops, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Annotations[refName], b.Annotations[refName])
	})
	g.out.Unlisted = sortedUnlisted(g.out.Unlisted)
	g.out.pieces = g.pieces
	return g.out, errors.Join(errs...)
}

// Renamed are the references of the images by what they were called.
func (g Gathered) Renamed() map[string]string {
	names := map[string]string{}
	for _, i := range g.Images {
		names[i.Source] = i.Reference
	}
	return names
}

type gathering struct {
	ctx     context.Context
	courier *image.Courier
	found   []found
	pieces  map[v1.Hash]piece
	out     Gathered

	// carried are all manifests, attached what they are attached to, by references.
	carried  map[string]bool
	attached map[string]string
	// images are those, each for one platform, that may have a list of packages.
	images []image.Manifest
}

// found is an image as its registry has it.
type found struct {
	name     string
	manifest image.Manifest
	// platform is that of an image for one; nil for others.
	platform *v1.Platform
}

func (g *gathering) find(name string) error {
	m, err := g.courier.Manifest(g.ctx, name)
	if err != nil {
		return err
	}
	f := found{name: name, manifest: m}
	if !m.Type.IsIndex() {
		f.platform, err = g.platformOf(m)
	}
	g.found = append(g.found, f)
	return err
}

// platformOf is what the config of an image says; nil if it is another artifact.
func (g *gathering) platformOf(m image.Manifest) (*v1.Platform, error) {
	parsed, err := parseManifest(m.Raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", m.Reference, err)
	}
	if !parsed.Config.MediaType.IsConfig() {
		return nil, nil
	}
	raw, err := g.config(m.Reference, parsed.Config)
	if err != nil {
		return nil, err
	}
	var told v1.Platform
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, fmt.Errorf("cannot read %s: its config is not JSON: %w", m.Reference, err)
	}
	if told.OS == "" || told.Architecture == "" {
		return nil, nil // it does not tell
	}
	return normal(told), nil
}

// normal is how a platform is written that may be written in several ways: arm64 is
// always v8.
func normal(p v1.Platform) *v1.Platform {
	n := platforms.Normalize(ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
	return &v1.Platform{OS: n.OS, Architecture: n.Architecture, Variant: n.Variant}
}

// config reads a config, which becomes a piece.
func (g *gathering) config(ref string, d v1.Descriptor) ([]byte, error) {
	if d.Size > mostConfig {
		return nil, fmt.Errorf("cannot read %s: its config has %d bytes, and the most is %d", ref, d.Size, mostConfig)
	}
	blob, err := g.courier.Blob(g.ctx, ref, d.Digest)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(blob, d.Size+1))
	if err := errors.Join(err, blob.Close()); err != nil {
		return nil, err
	}
	if int64(len(raw)) != d.Size {
		return nil, fmt.Errorf("cannot read %s: its config has another size than its manifest says", ref)
	}
	g.pieces[d.Digest] = piece{size: d.Size, raw: raw}
	return raw, nil
}

// platform is the one to take of images for several.
func (g *gathering) platform(given string) (*v1.Platform, error) {
	if given == AllPlatforms {
		return nil, nil
	}
	if given != "" {
		p, err := v1.ParsePlatform(given)
		if err != nil || p.OS == "" || p.Architecture == "" {
			return nil, fmt.Errorf("platform %q is none: write OS/ARCHITECTURE, such as %s, or %s", given, standardPlatform,
				AllPlatforms)
		}
		return normal(*p), nil
	}
	told := map[string]string{}
	for _, f := range g.found {
		if f.platform != nil {
			told[f.platform.String()] = f.name
		}
	}
	if len(told) > 1 {
		return nil, fmt.Errorf("the images are for several platforms, %s: say which with --platform", listed(told))
	}
	for text := range told {
		return v1.ParsePlatform(text)
	}
	return v1.ParsePlatform(standardPlatform)
}

func listed(told map[string]string) string {
	var all []string
	for platform, name := range told {
		all = append(all, platform+" ("+name+")")
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// take puts an image among those of the bundle; wanted is nil for all platforms.
func (g *gathering) take(f found, wanted *v1.Platform) error {
	m := f.manifest
	if m.Type.IsIndex() && wanted != nil {
		child, err := g.child(f, *wanted)
		if err != nil {
			return err
		}
		m, f.platform = child, wanted
	} else if f.platform != nil && wanted != nil && !f.platform.Equals(*wanted) {
		return fmt.Errorf("image %s is for %s only, not for %s: name another platform with --platform", f.name, f.platform,
			wanted)
	}
	i := Image{Reference: m.Reference, Source: f.name}
	if f.platform != nil {
		i.Platform = f.platform.String()
	}
	var err error
	g.images = nil
	if i.Size, err = g.add(m, 0); err != nil {
		return err
	}
	if i.SBOMs, err = g.lists(m.Reference); err != nil {
		return err
	}
	g.out.Images = append(g.out.Images, i)
	g.name(v1.Descriptor{MediaType: m.Type, Digest: m.Digest, Size: int64(len(m.Raw)), Platform: f.platform,
		Annotations: map[string]string{refName: m.Reference, sourceKey: f.name}})
	return nil
}

// name has index.json name a manifest, once.
func (g *gathering) name(d v1.Descriptor) {
	named := func(other v1.Descriptor) bool { return other.Annotations[refName] == d.Annotations[refName] }
	if !slices.ContainsFunc(g.out.tops, named) {
		g.out.tops = append(g.out.tops, d)
	}
}

// child is the image of an index for a platform.
func (g *gathering) child(f found, wanted v1.Platform) (image.Manifest, error) {
	index, err := parseIndex(f.manifest.Raw)
	if err != nil {
		return image.Manifest{}, fmt.Errorf("cannot read %s: %w", f.name, err)
	}
	var others []string
	for _, d := range index.Manifests {
		if d.Platform == nil || !d.MediaType.IsImage() || d.Platform.OS == "unknown" { // what is said of others
			continue
		}
		is := normal(*d.Platform)
		if is.Equals(wanted) {
			return g.courier.Manifest(g.ctx, sibling(f.manifest.Reference, d.Digest))
		}
		others = append(others, is.String())
	}
	if len(others) == 0 {
		return image.Manifest{}, fmt.Errorf("image %s does not say what its images are for: take all of them with "+
			"--platform %s, or name one of them by its digest", f.name, AllPlatforms)
	}
	return image.Manifest{}, fmt.Errorf("image %s is not for %s, but for %s: name another platform with --platform",
		f.name, wanted, strings.Join(others, ", "))
}

// sibling is another digest of the repository of a reference.
func sibling(ref string, digest v1.Hash) string {
	repository, _, _ := strings.Cut(ref, "@")
	return repository + "@" + digest.String()
}

// mostDepth is how deep indexes may name indexes.
const mostDepth = 2

// add makes pieces of a manifest and all that it names, and returns the size of it.
func (g *gathering) add(m image.Manifest, depth int) (int64, error) {
	g.pieces[m.Digest] = piece{size: int64(len(m.Raw)), raw: m.Raw}
	g.carried[m.Reference] = true
	size := int64(len(m.Raw))
	if m.Type.IsIndex() {
		if depth == mostDepth {
			return 0, fmt.Errorf("cannot read %s: its indexes name indexes that name indexes: name one of its images",
				m.Reference)
		}
		return g.addChildren(m, size, depth)
	}
	parsed, err := parseManifest(m.Raw)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", m.Reference, err)
	}
	for _, d := range descriptorsOf(parsed) {
		if _, known := g.pieces[d.Digest]; !known {
			g.pieces[d.Digest] = piece{size: d.Size, from: m.Reference}
		}
		size += d.Size
	}
	g.attach(m, parsed.Subject)
	if parsed.Config.MediaType.IsConfig() {
		g.images = append(g.images, m)
	}
	return size, nil
}

func (g *gathering) addChildren(m image.Manifest, size int64, depth int) (int64, error) {
	index, err := parseIndex(m.Raw)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", m.Reference, err)
	}
	g.attach(m, index.Subject)
	for _, d := range index.Manifests {
		child, err := g.courier.Manifest(g.ctx, sibling(m.Reference, d.Digest))
		if err != nil {
			return 0, err
		}
		images := g.images
		more, err := g.add(child, depth+1)
		if err != nil {
			return 0, err
		}
		if d.Platform != nil && d.Platform.OS == "unknown" { // what is said of others
			g.images = images
		}
		size += more
	}
	return size, nil
}
