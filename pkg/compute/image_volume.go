// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// subPathVersion is the first Kubernetes that mounts a folder of an image as a
// volume. It has to be turned on there, from 1.35 on it is on by default.
const subPathVersion = ">=1.33.0-0"

// NoImageVolumesError says that a cluster does not mount images as volumes.
type NoImageVolumesError struct {
	// Server is the version of Kubernetes; empty if that is not known.
	Server string
	// Why is what came of a pod with such a volume.
	Why string
}

// Error names what is needed, and the way without.
func (e *NoImageVolumesError) Error() string {
	server := ""
	if e.Server != "" {
		server = " (Kubernetes " + e.Server + ")"
	}
	return fmt.Sprintf("the cluster%s cannot mount models as a volume: %s: it takes Kubernetes 1.35 or newer, and nodes "+
		"with a runtime such as containerd 2.1: use --model-mount image here", server, e.Why)
}

// UnsureError says why it is not known whether a cluster mounts images as volumes:
// it would not take any pod, with one or without.
type UnsureError struct{ Err error }

// Error is one line.
func (e *UnsureError) Error() string {
	return "the cluster takes no pod to try it with: " + oneLine(e.Err.Error())
}

// Unwrap is what the server said.
func (e *UnsureError) Unwrap() error { return e.Err }

// CheckImageVolumes finds out whether the API server keeps the volume of a pod
// in the namespace that is a folder of an image. Nothing is made: pods are created
// in dry runs, for which the role edit is enough. image is what the pods name,
// for policies that allow some only.
//
// A server that drops or refuses the volume is a *NoImageVolumesError. One that
// refuses the same pod without the volume too, because of a quota, a policy or
// missing rights, is an *UnsureError. What nodes can do, no server tells.
func CheckImageVolumes(ctx context.Context, kube kubernetes.Interface, namespace, image string) error {
	server := ""
	v, err := discovery.ToServerVersionInterfaceWithContext(kube.Discovery()).ServerVersionWithContext(ctx)
	if err == nil {
		server = v.GitVersion
		if CheckVersion(server, subPathVersion) != nil {
			return &NoImageVolumesError{Server: server, Why: "it is too old"}
		}
	}
	kept, refusal := tryPod(ctx, kube, namespace, podWithImage(image))
	if refusal == nil && kept {
		return nil
	}
	if refusal == nil {
		return &NoImageVolumesError{Server: server, Why: "its API server drops the volume"}
	}
	var answer apierrors.APIStatus
	if !errors.As(refusal, &answer) {
		return refusal // no server answered
	}
	without := podWithImage(image)
	without.Spec.Volumes, without.Spec.Containers[0].VolumeMounts = nil, nil
	if _, err := tryPod(ctx, kube, namespace, without); err != nil {
		return &UnsureError{Err: refusal}
	}
	return &NoImageVolumesError{Server: server, Why: "its API server refuses the volume (" +
		oneLine(refusal.Error()) + ")"}
}

// tryPod creates a pod in a dry run and tells whether its volume was kept.
func tryPod(ctx context.Context, kube kubernetes.Interface, namespace string, pod *corev1.Pod) (bool, error) {
	made, err := kube.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return false, err
	}
	isOurs := func(v corev1.Volume) bool { return v.Name == volumeName && v.Image != nil }
	isMounted := func(m corev1.VolumeMount) bool { return m.Name == volumeName && m.SubPath != "" }
	return slices.ContainsFunc(made.Spec.Volumes, isOurs) && len(made.Spec.Containers) > 0 &&
		slices.ContainsFunc(made.Spec.Containers[0].VolumeMounts, isMounted), nil
}

const volumeName = "models"

// podWithImage is a pod as the chart's are: Pod Security's level restricted
// admits it, and quotas find what they ask for.
func podWithImage(image string) *corev1.Pod {
	amounts := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"),
		corev1.ResourceMemory: resource.MustParse("16Mi"), corev1.ResourceEphemeralStorage: resource.MustParse("16Mi")}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "aml-model-mount-"},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr.To(false),
			RestartPolicy:                corev1.RestartPolicyNever,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(int64(10001)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "scoring", Image: image,
				Resources: corev1.ResourceRequirements{Requests: amounts, Limits: amounts},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false),
					ReadOnlyRootFilesystem: ptr.To(true),
					Capabilities:           &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
				VolumeMounts: []corev1.VolumeMount{{Name: volumeName, MountPath: "/models", SubPath: "models", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{Name: volumeName, VolumeSource: corev1.VolumeSource{
				Image: &corev1.ImageVolumeSource{Reference: image, PullPolicy: corev1.PullIfNotPresent}}}},
		},
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
