// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	helmrelease "helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func (w *world) undo(to int, o ApplyOptions) (Result, error) {
	return w.client.Undo(w.Context(), "iris", to, o)
}

func (w *world) mustUndo(to int) Result {
	w.Helper()
	result, err := w.undo(to, ApplyOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return result
}

// revisions are all that are kept, by number.
func (w *world) revisions() map[int]Release {
	w.Helper()
	all, err := w.client.History(w.Context(), "iris")
	if err != nil {
		w.Fatal(err)
	}
	byNumber := map[int]Release{}
	for _, r := range all {
		byNumber[r.Revision] = r
	}
	return byNumber
}

func TestUndoMakesTheRevisionBeforeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1@gpu"))
	w.mustApply(versions("blue=a:2"))
	result := w.mustUndo(0)
	if result.Action != Upgraded || result.Earlier != 1 || result.Previous.Revision != 2 ||
		result.Release.Revision != 3 || result.Release.Status != "deployed" ||
		result.Release.Description != "undo to revision 1" {
		t.Errorf("result is %+v", result)
	}
	w.wantHistory("1 superseded", "2 superseded", "3 deployed")
	w.wantObjects(withBlueGreen...)
	all := w.revisions()
	if all[3].Manifest != all[1].Manifest || !reflect.DeepEqual(all[3].Values, all[1].Values) {
		t.Errorf("revision 3 is %+v, want %+v", all[3], all[1])
	}
	w.wantNoLease()

	// Again: what was there before the undo.
	if again := w.mustUndo(0); again.Earlier != 2 || again.Release.Revision != 4 {
		t.Errorf("undone to %d", again.Earlier)
	}
	w.wantObjects(withBlue...)
}

// A newer plugin would render other objects of the same values.
func TestUndoBringsBackTheChartOfItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	newer := newChart("1.3.0")
	newer.Templates[0].Data = []byte(strings.ReplaceAll(template, "scoring", "model"))
	w.client = w.user("ann@laptop", newer)
	w.mustApply(versions("blue=a:1"))
	if result := w.mustUndo(0); result.Earlier != 1 || result.Release.ChartVersion != "1.2.0" {
		t.Errorf("result is %+v", result)
	}
	all := w.revisions()
	if all[3].Manifest != all[1].Manifest || all[3].Manifest == all[2].Manifest {
		t.Errorf("manifests are\n%s\n%s\n%s", all[1].Manifest, all[2].Manifest, all[3].Manifest)
	}
	// And the next deploy has the new one again.
	if result := w.mustApply(versions("blue=a:1")); result.Action != Upgraded || result.Release.ChartVersion != "1.3.0" {
		t.Errorf("result is %+v", result)
	}
}

func TestUndoGoesToWhatWasInForceBefore(t *testing.T) {
	t.Parallel()
	one, two := versions("blue=a:1"), versions("blue=a:2")
	for name, c := range map[string]struct {
		history func(*world)
		want    int
	}{
		"past a revision that failed and was rolled back": {func(w *world) {
			w.mustApply(one)
			w.mustApply(two)
			_, _ = w.apply(versions("blue=a:3"), ApplyOptions{Ready: notReady})
			w.wantHistory("1 superseded", "2 superseded", "3 failed", "4 deployed")
		}, 1},
		"past a failure that is kept": {func(w *world) {
			w.mustApply(one)
			w.mustApply(two)
			w.failKept(versions("blue=a:3"))
		}, 1},
		"past a failure that helm calls superseded": {func(w *world) {
			w.mustApply(one)
			w.failKept(versions("blue=a:3"))
			w.edit(func(r *helmrelease.Release) { r.Info.Status = helmrelease.StatusSuperseded })
			w.mustApply(two)
		}, 1},
		"past a failure whose undoing failed": {func(w *world) {
			w.mustApply(one)
			_, _ = w.apply(versions("blue=a:3"), ApplyOptions{Ready: func(context.Context) error {
				w.cluster.Refuse = func(string, string) error { return errors.New("etcd is full") }
				return errNotReady
			}})
			w.cluster.Refuse = nil
			w.mustApply(two)
			w.wantHistory("1 superseded", "2 failed", "3 failed", "4 deployed")
		}, 1},
		"past one with the same in it": {func(w *world) {
			w.mustApply(one)
			w.mustApply(two)
			w.cluster.Remove("Deployment/iris-blue")
			w.mustApply(two)
			w.wantHistory("1 superseded", "2 superseded", "3 deployed")
		}, 1},
		"one that somebody killed in the middle": {func(w *world) {
			w.mustApply(one)
			w.mustApply(two)
			w.failKept(versions("blue=a:3"))
			w.kill(helmrelease.StatusPendingUpgrade)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.history(w)
			if result := w.mustUndo(0); result.Earlier != c.want {
				t.Errorf("undone to %d, want %d", result.Earlier, c.want)
			}
			if got := w.image("blue"); got != "a:1" {
				t.Errorf("image is %s", got)
			}
			w.wantNoLease()
		})
	}
}

