// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// verdict is how long the kubelet may take to say why a container is gone.
	verdict = 10 * time.Second
	// sigkill and sigterm are what a command ends with that was killed, or told to end.
	sigkill, sigterm = 137, 143
	// oomKilled is the kubelet's reason for a container that the kernel killed.
	oomKilled = "OOMKilled"
	// elsewhere is where the cluster's limits are not.
	elsewhere = "build with Docker's engine, a BuildKit of your own or ACR Tasks"
)

// has tells whether a text has one of several in it.
func has(text string, any ...string) bool {
	for _, one := range any {
		if strings.Contains(text, one) {
			return true
		}
	}
	return false
}

// lower is what to do where a cluster has not what is asked for: the scheduler, a
// quota or a LimitRange says what that is.
func lower(said string) string {
	scheduler := has(said, "Insufficient ")
	_, quota, exceeded := strings.Cut(said, "exceeded quota: ")
	switch {
	case exceeded: // its name may be that of a resource
		_, said, _ = strings.Cut(quota, "requested: ")
	case !scheduler && !has(said, "maximum "):
		return ""
	}
	var flags []string
	for _, flag := range []struct{ resource, name string }{
		{"cpu", "--builder-cpu"}, {"memory", "--builder-memory"}, {"ephemeral-storage", "--builder-disk"},
	} {
		if has(said, "Insufficient "+flag.resource) || !scheduler && has(said, flag.resource) {
			flags = append(flags, flag.name)
		}
	}
	if len(flags) == 0 {
		return ""
	}
	return ": lower " + strings.Join(flags, " and ")
}

// limitOf is what BuildKit's container may use of something.
func limitOf(pod *corev1.Pod, of corev1.ResourceName) string {
	limit := pod.Spec.Containers[0].Resources.Limits[of]
	return limit.String()
}

// causeOfFailure says why a pod has failed. Those that are evicted have the
// kubelet's word for it.
func causeOfFailure(pod *corev1.Pod) string {
	said := strings.TrimSuffix(joined(pod.Status.Reason, pod.Status.Message), ".")
	switch {
	case has(said, "exceeds the limit", "exceeds the total limit", "exceeded its local ephemeral storage limit"):
		return fmt.Sprintf("it has written more than the %s of disk that it may: allow it more with --builder-disk",
			limitOf(pod, corev1.ResourceEphemeralStorage))
	case has(said, "low on resource: ephemeral-storage", "DiskPressure"):
		return fmt.Sprintf("%s: ask for more of a node's disk with --builder-disk, or %s", said, elsewhere)
	case has(said, "low on resource: memory", "MemoryPressure"):
		return fmt.Sprintf("%s: ask for more of a node's memory with --builder-memory, or %s", said, elsewhere)
	default:
		return said
	}
}

// causeOfEnd says why BuildKit's container has ended.
func causeOfEnd(pod *corev1.Pod, t *corev1.ContainerStateTerminated) string {
	said := oneLine(t.Message)
	switch {
	case t.Reason == oomKilled:
		return "it was killed " + forMemory(pod)
	case t.ExitCode == sigkill:
		return "it was killed, most likely " + forMemory(pod)
	case has(said, "operation not permitted", "permission denied", "Operation not permitted", "no space left on device"):
		return fmt.Sprintf("node %s lets it make no user namespace: see \"Troubleshooting\" in BuildKit's docs/rootless.md, "+
			"or build on another node: %s", pod.Spec.NodeName, shorten(said))
	case t.ExitCode == sigterm:
		return "it was told to end"
	case t.Reason == "Completed" || t.ExitCode == 0:
		return "it has ended for want of a sign of life from here"
	default:
		return fmt.Sprintf("it ended with %d: %s", t.ExitCode, shorten(said))
	}
}

// forMemory is why a process was killed, and what to do.
func forMemory(pod *corev1.Pod) string {
	return fmt.Sprintf("for using more memory than its %s: allow it more with --builder-memory, or %s",
		limitOf(pod, corev1.ResourceMemory), elsewhere)
}

// explained is why a build failed, if that is its pod: a step that failed is not,
// but for one that was killed. Of a connection that broke, the kubelet knows the
// cause a moment later, and of a container that ended why it did.
func (b *clusterBuilder) explained(ctx context.Context, name string, err error) error {
	var step *StepError
	if errors.As(err, &step) && step.Code != sigkill {
		return err
	}
	last := ""
	for until := b.o.Clock.Now().Add(verdict); ctx.Err() == nil; {
		pod, getErr := b.ended(ctx, name)
		cause, certain := causeOfAll(pod, name, getErr)
		last = cmp.Or(cause, last)
		switch over := !b.o.Clock.Now().Before(until); {
		case certain, last != "" && over:
			return &UnavailableError{Builder: b.Name(), Reason: last, Err: err}
		case step != nil && getErr == nil && last == "":
			step.Advice = "it was killed, most likely " + forMemory(pod)
			return err
		case last == "" && !brokenOff(err), over:
			return err
		}
		select {
		case <-ctx.Done():
		case <-b.o.Clock.After(pace):
		}
	}
	return err
}

// ended is a pod as it is. One whose container ended by itself while it was being
// evicted has no reason of its own any more, but there is the event.
func (b *clusterBuilder) ended(ctx context.Context, name string) (*corev1.Pod, error) {
	const evicted = "Evicted"
	pod, err := b.kube.CoreV1().Pods(b.o.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil || pod.Status.Reason != "" {
		return pod, err
	}
	if said, err := b.warning(ctx, pod.UID, evicted); err == nil && said != "" {
		pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, evicted, said
	}
	return pod, nil
}

// causeOfAll is what has become of a pod; empty if nothing is known. It is certain
// if no more will be known: a container has ended before its pod is said to be
// evicted.
func causeOfAll(pod *corev1.Pod, name string, err error) (cause string, certain bool) {
	switch {
	case apierrors.IsNotFound(err):
		return "pod " + name + " was deleted during the build: try again", true
	case err != nil:
		return "", false
	case pod.DeletionTimestamp != nil:
		return "pod " + name + " was told to end during the build: try again", true
	}
	if l := lookAt(pod); l.hopeless {
		cause = l.waits
	}
	oom := slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Terminated != nil && c.State.Terminated.Reason == oomKilled
	})
	return cause, cause != "" && (pod.Status.Reason != "" || oom)
}
