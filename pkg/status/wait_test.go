// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

// scene is a cluster in which one fixture follows another, second by second, the
// last one for ever. Its time passes only while Wait waits.
type scene struct {
	*clocktesting.FakeClock
	kubernetes.Interface
	client *fake.Clientset
	looks  int
}

func newScene(t *testing.T, fixtures ...string) *scene {
	t.Helper()
	s := &scene{FakeClock: clocktesting.NewFakeClock(noon()), client: fake.NewClientset()}
	s.Interface = s.client
	show(t, s.client, func() string { return fixtures[min(int(s.Since(noon())/lookEvery), len(fixtures)-1)] }, &s.looks)
	return s
}

// show has the client list the objects of the fixture that is on now. It counts
// the looks.
func show(t *testing.T, client *fake.Clientset, on func() string, looks *int) {
	t.Helper()
	client.PrependReactor("list", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		now := fixture(t, on())
		switch action.GetResource().Resource {
		case "deployments":
			*looks++
			return true, &appsv1.DeploymentList{Items: now.Deployments}, nil
		case "replicasets":
			return true, &appsv1.ReplicaSetList{Items: now.ReplicaSets}, nil
		case "pods":
			return true, &corev1.PodList{Items: now.Pods}, nil
		case "events":
			return true, &corev1.EventList{Items: now.Events}, nil
		}
		return true, &autoscalingv2.HorizontalPodAutoscalerList{Items: now.HPAs}, nil
	})
}

// After lets the time pass at once.
func (s *scene) After(d time.Duration) <-chan time.Time {
	s.Step(d)
	passed := make(chan time.Time, 1)
	passed <- s.Now()
	return passed
}

// wait waits in the scene and returns the lines reported.
func (s *scene) wait(ctx context.Context, change func(*WaitOptions)) (lines []string, err error) {
	o := WaitOptions{
		Client: s, Clock: s, Namespace: "models", Endpoint: "sentiment", Router: true, Versions: []string{"green"},
		Report: func(line string) { lines = append(lines, line) },
	}
	if change != nil {
		change(&o)
	}
	err = Wait(ctx, o)
	return lines, err
}

const (
	routerIsReady = "router: 2 of 2 replicas ready"
	greenStarts   = "version green: 0 of 1 replicas ready: container scoring is starting"
	greenCrashed  = "version green: pod green-a: container scoring exited with code 3 (2 times): " +
		"ModuleNotFoundError: No module named 'torch'"
)

func TestWaitTellsEachChangeAndEndsWhenAllIsReady(t *testing.T) {
	s := newScene(t, "pulling", "pulling", "starting", "starting", "ready")
	lines, err := s.wait(t.Context(), nil)
	want := []string{
		routerIsReady,
		"version green: 0 of 1 replicas ready: pulling image registry.example/green:1",
		greenStarts,
		"version green: 1 of 1 replicas ready",
	}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("got %v and\n%s\nwant\n%s", err, strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if s.looks != 5 {
		t.Errorf("looked %d times, want 5", s.looks)
	}
}

func TestWaitEndsWithAFailureThatLasts(t *testing.T) {
	s := newScene(t, "starting", "crash-loop")
	var asked []corev1.PodLogOptions
	s.logs("loading\r\n\x1b[31mTraceback\x1b[0m\n", func(o corev1.PodLogOptions) error {
		asked = append(asked, o)
		return nil
	})
	lines, err := s.wait(t.Context(), nil)
	var failure *FailedError
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a *FailedError", err)
	}
	if want := strings.Replace(greenCrashed, ":", " failed: CrashLoopBackOff:", 1); err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if failure.Object != "version green" || failure.Reason != "CrashLoopBackOff" ||
		failure.Pod != "green-a" || failure.Container != "scoring" {
		t.Errorf("got %+v", failure)
	}
	if want := []string{"loading", "Traceback"}; !slices.Equal(failure.Logs, want) {
		t.Errorf("got the log %q, want %q", failure.Logs, want)
	}
	if len(asked) != 1 || !asked[0].Previous || *asked[0].TailLines != 200 || asked[0].Container != "scoring" {
		t.Errorf("asked for the log by %+v, want the last 200 lines of the previous scoring container", asked)
	}
	if want := []string{routerIsReady, greenStarts, greenCrashed}; !slices.Equal(lines, want) || s.looks != 3 {
		t.Errorf("got %q after %d looks, want %q after 3", lines, s.looks, want)
	}
}

func TestWaitTakesTheRunningLogIfThePreviousIsGone(t *testing.T) {
	s := newScene(t, "crash-loop")
	s.logs("new", func(o corev1.PodLogOptions) error {
		if o.Previous {
			return errors.New("previous terminated container not found")
		}
		return nil
	})
	_, err := s.wait(t.Context(), nil)
	var failure *FailedError
	if !errors.As(err, &failure) || !slices.Equal(failure.Logs, []string{"new"}) {
		t.Errorf("got %+v, want the log of the running container", failure)
	}
}

