// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"bytes"
	"encoding/json"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func text(name string, content []byte) part {
	return part{name: name, size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

func (p part) of(digest v1.Hash) part {
	p.digest = digest.String()
	return p
}

func blobName(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// imageName names an image for containerd. The kubelet's look-up is by the very
// text that the pod has.
const imageName = "io.containerd.image.name"

// indexOf is an index.json with one image and its name.
func indexOf(image v1.Image, reference string) ([]byte, error) {
	kind, err := image.MediaType()
	if err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	size, err := image.Size()
	if err != nil {
		return nil, err
	}
	return json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{
		{MediaType: kind, Digest: digest, Size: size, Annotations: map[string]string{imageName: reference}}}})
}
