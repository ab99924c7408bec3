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

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var (
	withBlue      = []string{"ConfigMap/iris-router", "Deployment/iris-blue", "HTTPRoute/iris"}
	withBlueGreen = []string{"ConfigMap/iris-router", "Deployment/iris-blue", "Deployment/iris-green", "HTTPRoute/iris"}
)

func TestApplyInstallsThenUpgrades(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result, err := w.apply(versions("blue=a:1"), ApplyOptions{Description: "deploy blue"})
	if err != nil {
		t.Fatal(err)
	}
	if result.Action != Installed || result.Previous != nil || result.Release.Revision != 1 ||
		result.Release.Description != "deploy blue" || result.Release.ChartVersion != "1.2.0" {
		t.Errorf("first result is %+v", result)
	}
	w.wantObjects(withBlue...)

	result, err = w.apply(versions("blue=a:1", "green=a:2"), ApplyOptions{Description: "deploy green"})
	if err != nil {
		t.Fatal(err)
	}
	if result.Action != Upgraded || result.Previous.Revision != 1 || result.Release.Revision != 2 ||
		result.Release.Status != "deployed" || result.Release.Description != "deploy green" {
		t.Errorf("second result is %+v", result)
	}
	w.wantObjects(withBlueGreen...)
	w.wantHistory("1 superseded", "2 deployed")
	w.wantNoLease()
}

func TestApplyGivesChangeWhatIsInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	if _, err := w.apply(versions("blue=a:2"), ApplyOptions{Ready: notReady, KeepFailed: true}); err == nil {
		t.Fatal("no error")
	}
	_, err := w.client.Apply(t.Context(), "iris", func(current *Release) (map[string]any, error) {
		if current.Revision != 1 || !reflect.DeepEqual(current.Values, versions("blue=a:1")) {
			t.Errorf("current is %+v", current)
		}
		return nil, errors.New("no such version")
	}, ApplyOptions{})
	wantError(t, err, "no such version")
	w.wantHistory("1 deployed", "2 failed")
	w.wantNoLease()
}

func TestApplyOfTheSameChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	// Other Go types, the same values once stored.
	same := map[string]any{"weights": "blue=a:1",
		"versions": map[string]any{"blue": map[string]string{"image": "a:1"}}}
	result := w.mustApply(same)
	if result.Action != Unchanged || result.Release.Revision != 1 {
		t.Errorf("result is %+v", result)
	}
	w.wantHistory("1 deployed")
	w.wantNoLease()
}

func TestApplyOfTheSameActsWhen(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*world){
		"an_object_is_missing": func(w *world) { w.cluster.Remove("Deployment/iris-blue") },
		"the_chart_is_newer":   func(w *world) { w.client = w.user("ann@laptop", newChart("1.3.0")) },
		"the_chart_has_changed": func(w *world) {
			chart := newChart("1.2.0")
			chart.Templates[0].Data = append(chart.Templates[0].Data, "\n"...)
			w.client = w.user("ann@laptop", chart)
		},
		"the_last_revision_failed": func(w *world) {
			_, _ = w.apply(versions("blue=a:2"), ApplyOptions{Ready: notReady, KeepFailed: true})
		},
	}
	for name, disturb := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1"))
			disturb(w)
			if result := w.mustApply(versions("blue=a:1")); result.Action != Upgraded {
				t.Errorf("action is %s", result.Action)
			}
			w.wantObjects(withBlue...)
			image, _, _ := unstructured.NestedSlice(w.cluster.Object("Deployment/iris-blue").Object,
				"spec", "template", "spec", "containers")
			if image[0].(map[string]any)["image"] != "a:1" {
				t.Errorf("containers are %v", image)
			}
		})
	}
}

