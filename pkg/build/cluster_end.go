// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// verdict is how long the kubelet may take to say why a container is gone.
	verdict = 10 * time.Second
	// sigkill is what a command ends with that was killed.
	sigkill = 137
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
	if !scheduler && !has(said, "exceeded quota", "usage per ") {
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
	case t.Reason == "OOMKilled":
		return "it was killed " + forMemory(pod)
	case t.ExitCode == sigkill:
		return "it was killed, most likely " + forMemory(pod)
	case has(said, "operation not permitted", "permission denied", "Operation not permitted", "no space left on device"):
		return fmt.Sprintf("node %s lets it make no user namespace: see \"Troubleshooting\" in BuildKit's docs/rootless.md, "+
			"or build on another node: %s", pod.Spec.NodeName, shorten(said))
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
// cause a moment later.
func (b *clusterBuilder) explained(ctx context.Context, name string, err error) error {
	var step *StepError
	if errors.As(err, &step) && step.Code != sigkill {
		return err
	}
	for until := b.o.Clock.Now().Add(verdict); ctx.Err() == nil; {
		pod, getErr := b.kube.CoreV1().Pods(b.o.Namespace).Get(ctx, name, metav1.GetOptions{})
		cause := causeOfAll(pod, name, getErr)
		switch {
		case cause != "":
			return &UnavailableError{Builder: b.Name(), Reason: cause, Err: err}
		case step != nil && getErr == nil:
			step.Advice = "it was killed, most likely " + forMemory(pod)
			return err
		case !brokenOff(err) || !b.o.Clock.Now().Before(until):
			return err
		}
		select {
		case <-ctx.Done():
		case <-b.o.Clock.After(pace):
		}
	}
	return err
}

// causeOfAll is what has become of a pod; empty if nothing is known.
func causeOfAll(pod *corev1.Pod, name string, err error) string {
	switch {
	case apierrors.IsNotFound(err):
		return "pod " + name + " was deleted during the build: try again"
	case err != nil:
		return ""
	case pod.DeletionTimestamp != nil:
		return "pod " + name + " was told to end during the build: try again"
	}
	if l := lookAt(pod); l.hopeless {
		return l.waits
	}
	return ""
}
