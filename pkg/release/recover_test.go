// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// failKept makes a revision and leaves it in the cluster as failed.
func (w *world) failKept(values map[string]any) {
	w.Helper()
	if _, err := w.apply(values, ApplyOptions{Ready: notReady, KeepFailed: true}); err == nil {
		w.Fatal("no error")
	}
}

func TestApplyRecoversAKilledUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.failKept(versions("blue=a:1@gpu", "green=b:1"))
	w.kill(helmrelease.StatusPendingUpgrade)

	result := w.mustApply(versions("blue=a:2"))
	if !result.Recovered || result.Action != Upgraded || result.Previous.Revision != 1 || result.Release.Revision != 3 {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects(withBlue...)
	w.wantHistory("1 superseded", "2 failed", "3 deployed")
	all, err := w.client.History(t.Context(), "iris")
	if err != nil || all[1].Description != "interrupted while pending-upgrade; marked as failed by ann@laptop" {
		t.Errorf("history is %+v, %v", all, err)
	}
	want := "bob@desk holds the endpoint's lease: watching up to 15s for a sign of life|" +
		"took over from bob@desk, who stopped without an end|" +
		"revision 2 was interrupted while pending-upgrade: marking it as failed"
	if got := strings.Join(w.log, "|"); got != want {
		t.Errorf("log is\n  %s\nwant\n  %s", got, want)
	}
	w.wantNoLease()
}

// The version that the killed operation brought is wanted again, in another
// shape: Helm takes what is live for wanted, fields of the dead included.
func TestApplyForgetsTheFieldsOfAVersionThatAKilledUpgradeBrought(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.failKept(versions("blue=a:1", "green=b:1@gpu"))
	w.kill(helmrelease.StatusPendingUpgrade)
	w.mustApply(versions("blue=a:1", "green=b:1"))
	selector, _, err := unstructured.NestedMap(w.cluster.Object("Deployment/iris-green").Object,
		"spec", "template", "spec", "nodeSelector")
	if err != nil || len(selector) > 0 {
		t.Errorf("green still asks for %v: %v", selector, err)
	}
}

func TestApplyRecoversAKilledInstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failKept(versions("blue=a:1"))
	w.kill(helmrelease.StatusPendingInstall)
	result := w.mustApply(versions("green=b:1"))
	if !result.Recovered || result.Action != Installed || result.Previous != nil || result.Release.Revision != 2 {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects("ConfigMap/iris-router", "Deployment/iris-green", "HTTPRoute/iris")
	w.wantNoLease()
}

func TestApplyUninstallsWhenTheRetryOfAKilledInstallFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failKept(versions("blue=a:1"))
	w.kill(helmrelease.StatusPendingInstall)
	_, err := w.apply(versions("green=b:1"), ApplyOptions{Ready: notReady})
	wantError(t, err, "version blue: ImagePullBackOff; uninstalled, as there was no earlier revision")
	w.wantObjects()
	w.wantHistory()
}

func TestApplyRecoversAKilledRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.failKept(versions("green=b:1"))
	w.failKept(versions("blue=a:1"))
	w.kill(helmrelease.StatusPendingRollback)
	if result := w.mustApply(versions("blue=a:1")); !result.Recovered || result.Release.Revision != 4 {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects(withBlue...)
}

func TestApplyRecordsAnUpgradeThatWasDoneWhenKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.mustApply(versions("blue=a:2"))
	w.kill(helmrelease.StatusPendingUpgrade)
	result := w.mustApply(versions("blue=a:2"))
	if !result.Recovered || result.Action != Unchanged || result.Release.Revision != 2 {
		t.Errorf("result is %+v", result)
	}
	w.wantHistory("1 superseded", "2 deployed")
}