func (w *world) image(version string) string {
	w.Helper()
	containers, _, err := unstructured.NestedSlice(w.cluster.Object("Deployment/iris-"+version).Object,
		"spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		w.Fatalf("containers are %v, %v", containers, err)
	}
	return containers[0].(map[string]any)["image"].(string)
}

func TestUndoRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		history func(*world)
		to      int
		want    string
		is      error
	}{
		"an endpoint that is not there": {func(*world) {}, 0, `endpoint "iris" not found in namespace "models"`, ErrNotFound},
		"an endpoint that never was in force": {func(w *world) { w.failKept(versions("blue=a:1")) }, 0,
			`endpoint "iris" has never been in force in namespace "models" (revision 1 is failed): deploy it again, or delete it`,
			ErrNotFound},
		"the first revision": {func(w *world) { w.mustApply(versions("blue=a:1")) }, 0,
			`endpoint "iris" has nothing to go back to: no kept revision before 1, which is in force, was in force and is another`, nil},
		"a revision that does not exist": {func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.failKept(versions("blue=a:2"))
			w.mustApply(versions("blue=a:3"))
		}, 7, `endpoint "iris" has no revision 7: those that were in force are 1, 3; the last 10 revisions are kept`, nil},
		"a revision that failed": {func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.failKept(versions("blue=a:2"))
			w.mustApply(versions("blue=a:3"))
		}, 2, `revision 2 of endpoint "iris" never was in force (failed): choose one of those that were, ` +
			`see kubectl aml history iris`, nil},
		"a release that is not an endpoint": {func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.mustApply(versions("blue=a:2"))
			w.edit(func(r *helmrelease.Release) { r.Chart.Metadata.Name = "nginx" })
		}, 1, `"iris" in namespace "models" is a Helm release of chart "nginx", not an endpoint: choose another name`, ErrForeign},
		"a newer chart in force": {func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.mustApply(versions("blue=a:2"))
			w.client = w.user("ann@laptop", newChart("1.1.0"))
		}, 1, `endpoint "iris" was deployed with chart 1.2.0, this kubectl-aml has 1.1.0: upgrade kubectl-aml`, ErrNewerChart},
		"a newer chart to go back to": {func(w *world) {
			w.client = w.user("ann@laptop", newChart("1.3.0"))
			w.mustApply(versions("blue=a:1"))
			w.mustApply(versions("blue=a:2"))
			w.edit(func(r *helmrelease.Release) { r.Chart.Metadata.Version = "1.2.0" })
			w.client = w.user("ann@laptop", newChart("1.2.0"))
		}, 1, `revision 1: endpoint "iris" was deployed with chart 1.3.0, this kubectl-aml has 1.2.0: upgrade kubectl-aml`,
			ErrNewerChart},
		"an object of somebody else": {func(w *world) {
			w.mustApply(versions("blue=a:1", "green=b:1"))
			w.mustApply(versions("blue=a:1"))
			w.cluster.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment",
				"metadata": map[string]any{"name": "iris-green", "namespace": "models"}}})
		}, 1, `Deployment "iris-green" in namespace "models" exists and is not part of this endpoint: delete it first`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.history(w)
			before, objects := w.records(), w.cluster.Names()
			for _, dryRun := range []DryRun{DryRunNone, DryRunServer} {
				_, err := w.undo(c.to, ApplyOptions{DryRun: dryRun})
				wantError(t, err, c.want)
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("error is %#v", err)
				}
			}
			if got := w.records(); !slices.Equal(got, before) {
				t.Errorf("records are %q, want %q", got, before)
			}
			w.wantObjects(objects...)
			w.wantNoLease()
		})
	}
}

// records names what is stored, of whatever chart.
func (w *world) records() []string {
	w.Helper()
	list, err := w.cluster.Clientset.CoreV1().Secrets("models").List(w.Context(), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Name+" "+s.Labels["status"])
	}
	return names
}

func TestUndoToWhatIsInForceChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.mustApply(versions("blue=a:2"))
	w.mustUndo(1)
	prepared := false
	for _, to := range []int{3, 1} {
		result, err := w.undo(to, ApplyOptions{Prepare: func(context.Context, *Release, Release) error {
			prepared = true
			return nil
		}})
		if err != nil || result.Action != Unchanged || result.Release.Revision != 3 || prepared {
			t.Errorf("to %d: %+v, %v, prepared %v", to, result, err, prepared)
		}
	}
	w.wantHistory("1 superseded", "2 superseded", "3 deployed")

	// But it mends what somebody took away, and takes a kept failure away.
	w.cluster.Remove("Deployment/iris-blue")
	if result := w.mustUndo(3); result.Action != Upgraded {
		t.Errorf("action is %s", result.Action)
	}
	w.failKept(versions("blue=a:2", "green=b:1"))
	w.mustUndo(4)
	w.wantObjects(withBlue...)
	w.wantHistory("1 superseded", "2 superseded", "3 superseded", "4 superseded", "5 failed", "6 deployed")
}

