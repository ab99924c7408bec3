// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// attach notes that a manifest is attached to another, if it is.
func (g *gathering) attach(m image.Manifest, subject *v1.Descriptor) {
	if subject != nil {
		g.attached[m.Reference] = sibling(m.Reference, subject.Digest)
	}
}

// subjectsCarried refuses what is attached to something that stays behind: nothing in
// a bundle says anything of other images.
func (g *gathering) subjectsCarried() error {
	var errs []error
	for _, ref := range slices.Sorted(maps.Keys(g.attached)) {
		if to := g.attached[ref]; !g.carried[to] {
			errs = append(errs, fmt.Errorf("image %s is attached to %s, which is not in the bundle: name one that stands alone",
				ref, to))
		}
	}
	return errors.Join(errs...)
}

// lists takes along what is attached to the images that of consists of.
func (g *gathering) lists(of string) ([]SBOM, error) {
	out := []SBOM{}
	var without []*image.NoSBOMError
	for _, m := range g.images {
		a, err := g.courier.Attached(g.ctx, m)
		if none := (*image.NoSBOMError)(nil); errors.As(err, &none) {
			without = append(without, none)
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := g.list(a, m.Digest)
		if err != nil {
			return nil, err
		}
		out = append(out, list)
	}
	if len(out) == 0 && len(without) > 0 {
		why := max(0, slices.IndexFunc(without, func(e *image.NoSBOMError) bool { return e.Err != nil }))
		without = []*image.NoSBOMError{{Image: of, Err: without[why].Err}}
	} else { // some platforms have one
		without = slices.DeleteFunc(without, func(e *image.NoSBOMError) bool { return e.Err == nil })
	}
	g.out.Unlisted = append(g.out.Unlisted, without...)
	return out, nil
}

// list makes pieces of a list, and has index.json name it.
func (g *gathering) list(a image.Attachment, subject v1.Hash) (SBOM, error) {
	parsed, err := parseManifest(a.Raw)
	if err != nil {
		return SBOM{}, fmt.Errorf("cannot read %s: %w", a.Reference, err)
	}
	g.pieces[a.Digest] = piece{size: int64(len(a.Raw)), raw: a.Raw}
	g.pieces[parsed.Config.Digest] = piece{size: int64(len(a.Config)), raw: a.Config}
	text := parsed.Layers[0]
	if _, known := g.pieces[text.Digest]; !known {
		g.pieces[text.Digest] = piece{size: text.Size, from: a.From}
	}
	g.name(v1.Descriptor{MediaType: a.Type, ArtifactType: string(image.SBOMType), Digest: a.Digest,
		Size: int64(len(a.Raw)), Annotations: map[string]string{refName: a.Reference}})
	return SBOM{Reference: a.Reference, Subject: subject.String(), Size: text.Size}, nil
}

// sortedUnlisted has each image once.
func sortedUnlisted(all []*image.NoSBOMError) []*image.NoSBOMError {
	slices.SortFunc(all, func(a, b *image.NoSBOMError) int { return strings.Compare(a.Image, b.Image) })
	return slices.CompactFunc(all, func(a, b *image.NoSBOMError) bool { return a.Image == b.Image })
}

// isList tells whether a manifest is that of a list of packages.
func (t top) isList() bool {
	last := t.manifests[len(t.manifests)-1].descriptor
	return last.ArtifactType == string(image.SBOMType) && !last.MediaType.IsIndex() && len(t.attached) > 0
}

// list takes in a list of packages, with the image that it is attached to.
func (b *Bundle) list(l top) error {
	ref, d := l.image.Reference, l.manifests[0].descriptor
	if err := b.called(ref, d.Digest); err != nil {
		return err
	}
	if len(l.blobs) != 2 || l.blobs[1].MediaType != image.SBOMType {
		return b.wrong(doNotUse, "the list of packages %s is in no form that is known", ref)
	}
	for i, most := range []int64{mostConfig, image.MostSBOM} {
		if size := l.blobs[i].Size; size > most {
			return b.wrong(doNotUse, "the list of packages %s has %d bytes, and the most is %d", ref, size, most)
		}
	}
	subject, found := l.attached[0], false
	for i := range b.tops {
		t := &b.tops[i]
		if !t.has(sibling(ref, subject.Digest), subject.Size) {
			continue
		}
		if slices.ContainsFunc(t.lists, func(o top) bool { return o.attached[0].Digest == subject.Digest }) {
			return b.wrong(doNotUse, "it has two lists of packages for %s", subject.Digest)
		}
		found = true
		t.lists = append(t.lists, l)
		t.image.SBOMs = append(t.image.SBOMs, SBOM{Reference: ref, Subject: subject.Digest.String(), Size: l.blobs[1].Size})
	}
	if !found {
		return b.notAttached(l)
	}
	return nil
}

// has tells whether an image is a part of t, by reference and size.
func (t top) has(ref string, size int64) bool {
	return slices.ContainsFunc(t.manifests, func(m manifest) bool {
		return sibling(t.image.Reference, m.descriptor.Digest) == ref && m.descriptor.Size == size
	})
}

// onlyOurs refuses what would be attached to something else than the images here.
func (b *Bundle) onlyOurs(others ...top) error {
	for _, t := range append(others, b.tops...) {
		for _, subject := range t.attached {
			has := func(o top) bool { return o.has(sibling(t.image.Reference, subject.Digest), subject.Size) }
			if !slices.ContainsFunc(b.tops, has) {
				return b.notAttached(t)
			}
		}
	}
	return nil
}

func (b *Bundle) notAttached(t top) error {
	return b.wrong(doNotUse, "%s is attached to %s, which it does not have",
		cmp.Or(t.image.Reference, t.manifests[0].descriptor.Digest.String()), t.attached[0].Digest)
}
