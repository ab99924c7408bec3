// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"slices"
	"strings"
	"testing"

	helmkube "helm.sh/helm/v3/pkg/kube"

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
