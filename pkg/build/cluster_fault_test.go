// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// An API server that is away for a moment ends no build, one that refuses does.
func TestAnAPIServerThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		times int
		want  string
	}{
		"away":         {errors.New("connect: connection refused"), 3, ""},
		"busy":         {apierrors.NewTooManyRequests("later", 1), 3, ""},
		"away_for_all": {errors.New("connect: connection refused"), -1, "has not started within 5m0s: the API server does not answer: connect: connection refused"},
		"refuses":      {apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New(`User "ada" cannot list`)), 1, `cannot list: the role edit`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, failed := newStage(t, ClusterOptions{}), 0
			s.kube.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				failed++
				return test.times < 0 || failed <= test.times, nil, test.err
			})
			err := s.build(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("told %v, want %s", err, test.want)
			}
		})
	}
}

// A sign of life that hangs is given up, and another is sent.
func TestASignOfLifeThatHangs(t *testing.T) {
	t.Parallel()
	s := newStage(t, ClusterOptions{Idle: leastIdle})
	again := make(chan struct{})
	s.builder.exec = func(ctx context.Context, _ string, _ streams, _ ...string) error {
		s.mu.Lock()
		s.ran = append(s.ran, "touch")
		if len(s.ran) == 2 {
			close(again)
		}
		s.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	s.builder.solve = func(ctx context.Context, _ dialer, _ Request) (Result, error) {
		select {
		case <-again:
			return Result{}, nil
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
	if err := s.build(t.Context()); err != nil {
		t.Error(err)
	}
}

// Whoever ends a build is told nothing of an API server that they did not wait for.
func TestAnEndedQuestionIsNoAPIServerThatIsAway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStage(t, ClusterOptions{})
	s.kube.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		cancel()
		return true, nil, ctx.Err()
	})
	if err := s.build(ctx); !errors.Is(err, context.Canceled) || strings.Contains(strings.Join(s.said, "\n"), "API server") {
		t.Errorf("told %q, ended with %v", s.said, err)
	}
}

// What has become of the pod is known a moment after the connection broke; no more
// than that is waited.
func TestTheCauseComesAfterTheEnd(t *testing.T) {
	t.Parallel()
	broke := status.Error(codes.Unavailable, "the connection broke")
	killed, lost := over("OOMKilled", sigkill, ""), answering()
	lost.Reason = "NodeLost"
	for name, test := range map[string]struct {
		err          error
		before, then corev1.PodStatus
		after        int
		want         string
	}{
		"a moment later":           {broke, answering(), killed, 3, "it was killed for using more memory than its 4Gi"},
		"never":                    {broke, answering(), killed, 1000, broke.Error()},
		"of a node that is silent": {broke, lost, killed, 1000, broke.Error()},
		"of no interest":           {errors.New("no such image"), answering(), killed, 3, "no such image"},
		"of the pod, after that of its container": {broke, over("Completed", 0, ""), evicted("Pod ephemeral local storage usage exceeds " +
			"the total limit of containers 50Gi. "), 3, "more than the 50Gi of disk"},
		"told to end":           {broke, over("Error", sigterm, ""), killed, 1000, "it was told to end"},
		"of its container only": {broke, over("Completed", 0, ""), killed, 1000, "for want of a sign of life"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, looks := newStage(t, ClusterOptions{}), 0
			s.kube.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				pod := &corev1.Pod{Spec: s.dry[0], Status: test.before}
				if looks++; looks > test.after {
					pod.Status = test.then
				}
				return true, pod, nil
			})
			s.builder.solve = func(context.Context, dialer, Request) (Result, error) {
				return Result{}, &failure{name: "env", what: test.err.Error(), err: fmt.Errorf("failed to solve: %w", test.err)}
			}
			if err := s.build(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) || looks > 20 {
				t.Errorf("told %v after %d looks, want %s", err, looks, test.want)
			}
		})
	}
}

// An eviction is told, also where the container ended first and the pod does not
// have it any more.
func TestAnEvictionThatOnlyAnEventTells(t *testing.T) {
	t.Parallel()
	s := newStage(t, ClusterOptions{})
	s.builder.solve = func(ctx context.Context, _ dialer, _ Request) (Result, error) {
		pod, err := s.kube.CoreV1().Pods("models").Get(ctx, "aml-build-1-a", metav1.GetOptions{})
		if err != nil {
			return Result{}, err
		}
		pod.UID, pod.Status = "pod-1", over("Completed", 0, "")
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "evicted", Namespace: "models"},
			InvolvedObject: corev1.ObjectReference{UID: pod.UID}, Type: corev1.EventTypeWarning, Reason: "Evicted",
			Message: `Usage of EmptyDir volume "state" exceeds the limit "50Gi". `}
		_, updateErr := s.kube.CoreV1().Pods("models").Update(ctx, pod, metav1.UpdateOptions{})
		_, eventErr := s.kube.CoreV1().Events("models").Create(ctx, event, metav1.CreateOptions{})
		return Result{}, errors.Join(updateErr, eventErr, status.Error(codes.Unavailable, "the connection broke"))
	}
	const want = "its pod failed: it has written more than the 50Gi of disk that it may: allow it more with --builder-disk"
	if err := s.build(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("told %v, want %s", err, want)
	}
}

// A LimitRange may also want more of something than is asked for, and the name of a
// quota says nothing.
func TestOnlyAMaximumIsAReasonToAskForLess(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"maximum memory usage per Container is 1Gi, but limit is 4Gi":   ": lower --builder-memory",
		"minimum memory usage per Container is 8Gi, but request is 1Gi": "",
		"exceeded quota: mem-cpu-demo, requested: limits.memory=4Gi, used: limits.memory=0, " +
			"limited: limits.memory=1Gi": ": lower --builder-memory",
		"exceeded quota: cpu, requested: pods=1, used: pods=9, limited: pods=9": "",
	} {
		if got := lower(said); got != want {
			t.Errorf("%s: got %q, want %q", said, got, want)
		}
	}
}
