// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// DefaultSchedulingGrace is how long a pod may be unschedulable before it has
// failed, unless an autoscaler has said that a node is on its way.
const DefaultSchedulingGrace = time.Minute

// Options are what a verdict depends on beside the objects.
type Options struct {
	// SchedulingGrace is DefaultSchedulingGrace if zero, and none if negative.
	SchedulingGrace time.Duration
	// Routers are what the endpoint's routers run, as they said; empty if they
	// were not asked or none answered.
	Routers []Router
	// Traffic is what the routers and replicas counted; nil if they were not
	// asked.
	Traffic *Traffic
	// Route is set for an endpoint that a Gateway serves: it has no router.
	Route *Route
}

func (o Options) grace() time.Duration {
	if o.SchedulingGrace == 0 {
		return DefaultSchedulingGrace
	}
	return o.SchedulingGrace
}

// Workload is one Deployment, the router's or a version's, with what it owns.
type Workload struct {
	// Deployment is empty if there is none.
	Deployment string `json:"deployment,omitempty"`
	Desired    int32  `json:"desired"`
	// UpdatedReplicas and Available count the pods of the newest ReplicaSet;
	// Ready counts all that can serve, old ones too.
	UpdatedReplicas int32   `json:"updated"`
	Available       int32   `json:"available"`
	Ready           int32   `json:"ready"`
	Paused          bool    `json:"paused,omitempty"`
	Verdict         Verdict `json:"verdict"`
	// Notes are clauses about what does not decide the verdict.
	Notes []string `json:"notes,omitempty"`
	// Sets are the ReplicaSets that have or should have pods, the newest first.
	Sets []Set `json:"replicaSets,omitempty"`
	// Created is when the Deployment was made, Updated when its pods' template
	// changed last; zero if that is not known.
	Created time.Time `json:"-"`
	Updated time.Time `json:"-"`
	// RolledOut says that the newest ReplicaSet was once ready as a whole.
	RolledOut bool `json:"-"`
}

// Set is one ReplicaSet.
type Set struct {
	Name     string  `json:"name"`
	Revision int64   `json:"revision,omitempty"`
	Newest   bool    `json:"newest"`
	Desired  int32   `json:"desired"`
	Ready    int32   `json:"ready"`
	Verdict  Verdict `json:"verdict"`
	Pods     []Pod   `json:"pods,omitempty"`
}

// Pod is one pod.
type Pod struct {
	Name     string    `json:"name"`
	Node     string    `json:"node,omitempty"`
	Ready    bool      `json:"ready"`
	Restarts int32     `json:"restarts"`
	Created  time.Time `json:"created"`
	Verdict  Verdict   `json:"verdict"`
}

// Version returns the view of one version at the time now. It need not exist.
func (s Snapshot) Version(name string, now time.Time, o Options) Workload {
	return s.workload(name, now, o)
}

// workload judges the Deployment of a version, or with an empty version the
// router's.
func (s Snapshot) workload(version string, now time.Time, o Options) Workload {
	d := s.deployment(version)
	if d == nil {
		return Workload{Verdict: failed(ReasonMissing, "its deployment is missing: deploy it again")}
	}
	w := Workload{Deployment: d.Name, Desired: desired(d), Paused: d.Spec.Paused,
		UpdatedReplicas: d.Status.UpdatedReplicas, Created: d.CreationTimestamp.Time, RolledOut: rolledOut(d)}
	sets := s.replicaSets(d)
	for _, set := range sets {
		newest := revision(set) == revision(d)
		if !newest && desiredOf(set) == 0 && set.Status.Replicas == 0 {
			continue
		}
		node := s.set(set, newest, now, o)
		if newest {
			w.Available, w.Updated = set.Status.AvailableReplicas, set.CreationTimestamp.Time
		}
		for _, pod := range node.Pods {
			if pod.Ready {
				w.Ready++
			}
		}
		w.Sets = append(w.Sets, node)
	}
	w.Verdict = judge(d, w)
	w.Notes = append(w.Notes, oldNotes(w)...)
	w.Notes = append(w.Notes, scalingNotes(s.hpa(d))...)
	return w
}

func (s Snapshot) set(set *appsv1.ReplicaSet, newest bool, now time.Time, o Options) Set {
	node := Set{
		Name: set.Name, Revision: revision(set), Newest: newest, Desired: desiredOf(set),
		Ready: set.Status.ReadyReplicas, Verdict: Verdict{State: Ready},
	}
	for _, pod := range s.pods(set) {
		v := podView{pod: pod, events: s.eventsOf(pod), now: now, grace: o.grace(), leaving: s.leaving()}.verdict()
		node.Pods = append(node.Pods, Pod{
			Name: pod.Name, Node: pod.Spec.NodeName, Ready: podReady(pod), Restarts: restarts(pod),
			Created: pod.CreationTimestamp.Time, Verdict: v,
		})
		if v.worse(node.Verdict) && v.Reason != ReasonTerminating {
			node.Verdict = v
			node.Verdict.Message = fmt.Sprintf("pod %s: %s", pod.Name, v.Message)
		}
	}
	if v, ok := creation(set, s.leaving()); ok && v.worse(node.Verdict) {
		node.Verdict = v
	}
	return node
}

