// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
)

const (
	instanceLabel  = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"
	versionLabel   = "kubectl-aml/version"
	routerName     = "router"
	revisionKey    = "deployment.kubernetes.io/revision"
	// maxEventPods bounds how many pods are asked for their events in one look.
	// They mostly all wait for the same thing.
	maxEventPods = 8
)

// Snapshot holds the objects of one endpoint as they were at one time.
type Snapshot struct {
	Namespace string
	// Name is the endpoint's.
	Name string

	Deployments []appsv1.Deployment
	ReplicaSets []appsv1.ReplicaSet
	Pods        []corev1.Pod
	// Events are those of the pods that are not ready.
	Events []corev1.Event
	HPAs   []autoscalingv2.HorizontalPodAutoscaler
}

// Collect reads the Snapshot of an endpoint. Without the right to list events
// or autoscalers it leaves them out; the other three kinds it needs.
func Collect(ctx context.Context, client kubernetes.Interface, namespace, endpoint string) (Snapshot, error) {
	s := Snapshot{Namespace: namespace, Name: endpoint}
	list := metav1.ListOptions{LabelSelector: labels.Set{instanceLabel: endpoint}.String()}
	deployments, err := client.AppsV1().Deployments(namespace).List(ctx, list)
	if err != nil {
		return Snapshot{}, fmt.Errorf("list the deployments of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	replicaSets, err := client.AppsV1().ReplicaSets(namespace).List(ctx, list)
	if err != nil {
		return Snapshot{}, fmt.Errorf("list the replica sets of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, list)
	if err != nil {
		return Snapshot{}, fmt.Errorf("list the pods of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	hpas, err := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, list)
	if err != nil && !apierrors.IsForbidden(err) {
		return Snapshot{}, fmt.Errorf("list the autoscalers of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	if err == nil {
		s.HPAs = hpas.Items
	}
	s.Deployments, s.ReplicaSets, s.Pods = deployments.Items, replicaSets.Items, pods.Items
	s.Events, err = events(ctx, client, namespace, s.Pods)
	if err != nil {
		return Snapshot{}, fmt.Errorf("list the events of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	return s, nil
}

// events reads the events of the pods that are not ready. Events have no
// labels, and a namespace can have thousands: so they are asked for pod by pod.
func events(
	ctx context.Context, client kubernetes.Interface, namespace string, pods []corev1.Pod,
) ([]corev1.Event, error) {
	var found []corev1.Event
	asked := 0
	for _, pod := range pods {
		if podReady(&pod) || pod.DeletionTimestamp != nil || asked == maxEventPods {
			continue
		}
		asked++
		selector := fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": pod.Name}
		list, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
		if apierrors.IsForbidden(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, event := range list.Items {
			if event.InvolvedObject.Name == pod.Name {
				found = append(found, event)
			}
		}
	}
	return found, nil
}

// deployment returns the Deployment of the version, or with an empty version
// that of the router; nil if there is none.
func (s Snapshot) deployment(version string) *appsv1.Deployment {
	for i, d := range s.Deployments {
		if version == "" && d.Labels[componentLabel] == routerName ||
			version != "" && d.Labels[versionLabel] == version {
			return &s.Deployments[i]
		}
	}
	return nil
}

// replicaSets returns the ReplicaSets of a Deployment, the newest first.
func (s Snapshot) replicaSets(d *appsv1.Deployment) []*appsv1.ReplicaSet {
	var owned []*appsv1.ReplicaSet
	for i := range s.ReplicaSets {
		if ownedBy(&s.ReplicaSets[i], d) {
			owned = append(owned, &s.ReplicaSets[i])
		}
	}
	slices.SortFunc(owned, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(cmp.Compare(revision(b), revision(a)), cmp.Compare(a.Name, b.Name))
	})
	return owned
}

// pods returns the pods of a ReplicaSet by name.
func (s Snapshot) pods(set *appsv1.ReplicaSet) []*corev1.Pod {
	var owned []*corev1.Pod
	for i := range s.Pods {
		if ownedBy(&s.Pods[i], set) {
			owned = append(owned, &s.Pods[i])
		}
	}
	slices.SortFunc(owned, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return owned
}

// Addresses are those of the pods of a version's newest ReplicaSet: of all that
// run what the version is now, also if they are about to end.
func (s Snapshot) Addresses(version string) []netip.Addr {
	d := s.deployment(version)
	if d == nil {
		return nil
	}
	var all []netip.Addr
	for _, set := range s.replicaSets(d) {
		if revision(set) != revision(d) {
			continue
		}
		for _, pod := range s.pods(set) {
			for _, at := range pod.Status.PodIPs {
				if ip, err := netip.ParseAddr(at.IP); err == nil {
					all = append(all, ip)
				}
			}
		}
	}
	return all
}

// eventsOf returns the events of a pod, the latest first.
func (s Snapshot) eventsOf(pod *corev1.Pod) []corev1.Event {
	var own []corev1.Event
	for _, event := range s.Events {
		// The same name may come back for another pod: compare the UID if there is one.
		sameUID := event.InvolvedObject.UID == "" || event.InvolvedObject.UID == pod.UID
		if event.InvolvedObject.Name == pod.Name && sameUID {
			own = append(own, event)
		}
	}
	slices.SortStableFunc(own, func(a, b corev1.Event) int { return eventTime(b).Compare(eventTime(a)) })
	return own
}

// hpa returns the autoscaler of a Deployment, nil if there is none.
func (s Snapshot) hpa(d *appsv1.Deployment) *autoscalingv2.HorizontalPodAutoscaler {
	for i, h := range s.HPAs {
		if h.Spec.ScaleTargetRef.Kind == "Deployment" && h.Spec.ScaleTargetRef.Name == d.Name {
			return &s.HPAs[i]
		}
	}
	return nil
}

func ownedBy(object, owner metav1.Object) bool {
	ref := metav1.GetControllerOf(object)
	return ref != nil && ref.UID == owner.GetUID()
}

// revision is the number the Deployment's controller gave, 0 if it gave none.
func revision(object metav1.Object) int64 {
	n, err := strconv.ParseInt(object.GetAnnotations()[revisionKey], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
