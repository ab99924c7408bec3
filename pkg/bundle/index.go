// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// index reads index.json and everything that it names, down to the layers, which
// have to be there.
func (b *Bundle) index(raw []byte) error {
	index, err := parseIndex(raw)
	if err != nil {
		return b.wrong(notOurs, "it is no bundle: %w", err)
	}
	var ours, charts, lists []top
	for _, d := range index.Manifests {
		t, err := b.top(d)
		if err != nil {
			return err
		}
		switch m := t.manifests[len(t.manifests)-1].descriptor; {
		case m.ArtifactType == artifactType:
			ours = append(ours, t)
		case strings.HasPrefix(m.ArtifactType, anyArtifact):
			return b.wrong("update kubectl aml", "it is of a newer form, %s", m.ArtifactType)
		case len(t.blobs) > 0 && t.blobs[0].MediaType == chartConfig:
			charts = append(charts, t)
		case t.isList():
			lists = append(lists, t)
		default:
			if err := b.image(d, t); err != nil {
				return err
			}
		}
	}
	if len(ours) != 1 || len(charts) != 1 {
		return b.wrong(notOurs, "it is no bundle, it has %d times values and %d charts", len(ours), len(charts))
	}
	slices.SortFunc(b.tops, func(a, c top) int { return strings.Compare(a.image.Reference, c.image.Reference) })
	for _, l := range lists {
		if err := b.list(l); err != nil {
			return err
		}
	}
	if err := b.onlyOurs(ours[0], charts[0]); err != nil {
		return err
	}
	for _, t := range b.tops {
		b.Images = append(b.Images, t.image)
	}
	b.chart = charts[0]
	return b.artifacts(ours[0], charts[0])
}

// top reads an image or an artifact.
func (b *Bundle) top(d v1.Descriptor) (top, error) {
	t := top{image: Image{Reference: d.Annotations[refName], Source: d.Annotations[sourceKey],
		SBOMs: []SBOM{}}}
	if d.Platform != nil {
		t.image.Platform = d.Platform.String()
	}
	for _, told := range []string{t.image.Reference, t.image.Source, t.image.Platform} {
		if strings.ContainsFunc(told, unprintable) {
			return t, b.wrong(doNotUse, "it says %q of %s", told, d.Digest)
		}
	}
	return t, b.descend(&t, d, 0)
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// A few images for a few platforms each are far below this.
const (
	mostManifests = 5000
	mostDescribed = 32 << 20
)

// descend puts a manifest and all that it names into t.
func (b *Bundle) descend(t *top, d v1.Descriptor, depth int) error {
	of := t.image.Reference
	if of == "" {
		of = d.Digest.String()
	}
	raw, err := b.small(d, of, mostIndex)
	if err != nil {
		return err
	}
	b.manifests++
	b.described += d.Size
	if b.manifests > mostManifests || b.described > mostDescribed {
		return b.wrong(doNotUse, "it has more than %d manifests, or more than %d bytes of them", mostManifests, mostDescribed)
	}
	t.image.Size += d.Size
	switch {
	case d.MediaType.IsIndex() && depth == mostDepth:
		return b.wrong(doNotUse, "the indexes of %s name indexes that name indexes", of)
	case d.MediaType.IsIndex():
		err = b.children(t, raw, of, depth)
	default:
		err = b.leaves(t, &d, raw, of)
	}
	t.manifests = append(t.manifests, manifest{d, raw})
	return err
}

func (b *Bundle) children(t *top, raw []byte, of string, depth int) error {
	index, err := parseIndex(raw)
	if err != nil {
		return b.wrong(doNotUse, "%s: %w", of, err)
	}
	t.attached = append(t.attached, subjectsOf(index.Subject)...)
	for _, child := range index.Manifests {
		if err := b.descend(t, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaves are the blobs of a manifest. d gets the type that the manifest has.
func (b *Bundle) leaves(t *top, d *v1.Descriptor, raw []byte, of string) error {
	m, err := parseManifest(raw)
	if err != nil {
		return b.wrong(doNotUse, "%s: %w", of, err)
	}
	d.ArtifactType = m.ArtifactType
	t.attached = append(t.attached, subjectsOf(m.Subject)...)
	for _, blob := range descriptorsOf(m) {
		if err := b.has(blob, of); err != nil {
			return err
		}
		t.image.Size += blob.Size
		t.blobs = append(t.blobs, blob)
	}
	return nil
}

// image takes in an image under the reference that it has.
func (b *Bundle) image(d v1.Descriptor, t top) error {
	if err := b.called(t.image.Reference, d.Digest); err != nil {
		return err
	}
	if slices.ContainsFunc(b.tops, func(other top) bool { return other.image.Reference == t.image.Reference }) {
		return b.wrong(doNotUse, "it names the image %s twice", t.image.Reference)
	}
	b.tops = append(b.tops, t)
	return nil
}

// called refuses a name that is none for a digest.
func (b *Bundle) called(as string, digest v1.Hash) error {
	ref, err := name.NewDigest(as)
	_, strict := reference.ParseNormalizedNamed(as) // it lets no path have ".."
	if err != nil || strict != nil || ref.DigestStr() != digest.String() {
		return b.wrong(doNotUse, "it calls the image %s %q", digest, as)
	}
	return nil
}

// artifacts reads the values and what is said of them.
func (b *Bundle) artifacts(ours, chart top) error {
	const of = "the values"
	if len(ours.blobs) != 2 || len(chart.blobs) != 2 || ours.blobs[1].MediaType != valuesType ||
		chart.blobs[1].MediaType != chartContent {
		return b.wrong(doNotUse, "its values or its chart are in no form that is known")
	}
	if chart.blobs[1].Size > mostChart {
		return b.wrong(doNotUse, "its chart has %d bytes", chart.blobs[1].Size)
	}
	config, err := b.small(ours.blobs[0], of, mostConfig)
	if err != nil {
		return err
	}
	var a about
	if err := json.Unmarshal(config, &a); err != nil || a.Endpoint == "" ||
		strings.ContainsFunc(a.Endpoint, unprintable) {
		return b.wrong(doNotUse, "it does not say which endpoint is in it")
	}
	// What the chart is called here it is called in a registry, which has others.
	called := chartName + ":" + a.Chart
	if _, err := name.NewTag(called); err != nil || chart.image.Reference != called {
		return b.wrong(doNotUse, "it calls its chart, of version %q, %q", a.Chart, chart.image.Reference)
	}
	b.Endpoint, b.Chart = a.Endpoint, a.Chart
	b.Values, err = b.small(ours.blobs[1], of, mostValues)
	return err
}
