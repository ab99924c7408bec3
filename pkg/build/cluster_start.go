// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pace is how often the pod is looked at until BuildKit answers.
const pace = time.Second

// unavailable is an error of the API server, as what this builder cannot do.
func (b *clusterBuilder) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	reason := oneLine(err.Error())
	if apierrors.IsForbidden(err) && strings.Contains(reason, "cannot ") {
		reason += ": the role edit in the namespace is enough"
	} else if apierrors.IsForbidden(err) {
		reason += lower(reason)
	}
	return &UnavailableError{Builder: b.Name(), Reason: reason, Err: err}
}

func isGone(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

// look is what is known of a Job's pod.
type look struct {
	pod      string // name of the pod in which BuildKit answers
	waits    string // what it waits for
	hopeless bool   // that will not come
}

// started waits until BuildKit answers, and returns its pod. What will never
// start is told at once, the rest after Start.
func (b *clusterBuilder) started(ctx context.Context, job *batchv1.Job, r Request) (string, error) {
	deadline, said := b.o.Clock.Now().Add(b.o.Start), ""
	for {
		l, err := b.look(ctx, job)
		if ctx.Err() == nil && passes(err) {
			l, err = look{waits: "the API server does not answer: " + oneLine(err.Error())}, nil
		}
		switch {
		case err != nil:
			return "", b.unavailable(ctx, err)
		case l.pod != "":
			return l.pod, nil
		case l.hopeless:
			return "", &UnavailableError{Builder: b.Name(), Reason: l.waits}
		case !b.o.Clock.Now().Before(deadline):
			return "", &UnavailableError{Builder: b.Name(),
				Reason: fmt.Sprintf("its pod has not started within %s: %s", b.o.Start, l.waits)}
		case l.waits != said:
			said = l.waits
			r.log("waiting for BuildKit: " + said)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-b.o.Clock.After(pace):
		}
	}
}

// passes tells whether an API server may answer in a moment: it said so, or nothing.
func passes(err error) bool {
	status := apierrors.APIStatus(nil)
	return err != nil && !errors.As(err, &status) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err)
}

func (b *clusterBuilder) look(ctx context.Context, job *batchv1.Job) (look, error) {
	pods, err := b.kube.CoreV1().Pods(b.o.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: batchv1.ControllerUidLabel + "=" + string(job.UID)})
	if err != nil {
		return look{}, err
	}
	if len(pods.Items) == 0 {
		return b.podless(ctx, job)
	}
	return lookAt(&pods.Items[0]), nil
}

// podless is about a Job that has no pod: the Job's events say why.
func (b *clusterBuilder) podless(ctx context.Context, job *batchv1.Job) (look, error) {
	switch is, err := b.kube.BatchV1().Jobs(b.o.Namespace).Get(ctx, job.Name, metav1.GetOptions{}); {
	case apierrors.IsNotFound(err), err == nil && is.UID != job.UID:
		return look{waits: "somebody has deleted its Job", hopeless: true}, nil
	case err != nil:
		return look{}, err
	}
	warning, err := b.warning(ctx, job.UID, "")
	if err != nil {
		return look{}, err
	}
	if warning != "" {
		return look{waits: "its pod cannot be created: " + warning, hopeless: true}, nil
	}
	return look{waits: "its pod is being created"}, nil
}

// warning is the last one about an object, for a reason or for any.
func (b *clusterBuilder) warning(ctx context.Context, of types.UID, reason string) (string, error) {
	events, err := b.kube.CoreV1().Events(b.o.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(of)})
	if err != nil {
		return "", err
	}
	last := ""
	for _, e := range events.Items {
		if e.InvolvedObject.UID == of && e.Type == corev1.EventTypeWarning && (reason == "" || e.Reason == reason) {
			last = oneLine(e.Message)
		}
	}
	return last, nil
}

func lookAt(pod *corev1.Pod) look {
	if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "" {
		// Its containers have ended too, and say nothing of why.
		return look{waits: "its pod failed: " + causeOfFailure(pod), hopeless: true}
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Terminated != nil:
			return look{waits: causeOfEnd(pod, c.State.Terminated), hopeless: true}
		case c.State.Waiting != nil && hopeless(c.State.Waiting.Reason):
			return look{waits: joined(c.State.Waiting.Reason, c.State.Waiting.Message), hopeless: true}
		case c.Ready:
			return look{pod: pod.Name}
		case c.State.Running != nil:
			return look{waits: "it starts in pod " + pod.Name}
		case c.State.Waiting != nil:
			return look{waits: joined(c.State.Waiting.Reason, c.State.Waiting.Message)}
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return look{waits: "its pod failed: " + joined(pod.Status.Reason, pod.Status.Message), hopeless: true}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			said := strings.TrimSuffix(oneLine(c.Message), ".")
			return look{waits: "no node takes its pod: " + said + lower(said)}
		}
	}
	return look{waits: "pod " + pod.Name + " is being created"}
}

func joined(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + oneLine(message)
}

// hopeless tells whether a container that waits for this reason will not run.
func hopeless(reason string) bool {
	switch reason {
	case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed",
		"CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return true
	default:
		return false
	}
}
