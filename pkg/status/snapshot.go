// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	instanceLabel  = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"
	versionLabel   = "kubectl-aml/version"
	routerName     = "router"
	revisionKey    = "deployment.kubernetes.io/revision"
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

// addresses are those of the pods of a version's newest ReplicaSet: of all that
// run what the version is now, also if they are about to end.
func (s Snapshot) addresses(version string) []netip.Addr {
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
