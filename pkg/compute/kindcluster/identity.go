// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// loadedAs is the label of an image in nodes with the reference that pods name.
const loadedAs = "kubectl-aml/image"

// ownIdentity is an image as nodes get it: with a label in its config, and so with
// an image ID that no registry gives it. Since Kubernetes 1.35 a kubelet remembers
// the IDs that it has pulled, and by which names. A pod that calls such an image
// by another name has to show that it may pull it by that one
// (kubernetes/pkg/kubelet/images/pullmanager), and nobody can pull what was loaded.
// An artifact has no such config, and stays as it is.
func ownIdentity(image v1.Image, reference string) (v1.Image, error) {
	if !strings.Contains(reference, "@sha256:") {
		return nil, fmt.Errorf("image %q has no digest: name it as REPOSITORY@sha256:DIGEST", reference)
	}
	manifest, err := image.Manifest()
	if err != nil || !manifest.Config.MediaType.IsConfig() {
		return image, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	if config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	config.Config.Labels[loadedAs] = reference
	return mutate.ConfigFile(image, config)
}
