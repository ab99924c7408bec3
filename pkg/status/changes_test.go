// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
)

// watched is a cluster whose time passes by itself, and that tells of changes.
type watched struct {
	t       *testing.T
	client  *fake.Clientset
	start   time.Time
	looks   int
	fixture string
	// refusal is what who wants to watch is told; nil lets them.
	refusal error
	// opened are the watches of each resource, the last one last.
	opened map[string][]*watch.RaceFreeFakeWatcher
	// tried counts the tries to watch.
	tried map[string]int
}

// inWatched runs the test in such a cluster at noon. It fails the test if anything
// still runs or waits afterwards.
func inWatched(t *testing.T, test func(*watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var passing clock.RealClock
		passing.Sleep(noon().Sub(passing.Now()))
		w := &watched{t: t, client: fake.NewClientset(), start: noon(), fixture: "starting",
			opened: map[string][]*watch.RaceFreeFakeWatcher{}, tried: map[string]int{}}
		show(t, w.client, func() string { return w.fixture }, &w.looks)
		w.client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
			resource := action.GetResource().Resource
			w.tried[resource]++
			if w.refusal != nil {
				return true, nil, w.refusal
			}
			selector := action.(clienttesting.WatchAction).GetWatchRestrictions().Labels
			if got, want := selector.String(), "app.kubernetes.io/instance=sentiment"; got != want {
				t.Errorf("watches the %s with %s, want those with %s", resource, got, want)
			}
			next := watch.NewRaceFreeFake()
			w.opened[resource] = append(w.opened[resource], next)
			return true, next, nil
		})
		test(w)
	})
}

// at does something in the client's lock when so much time has passed.
func (w *watched) at(after time.Duration, do func()) {
	var passing clock.RealClock
	passing.AfterFunc(w.start.Add(after).Sub(passing.Now()), func() {
		w.client.Lock()
		defer w.client.Unlock()
		do()
	})
}

// change has the fixture be there, and tells who watches the resource.
func (w *watched) change(after time.Duration, resource, fixture string) {
	w.at(after, func() {
		w.fixture = fixture
		if watches := w.opened[resource]; len(watches) > 0 {
			watches[len(watches)-1].Modify(&appsv1.Deployment{})
		}
	})
}

// wait waits for version green and returns how long that took.
func (w *watched) wait(client kubernetes.Interface) (time.Duration, error) {
	var passing clock.RealClock
	err := Wait(w.t.Context(), WaitOptions{
		Client: client, Namespace: "models", Endpoint: "sentiment", Versions: []string{"green"},
	})
	return passing.Since(w.start), err
}

func (w *watched) mustTake(want time.Duration) {
	w.t.Helper()
	if took, err := w.wait(w.client); err != nil || took != want {
		w.t.Errorf("got %v after %s, want it ready after %s", err, took, want)
	}
}

func TestAChangeIsSeenWhenItHappens(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{"deployments", "pods"} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			inWatched(t, func(w *watched) {
				w.change(2300*time.Millisecond, resource, "ready")
				w.mustTake(2300 * time.Millisecond)
			})
		})
	}
}

func TestAChangeDuringTheRestIsSeenAfterIt(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		w.change(2030*time.Millisecond, "pods", "ready")
		w.mustTake(2*time.Second + lookRest)
	})
}

func TestManyChangesCostFewLooks(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		for after := time.Second; after < 2*time.Second; after += time.Millisecond {
			w.change(after, "pods", "starting")
		}
		w.change(2*time.Second, "pods", "ready")
		w.mustTake(2 * time.Second)
		if want := 12; w.looks != want {
			t.Errorf("looked %d times, want %d", w.looks, want)
		}
	})
}

func TestASlowClusterIsNotAskedHarder(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		client := bent{w.client, func(d appsclient.DeploymentInterface) appsclient.DeploymentInterface { return slow{d} }}
		for after := time.Duration(0); after < 4*time.Second; after += 10 * time.Millisecond {
			w.change(after, "pods", "starting")
		}
		w.change(4*time.Second, "pods", "ready")
		if took, err := w.wait(client); err != nil || w.looks != 6 {
			t.Errorf("got %v after %s and %d looks, want 6, half of the time without one", err, took, w.looks)
		}
	})
}

