// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Between a fixed number of replicas and autoscaling no replica is lost, and
// the autoscaler gets to see the load.
func TestTurningAutoscalingOnKeepsTheReplicas(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky", "--replicas", "2")
	var fewest int32 = 2
	watch, err := s.admin.AppsV1().Deployments(s.namespace).Watch(t.Context(),
		metav1.ListOptions{FieldSelector: "metadata.name=echo-blue"})
	must(t, err)
	defer watch.Stop()
	s.ok(append(s.echoArgs("blue", "sky"), "--deploy-config", "testdata/echo/autoscaled.json")...)
	s.until("the autoscaler sees the load", func(ctx context.Context) (bool, error) {
		h, err := s.admin.AutoscalingV2().HorizontalPodAutoscalers(s.namespace).Get(ctx, "echo-blue", metav1.GetOptions{})
		return err == nil && scales(h), err
	})
	d, err := s.admin.AppsV1().Deployments(s.namespace).Get(t.Context(), "echo-blue", metav1.GetOptions{})
	must(t, err)
	fewest = min(fewest, *d.Spec.Replicas)
	for seen := true; seen; {
		select {
		case event := <-watch.ResultChan():
			fewest = min(fewest, replicasOf(t, event.Object))
		default:
			seen = false
		}
	}
	if fewest < 2 {
		t.Errorf("there were only %d replicas at some time", fewest)
	}
}

func scales(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	for _, c := range h.Status.Conditions {
		if c.Type == autoscalingv2.ScalingActive {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func replicasOf(t *testing.T, object runtime.Object) int32 {
	t.Helper()
	d, ok := object.(*appsv1.Deployment)
	if !ok || d.Spec.Replicas == nil {
		t.Fatalf("watched a %T without replicas", object)
	}
	return *d.Spec.Replicas
}
