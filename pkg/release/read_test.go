// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// store writes a record as another Helm user would.
func (w *world) store(namespace, name, chart string, revision int, status helmrelease.Status) {
	w.Helper()
	records := storage.Init(driver.NewSecrets(w.cluster.Clientset.CoreV1().Secrets(namespace)))
	err := records.Create(&helmrelease.Release{Name: name, Namespace: namespace, Version: revision,
		Info:  &helmrelease.Info{Status: status},
		Chart: &helmchart.Chart{Metadata: &helmchart.Metadata{Name: chart, Version: "1.0.0"}}})
	if err != nil {
		w.Fatal(err)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		arrange  func(*world)
		revision int
		want     string
		is       error
	}{
		"what_is_in_force": {func(w *world) {
			w.store("models", "iris", "inference", 1, "superseded")
			w.store("models", "iris", "inference", 2, "deployed")
		}, 2, "", nil},
		"what_is_in_force_below_a_failure": {func(w *world) {
			w.store("models", "iris", "inference", 1, "deployed")
			w.store("models", "iris", "inference", 2, "failed")
		}, 1, "", nil},
		"what_was_in_force_last_when_none_is_marked": {func(w *world) {
			w.store("models", "iris", "inference", 1, "superseded")
			w.store("models", "iris", "inference", 2, "superseded")
			w.store("models", "iris", "inference", 3, "pending-upgrade")
		}, 2, "", nil},
		"nothing": {func(*world) {}, 0, `endpoint "iris" not found in namespace "models"`, ErrNotFound},
		"only_a_failure": {func(w *world) { w.store("models", "iris", "inference", 1, "failed") }, 0,
			`endpoint "iris" has never been in force in namespace "models" (revision 1 is failed): ` +
				"deploy it again, or delete it", ErrNotFound},
		"another_chart": {func(w *world) { w.store("models", "iris", "nginx", 1, "deployed") }, 0,
			`"iris" in namespace "models" is a Helm release of chart "nginx", not an endpoint: choose another name`,
			ErrForeign},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.arrange(w)
			got, err := w.client.Get(t.Context(), "iris")
			if tt.want != "" {
				wantError(t, err, tt.want)
				if !errors.Is(err, tt.is) {
					t.Errorf("error is not %v", tt.is)
				}
				return
			}
			if err != nil || got.Revision != tt.revision {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestNewest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		statuses []helmrelease.Status
		revision int
	}{
		"in_force":              {[]helmrelease.Status{"superseded", "deployed"}, 2},
		"failed":                {[]helmrelease.Status{"deployed", "failed"}, 2},
		"in_the_making":         {[]helmrelease.Status{"superseded", "deployed", "pending-upgrade"}, 3},
		"the_first_one":         {[]helmrelease.Status{"pending-install"}, 1},
		"replaced_by_no_record": {[]helmrelease.Status{"superseded", "superseded"}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for i, status := range tt.statuses {
				w.store("models", "iris", "inference", i+1, status)
			}
			if got, err := w.client.Newest(t.Context(), "iris"); err != nil || got.Revision != tt.revision {
				t.Errorf("got %+v, %v, want revision %d", got, err, tt.revision)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		_, err := newWorld(t).client.Newest(t.Context(), "iris")
		wantError(t, err, `endpoint "iris" not found in namespace "models"`)
	})
	t.Run("another_chart", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.store("models", "iris", "nginx", 1, "deployed")
		_, err := w.client.Newest(t.Context(), "iris")
		wantError(t, err, `"iris" in namespace "models" is a Helm release of chart "nginx", not an endpoint: `+
			"choose another name")
	})
}

// What was replaced is most of what is kept, and each command reads what is in force.
func TestWhatIsReplacedIsNotReadForWhatIsInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store("models", "iris", "inference", 1, "superseded")
	w.store("models", "iris", "inference", 2, "deployed")
	w.cluster.Clientset.ClearActions()
	for _, read := range []func(context.Context, string) (Release, error){w.client.Get, w.client.Newest} {
		if _, err := read(t.Context(), "iris"); err != nil {
			t.Fatal(err)
		}
	}
	actions := w.cluster.Clientset.Actions()
	if got := len(actions); got != 2 {
		t.Errorf("asks %d times, want 2", got)
	}
	for _, action := range actions {
		selector := action.(clienttesting.ListAction).GetListRestrictions().Labels.String()
		if want := "name=iris,owner=helm,status!=superseded"; selector != want {
			t.Errorf("reads %s, want %s", selector, want)
		}
	}
}

func TestAnotherChartIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store("models", "iris", "nginx", 1, "deployed")
	const want = `"iris" in namespace "models" is a Helm release of chart "nginx", not an endpoint: choose another name`
	_, err := w.apply(versions("blue=a:1"), ApplyOptions{})
	wantError(t, err, want)
	wantError(t, w.delete(), want)
	_, err = w.client.History(t.Context(), "iris")
	wantError(t, err, want)
	_, err = w.apply(versions("blue=a:1"), ApplyOptions{DryRun: DryRunClient})
	wantError(t, err, want)
	w.wantNoLease()
}

func TestHistoryIsOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 11 {
		w.store("models", "iris", "inference", i+1, "superseded")
	}
	all, err := w.client.History(t.Context(), "iris")
	if err != nil || all[0].Revision != 1 || all[10].Revision != 11 {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestEachRevisionKnowsWhenTheFirstWasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.mustApply(versions("blue=a:1")).Release
	second := w.mustApply(versions("blue=b:1")).Release
	if first.Created.IsZero() || !second.Created.Equal(first.Created) || !second.Updated.After(first.Updated) {
		t.Errorf("made %s and %s, changed %s and %s", first.Created, second.Created, first.Updated, second.Updated)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store("models", "iris", "inference", 1, "deployed")
	w.store("models", "iris", "inference", 2, "failed")
	w.store("models", "boston", "inference", 1, "superseded")
	w.store("models", "boston", "inference", 2, "deployed")
	w.store("models", "broken", "inference", 1, "failed")
	w.store("models", "gone", "inference", 1, "uninstalled")
	w.store("models", "web", "nginx", 1, "deployed")
	w.store("attic", "iris", "inference", 1, "deployed")
	tests := map[string]struct {
		all  bool
		want []string
	}{
		"of_the_namespace":  {false, []string{"models/boston:2", "models/broken:1", "models/iris:1"}},
		"of_all_namespaces": {true, []string{"attic/iris:1", "models/boston:2", "models/broken:1", "models/iris:1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := w.client.List(t.Context(), tt.all)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range list {
				got = append(got, r.Namespace+"/"+r.Name+":"+string(rune('0'+r.Revision)))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store("models", "iris", "inference", 1, "superseded")
	w.store("models", "iris", "inference", 2, "deployed")
	w.store("models", "gone", "inference", 1, "uninstalled")
	w.store("models", "web", "nginx", 1, "deployed")
	w.store("attic", "iris", "inference", 1, "failed")
	revisions, err := w.client.Revisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range revisions {
		got = append(got, fmt.Sprintf("%s/%s:%d", r.Namespace, r.Name, r.Revision))
	}
	slices.Sort(got)
	if want := []string{"attic/iris:1", "models/gone:1", "models/iris:1", "models/iris:2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whoever deletes what no revision has must not take one for none.
func TestRevisionsLeaveNoneOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store("models", "iris", "inference", 1, "superseded")
	w.store("attic", "boston", "inference", 2, "deployed")
	secrets := w.cluster.Clientset.CoreV1().Secrets("attic")
	broken, err := secrets.Get(t.Context(), "sh.helm.release.v1.boston.v2", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	broken.Data["release"] = []byte("!!")
	if _, err := secrets.Update(t.Context(), broken, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	const want = "secret attic/sh.helm.release.v1.boston.v2 cannot be read as a revision of Helm's: illegal base64 data at " +
		"input byte 0: delete it if nothing needs it"
	if got, err := w.client.Revisions(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
}

func TestWhoMayNotSeeAllRevisionsIsToldWhatToAskFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Clientset.PrependReactor("list", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), "", errors.New(
			`User "ann" cannot list resource "secrets" in API group "" at the cluster scope`))
	})
	const want = `missing permission for all namespaces: secrets is forbidden: User "ann" cannot list resource "secrets" in ` +
		`API group "" at the cluster scope: have somebody do it who may list secrets in all of them`
	if _, err := w.client.Revisions(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	for _, how := range []DryRun{DryRunClient, DryRunServer} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first, err := w.apply(versions("blue=a:1"), ApplyOptions{DryRun: how, Description: "try"})
			if err != nil {
				t.Fatal(err)
			}
			if first.Action != Installed || first.Release.Revision != 1 || first.Release.Status != "dry-run" ||
				!strings.Contains(first.Release.Manifest, "name: iris-blue") {
				t.Errorf("result is %+v", first)
			}
			w.wantNothing()

			w.mustApply(versions("blue=a:1"))
			again, err := w.apply(versions("blue=a:1"), ApplyOptions{DryRun: how})
			if err != nil || again.Action != Unchanged {
				t.Errorf("result is %+v, %v", again, err)
			}
			next, err := w.apply(versions("green=a:1"), ApplyOptions{DryRun: how})
			if err != nil || next.Action != Upgraded || next.Release.Revision != 2 || next.Previous.Revision != 1 ||
				!reflect.DeepEqual(next.Release.Values, versions("green=a:1")) {
				t.Errorf("result is %+v, %v", next, err)
			}
			w.wantObjects(withBlue...)
			w.wantHistory("1 deployed")
			w.wantNoLease()
		})
	}
}

func TestDryRunWorksWhileAnOperationIsPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.failKept(versions("green=a:1"))
	w.kill(helmrelease.StatusPendingUpgrade)
	got, err := w.apply(versions("red=a:1"), ApplyOptions{DryRun: DryRunServer})
	if err != nil || got.Action != Upgraded || got.Release.Revision != 3 {
		t.Errorf("result is %+v, %v", got, err)
	}
	w.wantHistory("1 deployed", "2 pending-upgrade")
}

func TestDryRunRefusesWhatApplyWould(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.apply(map[string]any{"refuse": "traffic sums to 120"}, ApplyOptions{DryRun: DryRunClient})
	wantError(t, err, "traffic sums to 120")
}

func TestReleaseSharesNothingWithHelm(t *testing.T) {
	t.Parallel()
	r := &helmrelease.Release{Info: &helmrelease.Info{}, Config: map[string]any{"a": map[string]any{"b": 1}}}
	typed(r).Values["a"].(map[string]any)["b"] = 2
	if r.Config["a"].(map[string]any)["b"] != 1 {
		t.Error("changed through the copy")
	}
	if got := typed(&helmrelease.Release{Info: &helmrelease.Info{}}).Values; got == nil || len(got) != 0 {
		t.Errorf("values of a release without are %v", got)
	}
}
