// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// podsOf returns the pods that a rendered chart makes, by the name of what
// makes them.
func podsOf(t *testing.T, manifest chart.Manifest) map[string]corev1.PodTemplateSpec {
	t.Helper()
	pods := map[string]corev1.PodTemplateSpec{}
	decode := func(content string) {
		var kind struct{ Kind string }
		unmarshal(t, content, &kind)
		switch kind.Kind {
		case "Deployment":
			var deployment appsv1.Deployment
			unmarshal(t, content, &deployment)
			pods[deployment.Name] = deployment.Spec.Template
		case "Pod":
			var pod corev1.Pod
			unmarshal(t, content, &pod)
			pods[pod.Name] = corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
		}
	}
	for _, object := range manifest.Objects {
		decode(object.Content)
	}
	for _, hook := range manifest.Hooks {
		decode(hook.Content)
	}
	return pods
}

func unmarshal(t *testing.T, content string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(content), into); err != nil {
		t.Fatalf("%v in\n%s", err, content)
	}
}

func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, name := range cases(t) {
		for pod, template := range podsOf(t, renderCase(t, name)) {
			for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
				if !result.Allowed {
					t.Errorf("%s: pod of %s: %s: %s", name, pod, result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
		}
	}
}

func TestPodsHaveNoTokenAndNoWritableRoot(t *testing.T) {
	for _, name := range cases(t) {
		for pod, template := range podsOf(t, renderCase(t, name)) {
			spec := template.Spec
			if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
				t.Errorf("%s: pod of %s gets a token of the API server", name, pod)
			}
			for _, container := range append(spec.InitContainers, spec.Containers...) {
				if only := container.SecurityContext.ReadOnlyRootFilesystem; only == nil || !*only {
					t.Errorf("%s: container %s of %s can write its root", name, container.Name, pod)
				}
				if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() {
					t.Errorf("%s: container %s of %s asks for no CPU or memory", name, container.Name, pod)
				}
			}
		}
	}
}

// An image is by its digest, and so the only volume that nobody updates.
func TestVolumesAreMountedWhole(t *testing.T) {
	for _, name := range cases(t) {
		for pod, template := range podsOf(t, renderCase(t, name)) {
			images := map[string]bool{}
			for _, v := range template.Spec.Volumes {
				images[v.Name] = v.Image != nil
			}
			for _, container := range append(template.Spec.InitContainers, template.Spec.Containers...) {
				for _, mount := range container.VolumeMounts {
					if mount.SubPath != "" && !images[mount.Name] {
						t.Errorf("%s: %s of %s has subPath %s: the kubelet never updates that", name, mount.Name, pod, mount.SubPath)
					}
				}
			}
		}
	}
}

func TestGracePeriodsCoverWhatTheyWaitFor(t *testing.T) {
	for _, name := range cases(t) {
		for pod, template := range podsOf(t, renderCase(t, name)) {
			for _, container := range template.Spec.Containers {
				if container.Lifecycle == nil || container.Lifecycle.PreStop.Sleep == nil {
					continue
				}
				var scoring int64 = 60
				if name == "split" && pod == "sentiment-green" {
					scoring = 400
				}
				needed := container.Lifecycle.PreStop.Sleep.Seconds + scoring
				if grace := *template.Spec.TerminationGracePeriodSeconds; grace < needed+5 {
					t.Errorf("%s: %s has %d s to end, needs %d", name, pod, grace, needed+5)
				}
			}
		}
	}
}