func TestApplyFinishesAKilledDeleteAndInstalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.kill(helmrelease.StatusUninstalling)
	result := w.mustApply(versions("green=a:1"))
	if !result.Recovered || result.Action != Installed || result.Release.Revision != 1 {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects("ConfigMap/iris-router", "Deployment/iris-green", "HTTPRoute/iris")
	w.wantHistory("1 deployed")
}

func TestApplyInstallsAfterAnUninstallThatKeptTheHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.edit(func(r *helmrelease.Release) { r.Info.Status = helmrelease.StatusUninstalled })
	for _, name := range withBlue {
		w.cluster.Remove(name)
	}
	_, err := w.client.Get(t.Context(), "iris")
	wantError(t, err, `endpoint "iris" not found in namespace "models"`)
	if result := w.mustApply(versions("blue=a:1")); result.Action != Installed || result.Release.Revision != 2 {
		t.Errorf("result is %+v", result)
	}
	w.wantObjects(withBlue...)
}

func TestApplyLeavesARunningHelmCommandAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.failKept(versions("blue=a:2"))
	w.edit(func(r *helmrelease.Release) {
		r.Info.Status = helmrelease.StatusPendingUpgrade
		r.Info.LastDeployed = helmtime.Time{Time: noon}
	})
	w.clock.Step(time.Minute)
	_, err := w.apply(versions("blue=a:3"), ApplyOptions{})
	const busy = `endpoint "iris" is being changed by a helm command since 2026-05-04T12:00:00Z: ` +
		"try again when that has finished, or after 2026-05-04T12:05:00Z"
	wantError(t, err, busy)
	wantError(t, w.client.Delete(t.Context(), "iris", DeleteOptions{}), busy)
	w.wantHistory("1 deployed", "2 pending-upgrade")
	w.wantNoLease()

	w.clock.Step(4 * time.Minute)
	if result := w.mustApply(versions("blue=a:3")); !result.Recovered {
		t.Errorf("result is %+v", result)
	}
}

func TestApplyTwiceAtOnceLetsOneWin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	inside, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan error)
	bob := w.user("bob@desk", newChart("1.2.0"))
	go func() {
		_, err := bob.Apply(t.Context(), "iris", to(versions("blue=a:2")), ApplyOptions{
			Ready: func(context.Context) error {
				close(inside)
				<-goOn
				return nil
			}})
		first <- err
	}()
	<-inside
	// The clock jumps while ann watches bob's Lease; give bob the time to renew it.
	w.onWait(5, func() { w.untilRenewed(noon.Add(renewEvery)) })
	_, err := w.apply(versions("blue=a:3"), ApplyOptions{})
	wantError(t, err, `endpoint "iris" is being changed by bob@desk since 2026-05-04T12:00:00Z: `+
		"try again when that has finished")
	var held *HeldError
	if !errors.As(err, &held) || held.Holder != "bob@desk" || !held.Since.Equal(noon) || held.Endpoint != "iris" {
		t.Errorf("error is %#v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	w.wantHistory("1 superseded", "2 deployed")
	w.wantNoLease()
}

func (w *world) untilRenewed(at time.Time) {
	w.Helper()
	for w.Context().Err() == nil {
		l, err := w.leases().Get(w.Context(), "iris-deploy", metav1.GetOptions{})
		if err != nil {
			w.Error(err)
			return
		}
		if l.Spec.RenewTime.Time.Equal(at) {
			return
		}
		runtime.Gosched()
	}
}

func TestApplyTouchesNothingAfterItLostTheLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	_, err := w.apply(versions("green=a:1"), ApplyOptions{Ready: func(ctx context.Context) error {
		w.stealLease("bob@desk/2")
		w.clock.Step(renewEvery)
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	wantError(t, err, "the endpoint's lease is lost, another deploy may have taken over: "+
		"see its history, then deploy again; revision 2 is left as it is")
	w.wantHistory("1 deployed", "2 pending-upgrade")
	if got := w.leaseHolder(); got != "bob@desk/2" {
		t.Errorf("lease is of %q", got)
	}
}
