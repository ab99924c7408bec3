// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const publishedMetricsServer = "registry.k8s.io/metrics-server/metrics-server:v0.9.0"

//go:embed metrics-server.yaml
var metricsServer string

// metrics makes sure of a metrics server, so that "kubectl top" and autoscaling work.
func (s *session) metrics(ctx context.Context, c *Cluster) error {
	ref, err := s.metricsImage(ctx)
	if err != nil {
		return err
	}
	is, err := c.client.AppsV1().Deployments("kube-system").Get(ctx, "metrics-server", metav1.GetOptions{})
	switch {
	case err == nil && is.Spec.Template.Spec.Containers[0].Image == ref && available(is):
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return err
	}
	return s.store.Watch(ctx, "metrics-server", "ready", func(ctx context.Context, _ io.Writer) error {
		manifest := strings.ReplaceAll(metricsServer, "IMAGE", ref)
		_, err := c.docker.Pipe(ctx, strings.NewReader(manifest), "exec", "--interactive", c.Name+"-control-plane",
			"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "apply", "-f", "-")
		if err != nil {
			return err
		}
		return poll(ctx, 3*time.Minute, func(ctx context.Context) error {
			is, err := c.client.AppsV1().Deployments("kube-system").Get(ctx, "metrics-server", metav1.GetOptions{})
			if err == nil && !available(is) {
				err = fmt.Errorf("not available yet: kubectl -n kube-system describe pods -l k8s-app=metrics-server")
			}
			return err
		})
	})
}

func (s *session) metricsImage(ctx context.Context) (string, error) {
	if s.published {
		return publishedMetricsServer, nil
	}
	return s.push(ctx, s.book.MetricsServer())
}

// available tells whether the newest pods of a Deployment serve.
func available(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == *d.Spec.Replicas &&
		d.Status.AvailableReplicas == *d.Spec.Replicas && d.Status.Replicas == *d.Spec.Replicas
}