// leaving tells whether pods of the endpoint are being deleted. What they hold
// of a quota or a node until they have drained, others may be waiting for.
func (s Snapshot) leaving() bool {
	return slices.ContainsFunc(s.Pods, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

// creation speaks up if pods of the ReplicaSet are refused: by a quota, Pod
// Security or another admission.
func creation(set *appsv1.ReplicaSet, leaving bool) (Verdict, bool) {
	for _, c := range set.Status.Conditions {
		if c.Type != appsv1.ReplicaSetReplicaFailure || c.Status != corev1.ConditionTrue {
			continue
		}
		message := sentence("its pods are refused", c.Message)
		if leaving && strings.Contains(c.Message, "exceeded quota") ||
			containsAny(c.Message, "failed calling webhook", "context deadline exceeded", "connection refused") {
			return progressing(c.Reason, message), true
		}
		return failed(c.Reason, message), true
	}
	return Verdict{}, false
}

// judge gives the verdict on a Deployment from its counts and its newest
// ReplicaSet. The old ones keep serving and fail nothing.
func judge(d *appsv1.Deployment, w Workload) Verdict {
	newest := slices.IndexFunc(w.Sets, func(s Set) bool { return s.Newest })
	switch {
	case d.Status.ObservedGeneration < d.Generation:
		return progressing(ReasonNotObserved, "waits for the cluster to take up the change")
	case w.Desired == 0:
		return Verdict{State: Ready, Reason: ReasonScaledToNil, Message: "is scaled to 0 replicas and serves nothing"}
	case newest >= 0 && w.UpdatedReplicas >= w.Desired && w.Available >= w.Desired:
		return Verdict{State: Ready, Message: fmt.Sprintf("%d of %d replicas ready", w.Available, w.Desired)}
	case newest >= 0 && w.Sets[newest].Verdict.State == Failed:
		return w.Sets[newest].Verdict
	}
	v := progressing(ReasonNotReady, fmt.Sprintf("%d of %d replicas ready", w.Available, w.Desired))
	if newest >= 0 {
		v = waitsFor(v, w.Sets[newest])
	}
	if c := condition(d, appsv1.DeploymentProgressing); c != nil && c.Reason == "ProgressDeadlineExceeded" {
		v.State, v.Reason = Failed, c.Reason
		v.Message = fmt.Sprintf("no progress for %ds, %s", deadline(d), v.Message)
		return v
	}
	if w.Paused {
		v.Reason = ReasonPaused
		v.Message += fmt.Sprintf("; it is paused: run kubectl rollout resume deployment/%s", d.Name)
	}
	return v
}

// waitsFor adds to the verdict on a Deployment what its newest ReplicaSet
// waits for.
func waitsFor(v Verdict, set Set) Verdict {
	i := slices.IndexFunc(set.Pods, func(p Pod) bool {
		return p.Verdict.State != Ready && p.Verdict.Reason != ReasonTerminating
	})
	switch {
	case i >= 0:
		pod := set.Pods[i].Verdict
		pod.Message = v.Message + ": " + pod.Message
		return pod
	case set.Verdict.State != Ready:
		v.Reason, v.Message = set.Verdict.Reason, v.Message+": "+set.Verdict.Message
	}
	return v
}

// oldNotes tell of old pods that still serve.
func oldNotes(w Workload) []string {
	old := 0
	for _, set := range w.Sets {
		if !set.Newest {
			old += int(set.Ready)
		}
	}
	if old == 0 {
		return nil
	}
	if old == 1 {
		return []string{"1 replica of the revision before still serves"}
	}
	return []string{fmt.Sprintf("%d replicas of the revision before still serve", old)}
}

// scalingNotes tell what keeps an autoscaler from its work.
func scalingNotes(hpa *autoscalingv2.HorizontalPodAutoscaler) []string {
	if hpa == nil {
		return nil
	}
	var notes []string
	for _, c := range hpa.Status.Conditions {
		switch {
		case c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionFalse:
			notes = append(notes, sentence("autoscaling is not active", c.Message))
		case c.Type == autoscalingv2.AbleToScale && c.Status == corev1.ConditionFalse:
			notes = append(notes, sentence("autoscaling cannot scale", c.Message))
		case c.Type == autoscalingv2.ScalingLimited && c.Status == corev1.ConditionTrue && c.Reason == "TooManyReplicas":
			notes = append(notes, fmt.Sprintf("autoscaling wants more replicas than its maximum, %d",
				hpa.Spec.MaxReplicas))
		}
	}
	return notes
}

func desired(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

func desiredOf(set *appsv1.ReplicaSet) int32 {
	if set.Spec.Replicas == nil {
		return 1
	}
	return *set.Spec.Replicas
}

func deadline(d *appsv1.Deployment) int32 {
	if d.Spec.ProgressDeadlineSeconds == nil {
		return 600
	}
	return *d.Spec.ProgressDeadlineSeconds
}

// rolledOut tells whether the Deployment's controller has seen the newest pods
// all ready. It takes that back only when the template changes.
func rolledOut(d *appsv1.Deployment) bool {
	c := condition(d, appsv1.DeploymentProgressing)
	return c != nil && c.Reason == "NewReplicaSetAvailable" && d.Status.ObservedGeneration >= d.Generation
}

func condition(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == kind {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}

func restarts(pod *corev1.Pod) int32 {
	var n int32
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		n += s.RestartCount
	}
	return n
}