func TestWaitForgivesAFailureThatPasses(t *testing.T) {
	s := newScene(t, "crash-loop", "starting", "crash-loop", "quota", "ready")
	if lines, err := s.wait(t.Context(), nil); err != nil {
		t.Errorf("got %v after %q", err, lines)
	}
}

func TestWaitGivesAPodWithoutANodeItsGrace(t *testing.T) {
	s := newScene(t, "unschedulable-young")
	_, err := s.wait(t.Context(), nil)
	var failure *FailedError
	if !errors.As(err, &failure) || failure.Reason != "Unschedulable" || failure.Logs != nil {
		t.Errorf("got %v, want a failure without a log", err)
	}
	// The pod has waited for 30 s at the start: after 31 more the first look fails it.
	if want := 33; s.looks != want {
		t.Errorf("looked %d times, want %d", s.looks, want)
	}
}

func TestWaitTimesOutAndSaysWhatWasMissing(t *testing.T) {
	s := newScene(t, "starting")
	lines, err := s.wait(t.Context(), func(o *WaitOptions) { o.Timeout = 65 * time.Second })
	var timeout *TimeoutError
	if !errors.As(err, &timeout) {
		t.Fatalf("got %v, want a *TimeoutError", err)
	}
	if want := "still progressing after 1m5s: " + greenStarts; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	want := []string{routerIsReady, greenStarts, greenStarts + " (after 30s)", greenStarts + " (after 1m0s)"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Run("a_deadline_is_a_timeout", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		var timeout *TimeoutError
		_, err := newScene(t, "starting").wait(ctx, nil)
		if !errors.As(err, &timeout) {
			t.Errorf("got %v, want a *TimeoutError", err)
		}
	})
	t.Run("a_cancellation_is_one", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := newScene(t, "starting").wait(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

func TestWaitOutlastsAnAPIServerThatRestarts(t *testing.T) {
	s := newScene(t, "starting", "starting", "ready")
	down := 3
	s.client.PrependReactor("list", "pods",
		func(clienttesting.Action) (bool, runtime.Object, error) {
			down--
			return down >= 0, nil, errors.New("connection refused")
		})
	lines, err := s.wait(t.Context(), nil)
	want := []string{
		"cannot ask the cluster, trying again: list the pods of endpoint models/sentiment: connection refused",
		routerIsReady, "version green: 1 of 1 replicas ready",
	}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("got %v and %q, want %q", err, lines, want)
	}
}

// A look for which there is no time left is none that failed.
func TestWaitTellsNothingOfALookThatComesTooLate(t *testing.T) {
	s := newScene(t, "starting")
	looks := 0
	s.client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		looks++
		return looks > 1, nil, errors.New("client rate limiter Wait returned an error: rate: Wait(n=1) would exceed " +
			"context deadline")
	})
	lines, err := s.wait(t.Context(), func(o *WaitOptions) { o.Timeout = 5 * time.Second })
	if want := "still progressing after 5s: " + greenStarts; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if want := []string{routerIsReady, greenStarts}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestWaitEndsWithoutTheRightToLook(t *testing.T) {
	s := newScene(t, "starting")
	forbid(s, "pods")
	_, err := s.wait(t.Context(), nil)
	want := `list the pods of endpoint models/sentiment: pods is forbidden: no`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCollectDoesWithoutEventsAndAutoscalers(t *testing.T) {
	s := newScene(t, "autoscaler")
	forbid(s, "events")
	forbid(s, "horizontalpodautoscalers")
	got, err := Collect(t.Context(), s, "models", "sentiment")
	if err != nil || len(got.Deployments) != 3 || got.HPAs != nil || got.Events != nil {
		t.Errorf("got %v, %d deployments, %v, %v", err, len(got.Deployments), got.HPAs, got.Events)
	}
}

func TestCollectLeavesOtherEndpointsOut(t *testing.T) {
	s := newScene(t, "ready")
	got, err := Collect(t.Context(), s, "models", "other")
	if err != nil || len(got.Deployments)+len(got.ReplicaSets)+len(got.Pods) != 0 {
		t.Errorf("got %v, %+v", err, got)
	}
}

func forbid(s *scene, resource string) {
	s.client.PrependReactor("list", resource,
		func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
		})
}

// logs makes every container's log the text, unless refuse has an error.
func (s *scene) logs(text string, refuse func(corev1.PodLogOptions) error) {
	s.client.PrependReactor("get", "pods",
		func(action clienttesting.Action) (bool, runtime.Object, error) {
			if action.GetSubresource() != "log" {
				return false, nil, nil
			}
			o := action.(clienttesting.GenericAction).GetValue().(*corev1.PodLogOptions)
			if err := refuse(*o); err != nil {
				return true, nil, err
			}
			return true, &runtime.Unknown{Raw: []byte(text)}, nil
		})
}
