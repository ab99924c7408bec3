// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package bundle keeps an endpoint in one file: the chart, its values, and all
// images that they name, for a cluster that reaches no registry of the outside.
//
// The file is a tar of an OCI image layout, so other tools read it too. index.json
// names the images by the references that the values have, the lists of packages
// that are attached to them, the chart as Helm's own artifact, and an artifact of
// this package with the values. Every blob is in it once. The same endpoint gives the
// same bytes.
package bundle

import (
	"bytes"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The artifact with the values. The version of the format is in its type.
const (
	artifactType = "application/vnd.kubectl-aml.bundle.v1"
	configType   = types.MediaType("application/vnd.kubectl-aml.bundle.config.v1+json")
	valuesType   = types.MediaType("application/vnd.kubectl-aml.bundle.values.v1+yaml")
	valuesName   = "values.yaml"
	// anyArtifact begins the types of all versions of the format.
	anyArtifact = "application/vnd.kubectl-aml.bundle."
)

// The chart is what "helm push" makes of it.
const (
	chartName    = "inference"
	chartConfig  = types.MediaType("application/vnd.cncf.helm.config.v1+json")
	chartContent = types.MediaType("application/vnd.cncf.helm.chart.content.v1.tar+gzip")
)

// The annotations of what index.json and manifests name.
const (
	refName = "org.opencontainers.image.ref.name"
	title   = "org.opencontainers.image.title"
	// sourceKey is the image as it was named where the bundle was made.
	sourceKey = "kubectl-aml/source"
)

// The files of an image layout.
const (
	layoutFile = "oci-layout"
	layoutText = `{"imageLayoutVersion":"1.0.0"}`
	indexFile  = "index.json"
	blobFolder = "blobs/sha256/"
)

// What is read into memory may have no more bytes than these.
const (
	mostIndex  = 4 << 20
	mostValues = 1 << 20
	mostChart  = 4 << 20
	mostConfig = 4 << 20
)

// Image is an image in a bundle, or an artifact that pods mount.
type Image struct {
	// Reference is what the values in the bundle name: REPOSITORY@sha256:DIGEST.
	Reference string `json:"reference"`
	// Source is what it was called where the bundle was made.
	Source string `json:"source"`
	// Platform is OS/ARCHITECTURE; empty for several, and for an artifact.
	Platform string `json:"platform,omitempty"`
	// Size is that of its blobs and manifests, in bytes. Images share blobs.
	Size int64 `json:"size"`
	// SBOMs are the lists of packages that are attached to it or, if it is for several
	// platforms, to the images of which it consists.
	SBOMs []SBOM `json:"sboms"`
}

// SBOM is a list of packages that is attached to an image.
type SBOM struct {
	// Reference is REPOSITORY@sha256:DIGEST, that of the artifact which refers to the
	// image.
	Reference string `json:"reference"`
	// Subject is the digest of the image.
	Subject string `json:"subject"`
	// Size is that of the list, in bytes.
	Size int64 `json:"size"`
}

// about is what the config of the artifact holds.
type about struct {
	Endpoint string `json:"endpoint"`
	// Chart is the version of the chart that the values are for.
	Chart string `json:"chart"`
}

func parseManifest(raw []byte) (*v1.Manifest, error) {
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("it is no manifest: %w", err)
	}
	for _, d := range append(descriptorsOf(m), subjectsOf(m.Subject)...) {
		if err := check(d); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func parseIndex(raw []byte) (*v1.IndexManifest, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("it is no index of manifests: %w", err)
	}
	for _, d := range append(subjectsOf(index.Subject), index.Manifests...) {
		if err := check(d); err != nil {
			return nil, err
		}
	}
	return index, nil
}

// subjectsOf is what a manifest is attached to, or nothing.
func subjectsOf(subject *v1.Descriptor) []v1.Descriptor {
	if subject == nil {
		return nil
	}
	return []v1.Descriptor{*subject}
}

// descriptorsOf are the config and the layers of a manifest.
func descriptorsOf(m *v1.Manifest) []v1.Descriptor {
	return append([]v1.Descriptor{m.Config}, m.Layers...)
}

func check(d v1.Descriptor) error {
	if d.Digest.Algorithm != "sha256" || len(d.Digest.Hex) != 64 || d.Size < 0 {
		return fmt.Errorf("it names a blob %q of %d bytes, which is none", d.Digest.String(), d.Size)
	}
	return nil
}