func TestApplyRollsBackWhatDoesNotBecomeReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	result, err := w.apply(versions("blue=a:1", "green=b:1"), ApplyOptions{Ready: notReady})
	wantError(t, err, "version blue: ImagePullBackOff; rolled back to revision 1")
	var failure *ApplyError
	if !errors.Is(err, errNotReady) || !errors.As(err, &failure) {
		t.Fatalf("error is %#v", err)
	}
	if failure.Endpoint != "iris" || failure.Revision != 2 || failure.Previous != 1 ||
		failure.Outcome != RolledBack || len(failure.HelmLog) == 0 {
		t.Errorf("failure is %+v", failure)
	}
	if !result.RolledBack || result.Release.Revision != 2 || result.Release.Status != "failed" {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects(withBlue...)
	w.wantHistory("1 superseded", "2 failed", "3 deployed")
	now, err := w.client.Get(t.Context(), "iris")
	if err != nil || !reflect.DeepEqual(now.Values, versions("blue=a:1")) {
		t.Errorf("in force is %+v, %v", now, err)
	}
	if weights, _, _ := unstructured.NestedString(w.cluster.Object("ConfigMap/iris-router").Object,
		"data", "weights"); weights != "blue=a:1" {
		t.Errorf("weights are %q", weights)
	}
	if !slices.Contains(w.log, "revision 2 failed: rolling back to revision 1") {
		t.Errorf("log is %q", w.log)
	}
	w.wantNoLease()
}

func TestApplyUninstallsAFirstRevisionThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result, err := w.apply(versions("blue=a:1"), ApplyOptions{Ready: notReady})
	wantError(t, err, "version blue: ImagePullBackOff; uninstalled, as there was no earlier revision")
	if result.RolledBack || result.Action != Installed {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects()
	w.wantHistory()
	w.wantNoLease()
	if result := w.mustApply(versions("blue=a:1")); result.Action != Installed || result.Release.Revision != 1 {
		t.Errorf("result is %+v", result)
	}
}

func TestApplyUndoesWhatTheClusterRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Refuse = func(verb, object string) error {
		if verb == "create" && object == "Deployment/iris-blue" {
			return errors.New("exceeded quota: gpus")
		}
		return nil
	}
	_, err := w.apply(versions("blue=a:1"), ApplyOptions{})
	wantError(t, err, "exceeded quota: gpus; uninstalled, as there was no earlier revision")
	w.wantObjects()

	w.cluster.Refuse = nil
	w.mustApply(versions("blue=a:1"))
	w.cluster.Refuse = func(verb, object string) error {
		if verb == "create" && object == "Deployment/iris-green" {
			return errors.New("exceeded quota: gpus")
		}
		return nil
	}
	_, err = w.apply(versions("blue=a:1", "green=b:1"), ApplyOptions{})
	wantError(t, err, "exceeded quota: gpus; rolled back to revision 1")
	w.wantObjects(withBlue...)
	w.wantNoLease()
}

func TestApplyKeepsAFailureWhenAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.apply(versions("blue=a:1"), ApplyOptions{Ready: notReady, KeepFailed: true})
	wantError(t, err, "version blue: ImagePullBackOff; revision 1 is kept for inspection")
	w.wantObjects(withBlue...)
	w.wantHistory("1 failed")
	w.wantNoLease()

	result := w.mustApply(versions("red=a:1"))
	if result.Action != Installed || result.Release.Revision != 2 {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects("ConfigMap/iris-router", "Deployment/iris-red", "HTTPRoute/iris")
}

func TestApplyLeavesNothingOfKeptFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	for _, kept := range [][]string{{"blue=a:1@gpu", "green=b:1"}, {"blue=a:1@arm", "red=c:1"}} {
		if _, err := w.apply(versions(kept...), ApplyOptions{Ready: notReady, KeepFailed: true}); err == nil {
			t.Fatal("no error")
		}
	}
	w.mustApply(versions("blue=a:3"))
	w.wantObjects(withBlue...)
	selector, _, _ := unstructured.NestedStringMap(w.cluster.Object("Deployment/iris-blue").Object,
		"spec", "template", "spec", "nodeSelector")
	if len(selector) != 0 {
		t.Errorf("node selector is %v", selector)
	}
}

func TestApplyCorrectsWhatOthersEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	route := w.cluster.Object("HTTPRoute/iris")
	_ = unstructured.SetNestedSlice(route.Object, []any{map[string]any{"weights": "edited"}}, "spec", "rules")
	w.cluster.Put(route)
	values := versions("blue=a:1")
	values["other"] = "changed"
	w.mustApply(values)
	rules, _, _ := unstructured.NestedSlice(w.cluster.Object("HTTPRoute/iris").Object, "spec", "rules")
	if rules[0].(map[string]any)["weights"] != "blue=a:1" {
		t.Errorf("rules are %v", rules)
	}
}

func TestApplyInterruptedIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := w.client.Apply(ctx, "iris", to(versions("green=a:1")), ApplyOptions{
		Ready: func(ctx context.Context) error {
			interrupt()
			<-ctx.Done()
			return ctx.Err()
		}})
	wantError(t, err, "interrupted; rolled back to revision 1")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %#v", err)
	}
	w.wantObjects(withBlue...)
	w.wantHistory("1 superseded", "2 failed", "3 deployed")
	w.wantNoLease()
}

func TestApplyInterruptedWhileItWritesStopsWriting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	w.cluster.Refuse = func(_, _ string) error {
		interrupt()
		return nil
	}
	asked := false
	_, err := w.client.Apply(ctx, "iris", to(versions("blue=a:1")), ApplyOptions{
		Ready: func(context.Context) error { asked = true; return nil }})
	wantError(t, err, "interrupted; uninstalled, as there was no earlier revision")
	if asked {
		t.Error("readiness was asked for after the interruption")
	}
	w.wantObjects()
	w.wantNoLease()
}

func TestApplyGivesReadyItsTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.apply(versions("blue=a:1"), ApplyOptions{Timeout: 1, Ready: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	wantError(t, err, "context deadline exceeded; uninstalled, as there was no earlier revision")
	w.wantObjects()
}

func TestApplySaysWhenUndoingFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	_, err := w.apply(versions("blue=a:2"), ApplyOptions{Ready: func(context.Context) error {
		w.cluster.Refuse = func(string, string) error { return errors.New("etcd is full") }
		return errNotReady
	}})
	wantError(t, err, "version blue: ImagePullBackOff; undoing revision 2 failed too: etcd is full: "+
		"deploy again, or delete the endpoint")
	w.cluster.Refuse = nil
	w.mustApply(versions("blue=a:3"))
	w.wantHistory("1 superseded", "2 failed", "3 failed", "4 deployed")
}

func TestApplyKeepsTenRevisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 14 {
		w.mustApply(versions("blue=a:" + strings.Repeat("1", i+1)))
	}
	if history := w.history(); len(history) != 10 || history[0] != "5 superseded" || history[9] != "14 deployed" {
		t.Errorf("history is %q", history)
	}
}

func TestApplyWithEmptyValuesForgetsTheOldOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.mustApply(nil)
	w.wantObjects("ConfigMap/iris-router", "HTTPRoute/iris")
}

func TestApplyPreparesWhatItIsAboutToMake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prepare := func(refusal error) ApplyOptions {
		return ApplyOptions{Prepare: func(_ context.Context, now *Release, next Release) error {
			if now != nil || next.ChartVersion != "1.2.0" || !reflect.DeepEqual(next.Values, versions("blue=a:1")) {
				t.Errorf("prepared from %+v to %+v", now, next)
			}
			return refusal
		}}
	}
	_, err := w.apply(versions("blue=a:1"), prepare(errors.New("no keys")))
	wantError(t, err, "no keys")
	w.wantHistory()
	if _, err := w.apply(versions("blue=a:1"), prepare(nil)); err != nil {
		t.Fatal(err)
	}
	w.wantHistory("1 deployed")
}
