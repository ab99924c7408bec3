// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

func withHook(values map[string]any) map[string]any {
	values["hook"] = true
	return values
}

func TestApplyUndoesWhenAHookFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.cluster.Hook = func() error { return errors.New("pod iris-hook failed") }
	_, err := w.apply(withHook(versions("blue=a:2")), ApplyOptions{})
	wantError(t, err, "pre-upgrade hooks failed: pod iris-hook failed; rolled back to revision 1")
	w.wantHistory("1 superseded", "2 failed", "3 deployed")
}

func TestApplyInterruptedDoesNotWaitForAHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, interrupt := context.WithCancel(t.Context())
	goOn := make(chan struct{})
	t.Cleanup(func() { close(goOn) })
	w.cluster.Hook = func() error {
		interrupt()
		<-goOn
		return nil
	}
	_, err := w.client.Apply(ctx, "iris", to(withHook(versions("blue=a:1"))), ApplyOptions{})
	wantError(t, err, "interrupted; uninstalled, as there was no earlier revision")
}

func TestGateIsShut(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	tests := map[string]struct {
		gate *gate
		want error
	}{
		"when_the_context_has_ended": {&gate{ctx: ended, fence: func() error { return nil }}, context.Canceled},
		"when_the_lease_is_lost":     {&gate{ctx: t.Context(), fence: func() error { return errLeaseLost }}, errLeaseLost},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, none := tt.gate, helmkube.ResourceList{}
			g.ready = func(context.Context) error { t.Error("asked whether it is ready"); return nil }
			_, create := g.Create(none)
			_, update := g.Update(none, none, false)
			_, remove := g.Delete(none)
			_, propagate := g.DeleteWithPropagationPolicy(none, "Foreground")
			for what, err := range map[string]error{
				"create": create, "update": update, "delete": errors.Join(remove...),
				"propagate": errors.Join(propagate...), "wait": g.Wait(none, 0), "jobs": g.WaitWithJobs(none, 0),
				"hook": g.WatchUntilReady(none, 0),
			} {
				if !errors.Is(err, tt.want) {
					t.Errorf("%s said %v", what, err)
				}
			}
		})
	}
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	const (
		route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: iris}\n"
		blue  = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: iris-blue}\n"
	)
	tests := map[string]struct {
		original string
		attempts []string
		want     []string // Kind/name and spec as JSON
	}{
		"of_one_revision_are_what_Helm_has": {blue, []string{route},
			[]string{"Deployment/iris-blue null"}},
		"are_the_objects_of_all_attempts": {blue, []string{blue, route},
			[]string{"Deployment/iris-blue null", "HTTPRoute/iris null"}},
		"unite_fields_of_known_kinds_with_lists_by_name": {
			blue + "spec: {template: {spec: {nodeSelector: {a: x}, containers: [{name: one, image: i}]}}}\n",
			[]string{blue, blue + "spec: {template: {spec: {nodeSelector: {b: z}, containers: [{name: two, image: j}]}}}\n"},
			[]string{`Deployment/iris-blue {"template":{"spec":{"containers":[{"image":"j","name":"two"},` +
				`{"image":"i","name":"one"}],"nodeSelector":{"a":"x","b":"z"}}}}`}},
		"unite_fields_of_other_kinds": {
			route + "spec: {hostnames: [a], parent: {name: x}}\n",
			[]string{route, route + "spec: {hostnames: [b], rules: [], parent: {port: 80}}\n"},
			[]string{`HTTPRoute/iris {"hostnames":["a"],"parent":{"name":"x","port":80},"rules":[]}`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := releasetest.New("models")
			g := &gate{Interface: cluster, attempts: tt.attempts}
			original, err := cluster.Build(strings.NewReader(tt.original), false)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := g.leftovers(original)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range objects {
				u := o.Object.(*unstructured.Unstructured)
				got = append(got, u.GetKind()+"/"+u.GetName()+" "+asJSON(t, u.Object["spec"]))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func asJSON(t *testing.T, of any) string {
	t.Helper()
	raw, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestLargest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		values map[string]any
		want   string
	}{
		"one_key_deep_down":  {map[string]any{"a": map[string]any{"b": noise(100), "c": 1}, "d": noise(20)}, "a.b"},
		"stops_where_shared": {map[string]any{"a": map[string]any{"b": noise(50), "c": noise(50)}, "d": 1}, "a"},
		"list":               {map[string]any{"a": []any{noise(50), noise(50)}}, "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := largest(tt.values); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
