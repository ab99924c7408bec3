// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// byHand changes a field of an object as somebody with kubectl would.
func (w *world) byHand(object string, value any, path ...string) {
	w.Helper()
	o := w.cluster.Object(object)
	if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
		w.Fatal(err)
	}
	w.cluster.Put(o)
}

func (w *world) notes() []string {
	var notes []string
	for _, line := range w.log {
		if strings.HasPrefix(line, "note: ") {
			notes = append(notes, line)
		}
	}
	return notes
}

const (
	weightsByHand = "note: configmap iris-router has data.weights red=a:9 where revision 1 says blue=a:1: "
	routeByHand   = "note: httproute iris has another rules than revision 1: it is set back"
)

func TestApplyTellsWhatWasChangedByHand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		disturb func(w *world)
		values  map[string]any
		action  Action
		notes   []string
	}{
		"nothing was": {func(*world) {}, versions("blue=a:2"), Upgraded, nil},
		"a field, and the same is asked for again": {func(w *world) {
			w.byHand("ConfigMap/iris-router", "red=a:9", "data", "weights")
		}, versions("blue=a:1"), Upgraded, []string{weightsByHand + "it is set back"}},
		"a field, and another value is asked for": {func(w *world) {
			w.byHand("ConfigMap/iris-router", "red=a:9", "data", "weights")
		}, versions("blue=a:2"), Upgraded, []string{weightsByHand + "it becomes blue=a:2"}},
		"a kind that nobody knows": {func(w *world) {
			w.byHand("HTTPRoute/iris", []any{map[string]any{"weights": "red=a:9"}}, "spec", "rules")
		}, versions("blue=a:1"), Upgraded, []string{routeByHand}},
		"an object is gone": {func(w *world) { w.cluster.Remove("Deployment/iris-blue") }, versions("blue=a:1"), Upgraded,
			[]string{"note: deployment iris-blue is gone, which revision 1 has: it is made again"}},
		"only what a merge leaves": {func(w *world) {
			w.byHand("Deployment/iris-blue", true, "spec", "paused")
		}, versions("blue=a:1"), Unchanged, []string{"note: deployment iris-blue is paused: no new pods come: it stays"}},
		"a version that the endpoint does not have": {func(w *world) {
			grey := w.cluster.Object("Deployment/iris-blue")
			grey.SetName("iris-grey")
			grey.SetLabels(map[string]string{"app.kubernetes.io/name": "inference", "app.kubernetes.io/instance": "iris",
				"kubectl-aml/version": "grey"})
			w.cluster.Put(grey)
		}, versions("blue=a:1"), Unchanged,
			[]string{"note: deployment iris-grey is of version grey, which revision 1 does not have: it stays"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1"))
			c.disturb(w)
			for _, dry := range []DryRun{DryRunServer, DryRunNone} {
				w.log = nil
				result, err := w.apply(c.values, ApplyOptions{DryRun: dry})
				if err != nil {
					t.Fatal(err)
				}
				if result.Action != c.action || !slices.Equal(w.notes(), c.notes) {
					t.Errorf("dry run %q: %s, %q, want %s, %q", dry, result.Action, w.notes(), c.action, c.notes)
				}
			}
			w.wantHandled(c.action)
		})
	}
}

// wantHandled expects that after an upgrade no field that the revision sets is
// another.
func (w *world) wantHandled(action Action) {
	w.Helper()
	now, err := w.client.Get(w.Context(), "iris")
	if err != nil {
		w.Fatal(err)
	}
	objects, err := w.client.Objects(w.Context(), now)
	if err != nil {
		w.Fatal(err)
	}
	if left := drift.ByHand(objects, now.Revision, false); action == Upgraded && len(left) > 0 {
		w.Errorf("left: %v", left)
	}
}

func TestApplyGoesOnIfItIsNotKnownWhatWasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.byHand("ConfigMap/iris-router", "red=a:9", "data", "weights")
	w.cluster.Refuse = func(verb, _ string) error {
		if verb == "try" {
			return errors.New("admission webhook \"x\" does not support dry run")
		}
		return nil
	}
	result := w.mustApply(versions("blue=a:1"))
	if result.Action != Upgraded || !slices.ContainsFunc(w.log, func(line string) bool {
		return strings.HasPrefix(line, "warning: whether somebody changed the objects by hand is not known: ")
	}) {
		t.Errorf("%s, log is %q", result.Action, w.log)
	}
}