func TestAFailureHasToLastASecondHoweverOftenItIsSeen(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		for after := 300 * time.Millisecond; after < 1200*time.Millisecond; after += 50 * time.Millisecond {
			w.change(after, "pods", "crash-loop")
		}
		w.change(1250*time.Millisecond, "pods", "starting")
		w.change(1700*time.Millisecond, "pods", "crash-loop")
		w.change(2200*time.Millisecond, "pods", "crash-loop")
		took, err := w.wait(w.client)
		var failure *FailedError
		if want := 2700 * time.Millisecond; !errors.As(err, &failure) || took != want {
			t.Errorf("got %v after %s, want a failure after %s, a second after it was seen to stay", err, took, want)
		}
	})
}

// What a slow look finds is as it was when it began.
func TestAFailureHasToLastASecondHoweverSlowALookIs(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		client := bent{w.client, func(d appsclient.DeploymentInterface) appsclient.DeploymentInterface { return late{d, &w.looks} }}
		w.change(300*time.Millisecond, "pods", "crash-loop")
		w.change(350*time.Millisecond, "pods", "crash-loop")
		w.change(600*time.Millisecond, "pods", "starting")
		w.change(3*time.Second, "pods", "ready")
		if took, err := w.wait(client); err != nil || took != 3*time.Second {
			t.Errorf("got %v after %s, want it ready after 3s: it had failed for 300 ms", err, took)
		}
	})
}

func TestWithoutTheRightToWatchThereIsALookEachSecond(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		w.refusal = apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
		w.change(11300*time.Millisecond, "pods", "ready")
		w.mustTake(12 * time.Second)
		if w.looks != 13 || w.tried["pods"] != 3 || w.tried["deployments"] != 3 {
			t.Errorf("looked %d times and tried to watch %v, want 13 looks and a try each 5 s", w.looks, w.tried)
		}
	})
}

func TestAWatchThatBreaksOffIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*watch.RaceFreeFakeWatcher){
		"its_connection_is_closed": (*watch.RaceFreeFakeWatcher).Stop,
		"the_API_server_ends_it": func(w *watch.RaceFreeFakeWatcher) {
			w.Error(&apierrors.NewResourceExpired("too old resource version").ErrStatus)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWatched(t, func(w *watched) {
				w.at(6500*time.Millisecond, func() { end(w.opened["pods"][0]) })
				w.change(8300*time.Millisecond, "pods", "ready")
				w.mustTake(8300 * time.Millisecond)
				if got := len(w.opened["pods"]); got != 2 {
					t.Errorf("watched the pods %d times, want 2", got)
				}
			})
		})
	}
}

func TestAWatchThatIsNeverAnsweredHoldsNothingUp(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		client := bent{w.client, func(d appsclient.DeploymentInterface) appsclient.DeploymentInterface { return silent{d} }}
		w.change(2300*time.Millisecond, "deployments", "ready")
		if took, err := w.wait(client); err != nil || took != 3*time.Second {
			t.Errorf("got %v after %s, want the look after 3 s", err, took)
		}
	})
}

func TestNothingIsWatchedForWhatIsReady(t *testing.T) {
	t.Parallel()
	inWatched(t, func(w *watched) {
		w.fixture = "ready"
		w.mustTake(0)
		if len(w.tried) > 0 {
			t.Errorf("tried to watch %v", w.tried)
		}
	})
}

// bent is a cluster whose Deployments are read in another way.
type bent struct {
	kubernetes.Interface
	bend func(appsclient.DeploymentInterface) appsclient.DeploymentInterface
}

func (b bent) AppsV1() appsclient.AppsV1Interface { return bentApps{b.Interface.AppsV1(), b.bend} }

type bentApps struct {
	appsclient.AppsV1Interface
	bend func(appsclient.DeploymentInterface) appsclient.DeploymentInterface
}

func (b bentApps) Deployments(namespace string) appsclient.DeploymentInterface {
	return b.bend(b.AppsV1Interface.Deployments(namespace))
}

// silent never answers who wants to watch.
type silent struct{ appsclient.DeploymentInterface }

func (silent) Watch(ctx context.Context, _ metav1.ListOptions) (watch.Interface, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// late answers the third look a second after it has listed.
type late struct {
	appsclient.DeploymentInterface
	looks *int
}

func (l late) List(ctx context.Context, o metav1.ListOptions) (*appsv1.DeploymentList, error) {
	list, err := l.DeploymentInterface.List(ctx, o)
	if *l.looks == 3 {
		var passing clock.RealClock
		passing.Sleep(time.Second)
	}
	return list, err
}

// slow takes its time to list.
type slow struct{ appsclient.DeploymentInterface }

func (s slow) List(ctx context.Context, o metav1.ListOptions) (*appsv1.DeploymentList, error) {
	var passing clock.RealClock
	passing.Sleep(400 * time.Millisecond)
	return s.DeploymentInterface.List(ctx, o)
}
