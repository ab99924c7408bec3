// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"testing"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (w *world) delete() error {
	return w.client.Delete(w.Context(), "iris", DeleteOptions{})
}

// wantNothing fails if anything at all is left.
func (w *world) wantNothing() {
	w.Helper()
	w.wantObjects()
	w.wantHistory()
	w.wantNoLease()
	secrets, err := w.cluster.Clientset.CoreV1().Secrets("models").List(w.Context(), metav1.ListOptions{})
	if err != nil || len(secrets.Items) > 0 {
		w.Errorf("%d secrets are left, %v", len(secrets.Items), err)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*world){
		"of_an_endpoint": func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.mustApply(versions("blue=a:1", "green=b:1"))
		},
		"of_a_first_revision_that_failed": func(w *world) { w.failKept(versions("blue=a:1")) },
		"of_failures_that_were_kept": func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.failKept(versions("green=a:1"))
			w.failKept(versions("red=a:1"))
		},
		"of_a_killed_upgrade": func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.failKept(versions("green=a:1"))
			w.kill(helmrelease.StatusPendingUpgrade)
		},
		"of_a_killed_delete": func(w *world) {
			w.mustApply(versions("blue=a:1"))
			w.cluster.Remove("Deployment/iris-blue")
			w.kill(helmrelease.StatusUninstalling)
		},
		"of_a_history_kept_by_helm_uninstall": func(w *world) {
			w.mustApply(versions("blue=a:1"))
			for _, name := range withBlue {
				w.cluster.Remove(name)
			}
			w.edit(func(r *helmrelease.Release) { r.Info.Status = helmrelease.StatusUninstalled })
		},
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			arrange(w)
			if err := w.delete(); err != nil {
				t.Fatal(err)
			}
			w.wantNothing()
		})
	}
}

func TestDeleteOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.delete()
	wantError(t, err, `endpoint "iris" not found in namespace "models"`)
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %#v", err)
	}
	w.wantNothing()
}

func TestDeleteRespectsAHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.putLease("bob@desk/1")
	w.onWait(2, w.renewLease)
	wantError(t, w.delete(), `endpoint "iris" is being changed by bob@desk since 2026-05-04T12:00:00Z: `+
		"try again when that has finished")
	w.wantObjects(withBlue...)
}

func TestDeleteTellsWhatTheClusterRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.cluster.Refuse = func(verb, object string) error {
		if verb == "delete" && object == "HTTPRoute/iris" {
			return errors.New("denied by policy: routes are protected")
		}
		return nil
	}
	wantError(t, w.delete(), "denied by policy: routes are protected")
	w.wantObjects("HTTPRoute/iris")
	w.cluster.Refuse = nil
	if err := w.delete(); err != nil {
		t.Fatal(err)
	}
	w.wantNothing()
}

func TestDeleteSaysWhatDoesNotGoAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.cluster.Linger = map[string]bool{"Deployment/iris-blue": true}
	start := w.clock.Now()
	err := w.client.Delete(t.Context(), "iris", DeleteOptions{Timeout: 3 * time.Second})
	wantError(t, err, "still being deleted after 3s: deployments/iris-blue")
	if took := w.clock.Since(start); took != 3*time.Second {
		t.Errorf("took %s", took)
	}
	w.wantNoLease()
}

func TestDeleteInterruptedCanBeRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.cluster.Linger = map[string]bool{"Deployment/iris-blue": true}
	ctx, interrupt := context.WithCancel(t.Context())
	w.onWait(2, interrupt)
	wantError(t, w.client.Delete(ctx, "iris", DeleteOptions{}), "interrupted")
	w.wantNoLease()
}

func TestApplyWaitsForWhatIsStillBeingDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustApply(versions("blue=a:1"))
	w.cluster.Linger = map[string]bool{"Deployment/iris-blue": true}
	if err := w.client.Delete(t.Context(), "iris", DeleteOptions{Timeout: time.Second}); err == nil {
		t.Fatal("no error")
	}
	w.wantObjects("Deployment/iris-blue")
	waited := w.clock.waits
	w.onWait(waited+3, func() { w.cluster.Remove("Deployment/iris-blue") })
	w.mustApply(versions("blue=a:2"))
	w.wantObjects(withBlue...)
	if w.cluster.Object("Deployment/iris-blue").GetDeletionTimestamp() != nil {
		t.Error("the new deployment is being deleted")
	}
}