func TestCompareShowsWhatAProposedRevisionWouldDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	planned, err := w.client.Plan(w.Context(), "iris", to(versions("blue=a:2", "red=c:1")))
	if err != nil {
		t.Fatal(err)
	}
	if planned.Release.Revision != 2 || planned.Previous.Revision != 1 || planned.Release.Status != "dry-run" {
		t.Errorf("planned is %+v", planned)
	}
	objects, err := w.client.Compare(w.Context(), "iris", planned.Release.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	found, err := drift.Differences(objects, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.Object+" "+string(d.Action))
	}
	want := []string{"ConfigMap/iris-router changed", "Deployment/iris-blue changed", "Deployment/iris-green deleted",
		"Deployment/iris-red created", "HTTPRoute/iris changed"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	w.wantHistory("1 deployed")
}

func TestPlanRendersWhatIsInForceToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	planned, err := w.client.Plan(w.Context(), "iris", to(versions("blue=a:1")))
	if err != nil {
		t.Fatal(err)
	}
	if planned.Release.Manifest != planned.Previous.Manifest {
		t.Errorf("got %s", planned.Release.Manifest)
	}
	_, err = w.client.Plan(w.Context(), "iris", to(map[string]any{"refuse": "traffic sums to 120"}))
	wantError(t, err, "traffic sums to 120")
}

func TestCompareWithoutAnEndpointShowsWhatWouldBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planned, err := w.client.Plan(w.Context(), "iris", to(versions("blue=a:1")))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := w.client.Compare(w.Context(), "iris", planned.Release.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.Live != nil || o.Revision != nil || o.Proposed == nil {
			t.Errorf("%s is %+v", o.ID(), o)
		}
	}
	if len(objects) != 3 {
		t.Errorf("%d objects", len(objects))
	}
	w.wantObjects()
}

func TestWhatAKeptFailureChangedIsTakenIntoAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	_, _ = w.apply(versions("blue=a:1@gpu", "green=b:1"), ApplyOptions{Ready: notReady, KeepFailed: true})
	now, err := w.client.Get(t.Context(), "iris")
	if err != nil || now.Revision != 1 || now.Later != "revision 2 is failed" {
		t.Fatalf("in force is %+v, %v", now, err)
	}
	objects, err := w.client.Compare(t.Context(), "iris", now.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		_, selects, _ := unstructured.NestedString(o.Proposed, "spec", "template", "spec", "nodeSelector", "gpu")
		if selects || o.Name == "iris-green" && o.Proposed != nil {
			t.Errorf("%s is to be %v", o.ID(), o.Proposed)
		}
	}
}

// Else a cluster that does not answer would hold who has given up.
func TestWhatIsReadEndsWithTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	objects, err := w.cluster.Build(strings.NewReader(w.revisions()[1].Manifest), false)
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := live(ended, objects[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
	if _, err := tryPatch(ended, objects[0], types.MergePatchType, []byte("{}")); !errors.Is(err, context.Canceled) {
		t.Errorf("trying: %v", err)
	}
	l := &liveObjects{found: map[objectKey]map[string]any{}}
	if err := l.list(ended, objects[0], "iris"); !errors.Is(err, context.Canceled) {
		t.Errorf("listing: %v", err)
	}
}

// Objects that no list has, as when somebody took their labels away, are read one
// by one, several at once.
func TestObjectsWithoutLabelsAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1", "red=c:1"))
	now, err := w.client.Get(t.Context(), "iris")
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.client.Objects(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range want {
		w.byHand(o.Kind.Kind+"/"+o.Name, map[string]any{}, "metadata", "labels")
	}
	got, err := w.client.Objects(t.Context(), now)
	if err != nil || len(got) != len(want) || len(got) < 5 {
		t.Fatalf("%d objects of %d, %v", len(got), len(want), err)
	}
	for _, o := range got {
		if o.Live == nil {
			t.Errorf("%s is taken for gone", o.ID())
		}
	}
}