func TestUndoThatFailsLeavesWhatWasInForce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options ApplyOptions
		refuse  func(verb, object string) error
		want    string
	}{
		"not ready": {options: ApplyOptions{Ready: notReady},
			want: "version blue: ImagePullBackOff; rolled back to revision 2"},
		"refused by the cluster": {refuse: func(verb, object string) error {
			if verb == "create" && object == "Deployment/iris-green" {
				return errors.New("exceeded quota: gpus")
			}
			return nil
		}, want: "exceeded quota: gpus; rolled back to revision 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1", "green=b:1"))
			w.mustApply(versions("blue=a:2"))
			w.cluster.Refuse = c.refuse
			result, err := w.undo(0, c.options)
			wantError(t, err, c.want)
			if !result.RolledBack || result.Release.Revision != 3 {
				t.Errorf("result is %+v", result)
			}
			w.wantObjects(withBlue...)
			w.wantHistory("1 superseded", "2 superseded", "3 failed", "4 deployed")
			if got := w.image("blue"); got != "a:2" {
				t.Errorf("image is %s", got)
			}
			if all := w.revisions(); all[4].Manifest != all[2].Manifest {
				t.Errorf("in force is %s", all[4].Manifest)
			}
			w.wantNoLease()
		})
	}
}

// Helm's rollback would call revision 2 superseded, and nothing deployed.
func TestUndoThatFailsAndIsKeptLeavesTheRevisionInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.mustApply(versions("blue=a:2"))
	w.cluster.Refuse = func(string, string) error { return errors.New("etcd is full") }
	_, err := w.undo(0, ApplyOptions{KeepFailed: true})
	wantError(t, err, "etcd is full; revision 3 is kept for inspection")
	w.wantHistory("1 superseded", "2 deployed", "3 failed")
}

func TestUndoEndsWhenItCannotBePrepared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.mustApply(versions("blue=a:2"))
	_, err := w.undo(0, ApplyOptions{Prepare: func(_ context.Context, now *Release, next Release) error {
		if now.Revision != 2 || next.Revision != 1 || !reflect.DeepEqual(next.Values, versions("blue=a:1")) {
			t.Errorf("prepared from %+v to %+v", now, next)
		}
		return errors.New("no keys")
	}})
	wantError(t, err, "no keys")
	w.wantHistory("1 superseded", "2 deployed")
}

func TestUndoTriedOutChangesNothing(t *testing.T) {
	t.Parallel()
	for _, dryRun := range []DryRun{DryRunClient, DryRunServer} {
		w := newWorld(t)
		w.mustApply(versions("blue=a:1"))
		w.mustApply(versions("blue=a:2"))
		result, err := w.undo(0, ApplyOptions{DryRun: dryRun})
		if err != nil {
			t.Fatal(err)
		}
		if r := result.Release; result.Earlier != 1 || result.Action != Upgraded || r.Revision != 3 ||
			r.Status != "dry-run" || r.Description != "undo to revision 1" || r.Manifest != w.revisions()[1].Manifest {
			t.Errorf("%s: result is %+v", dryRun, result)
		}
		w.wantHistory("1 superseded", "2 deployed")
		if got := w.image("blue"); got != "a:2" {
			t.Errorf("image is %s", got)
		}
	}
}

// Back to autoscaling: the replicas that run go on running.
func TestUndoLeavesReplicasThatAreNoLongerNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scaled, fixed := versions("blue=a:1"), versions("blue=a:1")
	fixed["versions"].(map[string]any)["blue"].(map[string]any)["replicas"] = 3
	replicas := func() any {
		n, _, _ := unstructured.NestedFieldNoCopy(w.cluster.Object("Deployment/iris-blue").Object, "spec", "replicas")
		return n
	}
	w.mustApply(scaled)
	w.mustApply(fixed)
	for range 2 {
		w.mustUndo(0)
		if got := replicas(); got != int64(3) {
			t.Errorf("replicas are %v", got)
		}
	}
}

// A version whose Deployment outlived its deletion, as after an interruption, is
// taken back, without what the cluster made of it since.
func TestUndoTakesBackWhatIsLeftOfTheEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	green := w.cluster.Object("Deployment/iris-green")
	w.mustApply(versions("blue=a:1"))
	w.cluster.Put(green)
	w.mustUndo(0)
	w.wantObjects(withBlueGreen...)
}
