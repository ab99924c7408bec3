// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

// Until every router knows that a version is gone, requests are sent to it.
func TestApplyDeletesAVersionOnceTheRevisionIsReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	both := w.cluster.Names()
	_, err := w.apply(versions("blue=a:1"), ApplyOptions{Ready: func(context.Context) error {
		w.wantObjects(both...)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if left := w.cluster.Names(); slices.ContainsFunc(left, func(s string) bool { return strings.HasSuffix(s, "green") }) {
		t.Errorf("objects %q are left", left)
	}
}

func TestApplyDeletesNothingWhenTheRevisionFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	both := w.cluster.Names()
	w.cluster.Refuse = func(verb, object string) error {
		if verb == "delete" {
			t.Errorf("%s was deleted", object)
		}
		return nil
	}
	_, err := w.apply(versions("blue=a:2"), ApplyOptions{Ready: notReady})
	wantError(t, err, "version blue: ImagePullBackOff; rolled back to revision 1")
	w.wantObjects(both...)
}

// What was deleted late by a revision that is kept is found by the next one.
func TestApplyDeletesWhatAFailedRevisionWouldHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	_, err := w.apply(versions("blue=a:2"), ApplyOptions{Ready: notReady, KeepFailed: true})
	wantError(t, err, "version blue: ImagePullBackOff; revision 2 is kept for inspection")
	w.mustApply(versions("blue=a:3"))
	if left := w.cluster.Names(); slices.ContainsFunc(left, func(s string) bool { return strings.HasSuffix(s, "green") }) {
		t.Errorf("objects %q are left", left)
	}
}

func TestAutoscalersGoAtOnce(t *testing.T) {
	t.Parallel()
	cluster := releasetest.New("models")
	const (
		deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: iris-blue}\n"
		scaler     = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: iris-blue}\n"
	)
	objects, err := cluster.Build(strings.NewReader(deployment+"---\n"+scaler), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Create(objects); err != nil {
		t.Fatal(err)
	}
	g := &gate{Interface: cluster, ctx: t.Context(), fence: func() error { return nil }, deleteLast: true}
	if _, err := g.Update(objects, helmkube.ResourceList{}, false); err != nil {
		t.Fatal(err)
	}
	if got := cluster.Names(); !slices.Equal(got, []string{"Deployment/iris-blue"}) {
		t.Errorf("before the wait there are %q", got)
	}
	if err := g.Wait(nil, 0); err != nil {
		t.Fatal(err)
	}
	if got := cluster.Names(); len(got) > 0 {
		t.Errorf("after the wait there are %q", got)
	}
}

// Helm only logs what it could not delete, and looks for it never again.
func TestWhatCannotBeDeletedIsTriedAgainAndTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failures int
		told     string
	}{
		"for a moment": {3, ""},
		"for good": {99, "warning: the revision has no deployment/iris-green any more, but deleting failed: etcd is full: " +
			"delete with: kubectl delete -n models deployment/iris-green"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1", "green=b:1"))
			w.cluster.Refuse = func(verb, _ string) error {
				if verb != "delete" || c.failures == 0 {
					return nil
				}
				c.failures--
				return errors.New("etcd is full")
			}
			w.mustApply(versions("blue=a:1"))
			w.wantHistory("1 superseded", "2 deployed")
			if got := strings.Join(w.log, "|"); got != c.told {
				t.Errorf("told %q, want %q", got, c.told)
			}
			left := slices.Contains(w.cluster.Names(), "Deployment/iris-green")
			if left != (c.told != "") {
				t.Errorf("objects are %q", w.cluster.Names())
			}
		})
	}
}

func TestWhatHelmIsToldToKeepIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	green := w.cluster.Object("Deployment/iris-green")
	green.SetAnnotations(map[string]string{helmkube.ResourcePolicyAnno: helmkube.KeepPolicy})
	w.cluster.Put(green)
	w.mustApply(versions("blue=a:1"))
	if !slices.Contains(w.cluster.Names(), "Deployment/iris-green") || len(w.log) > 0 {
		t.Errorf("objects are %q, log is %q", w.cluster.Names(), w.log)
	}
}

// Killed between the update and the deletion of what the revision no longer has.
func TestWhatAKillLeftToDeleteIsDeletedNext(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*world) error{
		"by a deploy": func(w *world) error { _, err := w.apply(versions("blue=a:3"), ApplyOptions{}); return err },
		"by a deploy of the same": func(w *world) error {
			_, err := w.apply(versions("blue=a:2"), ApplyOptions{})
			return err
		},
		"by an undo":  func(w *world) error { _, err := w.undo(1, ApplyOptions{}); return err },
		"by a delete": func(w *world) error { return w.client.Delete(w.Context(), "iris", DeleteOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1"))
			w.mustApply(versions("blue=a:1", "green=b:1"))
			_, err := w.apply(versions("blue=a:2"), ApplyOptions{Ready: notReady, KeepFailed: true})
			wantError(t, err, "version blue: ImagePullBackOff; revision 3 is kept for inspection")
			w.kill(helmrelease.StatusPendingUpgrade)
			if !slices.Contains(w.cluster.Names(), "Deployment/iris-green") {
				t.Fatalf("objects are %q", w.cluster.Names())
			}
			if err := next(w); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(w.cluster.Names(), "Deployment/iris-green") {
				t.Errorf("objects are %q", w.cluster.Names())
			}
		})
	}
}
