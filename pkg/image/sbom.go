// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// SBOM lists the packages in an image, as a CycloneDX document in JSON: those of
// Python, Debian and conda, by what their installers have written down. name is
// that of the image.
//
// The layers are read as streams, one after the other, and what an upper layer
// takes away is not listed; layers of models are left out. The same image gives
// the same bytes: there is no time in them, and the serial number comes from the
// image's digest. A layer that is no archive is refused.
func SBOM(ctx context.Context, img v1.Image, name string) ([]byte, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, explain(err, "read", name)
	}
	found, err := inventoryOf(ctx, img)
	if err != nil {
		return nil, explain(err, "read", name)
	}
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = serialNumber(digest)
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{Type: cyclonedx.ComponentTypeContainer,
		BOMRef: digest.String(), Name: name, Version: digest.String(),
		PackageURL: "pkg:oci/" + url.PathEscape(name) + "@" + url.QueryEscape(digest.String())}}
	components := found.components()
	bom.Components = &components
	var out bytes.Buffer
	encoder := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := encoder.EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("the list of the packages in %s cannot be written: %w", name, err)
	}
	return out.Bytes(), nil
}

// serialNumber is a UUID of the version that is everybody's own (RFC 9562, 5.8),
// made of a digest.
func serialNumber(digest v1.Hash) string {
	sum, err := hex.DecodeString(digest.Hex)
	if err != nil || len(sum) < 16 {
		return ""
	}
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// components are the packages by their URL. One that is in several places is one
// component.
func (n inventory) components() []cyclonedx.Component {
	places := map[string][]string{}
	listed := map[string]installed{}
	for path, found := range n.packages {
		for _, p := range found {
			purl := p.purl(n.release)
			places[purl] = append(places[purl], "/"+path)
			listed[purl] = p
		}
	}
	out := []cyclonedx.Component{}
	if n.release.id != "" {
		out = append(out, cyclonedx.Component{Type: cyclonedx.ComponentTypeOS, BOMRef: "os:" + n.release.id + "@" +
			n.release.version, Name: n.release.id, Version: n.release.version, Description: n.release.name})
	}
	for purl, p := range listed {
		out = append(out, p.component(purl, places[purl]))
	}
	slices.SortFunc(out, func(a, b cyclonedx.Component) int {
		return cmp.Or(cmp.Compare(a.PackageURL, b.PackageURL), cmp.Compare(a.BOMRef, b.BOMRef))
	})
	return out
}

// installed is a package as its installer wrote it down.
type installed struct {
	// kind is that of the package URL: pypi, deb or conda.
	kind, name, version string
	// license is an expression of SPDX; empty for one in other words.
	license string
	// qualifiers belong to the package's URL.
	qualifiers url.Values
}

// purl is the package's URL (github.com/package-url/purl-spec).
func (p installed) purl(of release) string {
	name := p.name
	qualifiers := url.Values{}
	for key, values := range p.qualifiers {
		qualifiers[key] = values
	}
	switch p.kind {
	case "pypi":
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	case "deb":
		name = cmp.Or(of.id, "debian") + "/" + name
		if of.version != "" {
			qualifiers.Set("distro", of.id+"-"+of.version)
		}
	}
	out := "pkg:" + p.kind + "/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/") + "@" + url.QueryEscape(p.version)
	if len(qualifiers) > 0 {
		out += "?" + qualifiers.Encode()
	}
	return out
}

func (p installed) component(purl string, places []string) cyclonedx.Component {
	slices.Sort(places)
	var seen []cyclonedx.EvidenceOccurrence
	for _, place := range slices.Compact(places) {
		seen = append(seen, cyclonedx.EvidenceOccurrence{Location: place})
	}
	c := cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: purl, Name: p.name, Version: p.version,
		PackageURL: purl, Evidence: &cyclonedx.Evidence{Occurrences: &seen}}
	if p.license != "" {
		c.Licenses = &cyclonedx.Licenses{{Expression: p.license}}
	}
	return c
}
