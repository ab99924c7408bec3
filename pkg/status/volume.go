// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// volume returns the image that the container mounts and that the kubelet's words
// are about. The kubelet pulls it, too, for a container that is still to be made.
func (c container) volume(words string) (corev1.Volume, bool) {
	if mentions(words, c.spec.Image) {
		return corev1.Volume{}, false
	}
	for _, v := range c.volumes() {
		if mentions(words, v.Image.Reference) {
			return v, true
		}
	}
	return corev1.Volume{}, false
}

// volumes are the images that the container mounts.
func (c container) volumes() []corev1.Volume {
	var all []corev1.Volume
	for _, v := range c.pod.pod.Spec.Volumes {
		isOf := func(m corev1.VolumeMount) bool { return m.Name == v.Name }
		if v.Image != nil && slices.ContainsFunc(c.spec.VolumeMounts, isOf) {
			all = append(all, v)
		}
	}
	return all
}

// cannotMount tells whether the container's runtime knows nothing of images as
// volumes: it takes one for a folder of the node without a name, which
// containerd then fails to make (kubernetes-sigs/kind#3745).
func (c container) cannotMount(words string) bool {
	return len(c.volumes()) > 0 && containsAny(words, `failed to mkdir ""`, `failed to stat ""`)
}

func (c container) cannotMountMessage(words string) string {
	return sentence(c.say("cannot be created: its node's runtime mounts no images as volumes, which takes one such as "+
		"containerd 2.1; deploy with --model-mount image there"), words)
}

// cannotMount tells whether the kubelet knows nothing of images as volumes, which
// it may though the API server does: it is older, or they are turned off there. It
// then has no plugin for one (kubernetes/cmd/kubelet/app/plugins.go).
func (p podView) cannotMount(words string) bool {
	return slices.ContainsFunc(p.pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Image != nil && strings.Contains(words, fmt.Sprintf("volume %q err=no volume plugin matched", v.Name))
	})
}

// pullingVolume speaks up if the kubelet pulls an image that is mounted: it does
// that before it makes any container.
func (p podView) pullingVolume() (Verdict, bool) {
	if p.started() {
		return Verdict{}, false
	}
	for _, v := range p.pod.Spec.Volumes {
		if v.Image == nil {
			continue
		}
		for _, event := range p.events {
			isOfVolume := event.InvolvedObject.FieldPath == "" && mentions(event.Message, v.Image.Reference)
			if !isOfVolume || !slices.Contains([]string{"Pulling", "Pulled", "Failed"}, event.Reason) {
				continue
			}
			if event.Reason == "Pulling" {
				return progressing("Pulling", fmt.Sprintf("pulling image %s of volume %s", v.Image.Reference, v.Name)), true
			}
			break
		}
	}
	return Verdict{}, false
}
