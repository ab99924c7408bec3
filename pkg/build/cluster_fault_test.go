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
	for name, test := range map[string]struct {
		err   error
		after int
		want  string
	}{
		"a moment later": {broke, 3, "it was killed for using more memory than its 4Gi"},
		"never":          {broke, 1000, broke.Error()},
		"of no interest": {errors.New("no such image"), 3, "no such image"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, looks := newStage(t, ClusterOptions{}), 0
			s.kube.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				pod := &corev1.Pod{Spec: s.dry[0], Status: answering()}
				if looks++; looks > test.after {
					pod.Status = over("OOMKilled", sigkill, "")
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
