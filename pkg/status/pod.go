// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// podView is a pod with what is needed for a verdict on it.
type podView struct {
	pod *corev1.Pod
	// events are the pod's, the latest first.
	events []corev1.Event
	now    time.Time
	// grace is how long a pod may be unschedulable before it has failed.
	grace time.Duration
	// leaving says that other pods of the endpoint are being deleted.
	leaving bool
}

func (p podView) verdict() Verdict {
	v := p.judge()
	v.Pod = p.pod.Name
	return v
}

func (p podView) judge() Verdict {
	if p.pod.DeletionTimestamp != nil {
		return progressing(ReasonTerminating, "is being deleted")
	}
	if p.pod.Status.Phase == corev1.PodFailed {
		// Its ReplicaSet makes another one: that one's fate decides.
		return progressing(orElse(p.pod.Status.Reason, "PodFailed"), sentence("has ended", p.pod.Status.Message))
	}
	if v, ok := p.scheduling(); ok {
		return v
	}
	containers := p.containers()
	for _, c := range containers {
		if v, ok := c.failure(); ok {
			return v
		}
	}
	if podReady(p.pod) {
		return Verdict{State: Ready}
	}
	if v, ok := p.blocked(); ok {
		return v
	}
	if v, ok := p.pullingVolume(); ok {
		return v
	}
	for _, c := range containers {
		if v, ok := c.progress(); ok {
			return v
		}
	}
	return p.waiting()
}

// scheduling speaks up if the pod has no node.
func (p podView) scheduling() (Verdict, bool) {
	condition := podCondition(p.pod, corev1.PodScheduled)
	if condition == nil || condition.Status == corev1.ConditionTrue {
		return Verdict{}, false
	}
	if condition.Reason != corev1.PodReasonUnschedulable {
		return progressing(orElse(condition.Reason, "Scheduling"), sentence("waits for a node", condition.Message)), true
	}
	why := sentence("no node takes it", condition.Message)
	if event, ok := p.latest("TriggeredScaleUp", "Nominated"); ok {
		return progressing(condition.Reason, sentence("waits for a new node", event.Message)), true
	}
	if p.leaving || p.now.Sub(condition.LastTransitionTime.Time) <= p.grace {
		return progressing(condition.Reason, why), true
	}
	return failed(condition.Reason, why), true
}

// blocked speaks up if the kubelet cannot set the pod up. That may pass, so it
// is progress, with the kubelet's words.
func (p podView) blocked() (Verdict, bool) {
	if p.started() {
		return Verdict{}, false
	}
	event, ok := p.latest("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
	if !ok {
		return Verdict{}, false
	}
	if p.cannotMount(event.Message) {
		return failed(event.Reason, sentence("cannot be set up: its node's kubelet mounts no images as volumes, which takes "+
			"Kubernetes 1.35; deploy with --model-mount image there", event.Message)), true
	}
	return progressing(event.Reason, sentence("cannot be set up yet", event.Message)), true
}

// started tells whether any container of the pod has run.
func (p podView) started() bool {
	statuses := slices.Concat(p.pod.Status.InitContainerStatuses, p.pod.Status.ContainerStatuses)
	return slices.ContainsFunc(statuses, func(s corev1.ContainerStatus) bool {
		return s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil
	})
}

// waiting says what can be said when no container has anything to say.
func (p podView) waiting() Verdict {
	for _, gate := range p.pod.Spec.ReadinessGates {
		if c := podCondition(p.pod, gate.ConditionType); c == nil || c.Status != corev1.ConditionTrue {
			return progressing(ReasonNotReady, fmt.Sprintf("waits for its readiness gate %s", gate.ConditionType))
		}
	}
	return progressing(ReasonStarting, "waits for its node to start it")
}

// latest returns the latest of the pod's events with one of the reasons.
func (p podView) latest(reasons ...string) (corev1.Event, bool) {
	for _, event := range p.events {
		if slices.Contains(reasons, event.Reason) {
			return event, true
		}
	}
	return corev1.Event{}, false
}

// containers returns the pod's containers in the order they are started in.
func (p podView) containers() []container {
	var all []container
	add := func(spec corev1.Container, statuses []corev1.ContainerStatus) {
		i := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == spec.Name })
		if i >= 0 {
			all = append(all, container{spec: spec, status: statuses[i], pod: p})
		}
	}
	for _, spec := range p.pod.Spec.InitContainers {
		add(spec, p.pod.Status.InitContainerStatuses)
	}
	for _, spec := range p.pod.Spec.Containers {
		add(spec, p.pod.Status.ContainerStatuses)
	}
	return all
}

func podReady(pod *corev1.Pod) bool {
	condition := podCondition(pod, corev1.PodReady)
	return pod.DeletionTimestamp == nil && condition != nil && condition.Status == corev1.ConditionTrue
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// eventTime is when an event happened last.
func eventTime(event corev1.Event) time.Time {
	switch {
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}

// sentence joins a clause and the words of others, which may be missing or go
// over several lines.
func sentence(clause, words string) string {
	words = strings.TrimRight(strings.Join(strings.Fields(words), " "), ".")
	if words == "" {
		return clause
	}
	return clause + ": " + words
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
