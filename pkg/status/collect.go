// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/kubernetes"

	"golang.org/x/sync/errgroup"
)

// maxEventPods bounds how many pods are asked for their events in one look.
// They mostly all wait for the same thing.
const maxEventPods = 8

// Collect reads the Snapshot of an endpoint. Without the right to list events
// or autoscalers it leaves them out; the other three kinds it needs.
func Collect(ctx context.Context, client kubernetes.Interface, namespace, endpoint string) (Snapshot, error) {
	s := Snapshot{Namespace: namespace, Name: endpoint}
	o := metav1.ListOptions{LabelSelector: labels.Set{instanceLabel: endpoint}.String()}
	work, workCtx := errgroup.WithContext(ctx)
	s.readPods(workCtx, work, client, o)
	work.Go(func() error {
		list, err := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(workCtx, o)
		if apierrors.IsForbidden(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the autoscalers of endpoint %s/%s: %w", namespace, endpoint, err)
		}
		s.HPAs = list.Items
		return nil
	})
	if err := work.Wait(); err != nil {
		return Snapshot{}, err
	}
	return s, s.readEvents(ctx, client)
}

// collectPods is Collect without the autoscalers, on which no verdict depends.
func collectPods(ctx context.Context, client kubernetes.Interface, namespace, endpoint string) (Snapshot, error) {
	s := Snapshot{Namespace: namespace, Name: endpoint}
	work, workCtx := errgroup.WithContext(ctx)
	s.readPods(workCtx, work, client,
		metav1.ListOptions{LabelSelector: labels.Set{instanceLabel: endpoint}.String()})
	if err := work.Wait(); err != nil {
		return Snapshot{}, err
	}
	return s, s.readEvents(ctx, client)
}

// Addresses reads, by version, the addresses of the pods of each version's newest
// ReplicaSet: of all that run what the version is now, also if they are about to
// end. A version that is not there has none.
func Addresses(
	ctx context.Context, client kubernetes.Interface, namespace, endpoint string, versions []string,
) (map[string][]netip.Addr, error) {
	s := Snapshot{Namespace: namespace, Name: endpoint}
	ofVersions, err := labels.NewRequirement(versionLabel, selection.In, versions)
	if err != nil {
		return nil, fmt.Errorf("select the versions of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	selector := labels.SelectorFromSet(labels.Set{instanceLabel: endpoint}).Add(*ofVersions)
	work, ctx := errgroup.WithContext(ctx)
	s.readPods(ctx, work, client, metav1.ListOptions{LabelSelector: selector.String()})
	if err := work.Wait(); err != nil {
		return nil, err
	}
	all := map[string][]netip.Addr{}
	for _, version := range versions {
		all[version] = s.addresses(version)
	}
	return all, nil
}

// readPods has work list the pods and what they belong to, side by side.
func (s *Snapshot) readPods(
	ctx context.Context, work *errgroup.Group, client kubernetes.Interface, o metav1.ListOptions,
) {
	work.Go(func() error {
		list, err := client.AppsV1().Deployments(s.Namespace).List(ctx, o)
		if err != nil {
			return fmt.Errorf("list the deployments of endpoint %s/%s: %w", s.Namespace, s.Name, err)
		}
		s.Deployments = list.Items
		return nil
	})
	work.Go(func() error {
		list, err := client.AppsV1().ReplicaSets(s.Namespace).List(ctx, o)
		if err != nil {
			return fmt.Errorf("list the replica sets of endpoint %s/%s: %w", s.Namespace, s.Name, err)
		}
		s.ReplicaSets = list.Items
		return nil
	})
	work.Go(func() error {
		list, err := client.CoreV1().Pods(s.Namespace).List(ctx, o)
		if err != nil {
			return fmt.Errorf("list the pods of endpoint %s/%s: %w", s.Namespace, s.Name, err)
		}
		s.Pods = list.Items
		return nil
	})
}

// readEvents reads the events of the pods that are not ready. Events have no
// labels, and a namespace can have thousands: so they are asked for pod by pod.
func (s *Snapshot) readEvents(ctx context.Context, client kubernetes.Interface) error {
	var names []string
	for i := range s.Pods {
		if pod := &s.Pods[i]; len(names) < maxEventPods && !podReady(pod) && pod.DeletionTimestamp == nil {
			names = append(names, pod.Name)
		}
	}
	found := make([][]corev1.Event, len(names))
	work, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		work.Go(func() (err error) {
			found[i], err = eventsOfPod(ctx, client, s.Namespace, name)
			return err
		})
	}
	err := work.Wait()
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the events of endpoint %s/%s: %w", s.Namespace, s.Name, err)
	}
	s.Events = slices.Concat(found...)
	return nil
}

func eventsOfPod(ctx context.Context, client kubernetes.Interface, namespace, pod string) ([]corev1.Event, error) {
	selector := fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": pod}
	list, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return e.InvolvedObject.Name != pod }), nil
}
