// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// server is an API server of a version that answers with what it makes of a pod.
func server(git string, admit func(pod *corev1.Pod) error) *fake.Clientset {
	c := fake.NewClientset()
	c.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: git}
	c.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		pod := a.(clienttesting.CreateAction).GetObject().(*corev1.Pod).DeepCopy()
		return true, pod, admit(pod)
	})
	return c
}

// mounts tells whether a pod has an image as a volume.
func mounts(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Image != nil })
}

func TestWhetherAClusterMountsImages(t *testing.T) {
	t.Parallel()
	const needs = ": it takes Kubernetes 1.35 or newer, and nodes with a runtime such as containerd 2.1: use --model-mount " +
		"image here"
	forbidden := func(why string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", errors.New(why))
	}
	keep := func(*corev1.Pod) error { return nil }
	drop := func(pod *corev1.Pod) error {
		pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = nil, nil
		return nil
	}
	for name, c := range map[string]struct {
		git   string
		admit func(pod *corev1.Pod) error
		want  string
	}{
		"it does":                              {"v1.37.2", keep, ""},
		"it does where the gate was turned on": {"v1.33.4", keep, ""},
		"the gate is off": {"v1.34.2", drop,
			"the cluster (Kubernetes v1.34.2) cannot mount models as a volume: its API server drops the volume" + needs},
		"no folders of images yet": {"v1.32.9", keep,
			"the cluster (Kubernetes v1.32.9) cannot mount models as a volume: it is too old" + needs},
		"the field is unknown": {"", func(pod *corev1.Pod) error {
			if !mounts(pod) {
				return nil
			}
			return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "x", field.ErrorList{
				field.Required(field.NewPath("spec.volumes[0]"), "must specify a volume type")})
		}, `the cluster cannot mount models as a volume: its API server refuses the volume (Pod "x" is invalid: ` +
			"spec.volumes[0]: Required value: must specify a volume type)" + needs},
		"a policy is against it": {"v1.37.2", func(pod *corev1.Pod) error {
			if mounts(pod) {
				return forbidden("no image volumes\nhere")
			}
			return nil
		}, "the cluster (Kubernetes v1.37.2) cannot mount models as a volume: its API server refuses the volume " +
			`(pods "x" is forbidden: no image volumes here)` + needs},
		"a quota is used up": {"v1.37.2", func(*corev1.Pod) error { return forbidden("exceeded quota: team") },
			`the cluster takes no pod to try it with: pods "x" is forbidden: exceeded quota: team`},
		"no answer": {"v1.37.2", func(*corev1.Pod) error { return errors.New("connection refused") }, "connection refused"},
	} {
		client := server(c.git, c.admit)
		got := ""
		if err := compute.CheckImageVolumes(t.Context(), client, "models", "registry.example/x@sha256:0"); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		for _, a := range client.Actions() {
			if create, ok := a.(clienttesting.CreateActionImpl); ok && !slices.Equal(create.CreateOptions.DryRun, []string{"All"}) {
				t.Errorf("%s: a pod is made and not only tried", name)
			}
		}
	}
}
