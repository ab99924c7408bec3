// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
)

func (w *world) leases() coordinationclient.LeaseInterface {
	return w.cluster.Clientset.CoordinationV1().Leases("models")
}

func (w *world) leaseHolder() string {
	w.Helper()
	l, err := w.leases().Get(w.Context(), "iris-deploy", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return ptr.Deref(l.Spec.HolderIdentity, "")
}

func (w *world) stealLease(holder string) {
	w.Helper()
	l, err := w.leases().Get(w.Context(), "iris-deploy", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	l.Spec.HolderIdentity = &holder
	if _, err := w.leases().Update(w.Context(), l, metav1.UpdateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// stealBehindTheClient steals while the clientset is locked, and returns the
// conflict that whoever was slower gets.
func (w *world) stealBehindTheClient(holder string) error {
	leases := coordinationv1.SchemeGroupVersion.WithResource("leases")
	object, err := w.cluster.Clientset.Tracker().Get(leases, "models", "iris-deploy")
	if err != nil {
		return err
	}
	l := object.(*coordinationv1.Lease).DeepCopy()
	l.Spec.HolderIdentity, l.ResourceVersion = &holder, "1000"
	if err := w.cluster.Clientset.Tracker().Update(leases, l, "models"); err != nil {
		return err
	}
	return apierrors.NewConflict(leases.GroupResource(), "iris-deploy", nil)
}

func (w *world) lease(holder string) *lease {
	return newLease(w.leases(), w.clock, w.client.opts.Log, "iris", holder)
}

// onWait does something at the n-th wait between looks at the Lease.
func (w *world) onWait(n int, do func()) {
	w.clock.onWait = func(at int) {
		if at == n {
			do()
		}
	}
}

// renewLease is what a living holder does.
func (w *world) renewLease() {
	w.Helper()
	l, err := w.leases().Get(w.Context(), "iris-deploy", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	l.Spec.RenewTime = ptr.To(metav1.NewMicroTime(w.clock.Now()))
	if _, err := w.leases().Update(w.Context(), l, metav1.UpdateOptions{}); err != nil {
		w.Fatal(err)
	}
}

func TestLeaseIsTakenAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("ann@laptop")
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := w.leases().Get(t.Context(), "iris-deploy", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if holderOf(got) != "ann@laptop" || *got.Spec.LeaseDurationSeconds != 15 ||
		!got.Spec.AcquireTime.Time.Equal(noon) || got.Labels["app.kubernetes.io/instance"] != "iris" {
		t.Errorf("lease is %+v", got)
	}
	if l.tookOver {
		t.Error("took over from nobody")
	}
	l.release(t.Context())
	w.wantNoLease()
}

func TestLeaseOfALivingHolderIsRespected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putLease("bob@desk/1")
	w.onWait(5, w.renewLease)
	err := w.lease("ann@laptop").acquire(t.Context())
	wantError(t, err, `endpoint "iris" is being changed by bob@desk since 2026-05-04T12:00:00Z: `+
		"try again when that has finished")
	if waited := w.clock.Since(noon); waited >= leaseDuration {
		t.Errorf("waited %s although the holder is alive", waited)
	}
	if got := w.leaseHolder(); got != "bob@desk/1" {
		t.Errorf("lease is of %q", got)
	}
}

func TestLeaseOfADeadHolderIsTakenOverAfterItsDuration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		seconds int32
		want    time.Duration
	}{
		"ours":       {15, 15 * time.Second},
		"shorter":    {4, 4 * time.Second},
		"none_given": {0, 15 * time.Second},
		"absurd":     {86400, time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.putLease("bob@desk/1")
			seen, _ := w.leases().Get(t.Context(), "iris-deploy", metav1.GetOptions{})
			seen.Spec.LeaseDurationSeconds = &tt.seconds
			// The clock of the dead was wrong; only ours counts.
			seen.Spec.RenewTime = ptr.To(metav1.NewMicroTime(noon.Add(24 * time.Hour)))
			if _, err := w.leases().Update(t.Context(), seen, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			l := w.lease("ann@laptop")
			if err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if waited := w.clock.Since(noon); waited != tt.want {
				t.Errorf("waited %s, want %s", waited, tt.want)
			}
			got, _ := w.leases().Get(t.Context(), "iris-deploy", metav1.GetOptions{})
			if holderOf(got) != "ann@laptop" || *got.Spec.LeaseTransitions != 1 || !l.tookOver {
				t.Errorf("lease is %+v, took over: %t", got.Spec, l.tookOver)
			}
		})
	}
}

func TestLeaseGivenUpWhileWatchedIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putLease("bob@desk/1")
	w.onWait(3, func() { _ = w.leases().Delete(t.Context(), "iris-deploy", metav1.DeleteOptions{}) })
	l := w.lease("ann@laptop")
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.tookOver || holderOf(l.held) != "ann@laptop" {
		t.Errorf("lease is %+v", l.held.Spec)
	}
}

func TestLeaseTakenOverByAnotherFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putLease("bob@desk/1")
	raced := false
	w.cluster.Clientset.PrependReactor("update", "leases",
		func(_ k8stesting.Action) (bool, runtime.Object, error) {
			if raced {
				return false, nil, nil
			}
			raced = true
			return true, nil, w.stealBehindTheClient("eve@tower/3")
		})
	w.onWait(18, w.renewLease) // eve is alive
	err := w.lease("ann@laptop").acquire(t.Context())
	wantError(t, err, `endpoint "iris" is being changed by eve@tower since 2026-05-04T12:00:00Z: `+
		"try again when that has finished")
}

func TestLeaseWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putLease("bob@desk/1")
	ctx, cancel := context.WithCancel(t.Context())
	w.onWait(3, cancel)
	if err := w.lease("ann@laptop").acquire(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("ann@laptop")
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(renewEvery)
	if err := l.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, _ := w.leases().Get(t.Context(), "iris-deploy", metav1.GetOptions{})
	if !got.Spec.RenewTime.Time.Equal(noon.Add(renewEvery)) || !got.Spec.AcquireTime.Time.Equal(noon) {
		t.Errorf("lease is %+v", got.Spec)
	}
}

func TestLeaseSurvives(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*world){
		"an_edit_of_its_labels": func(w *world) {
			l, _ := w.leases().Get(w.Context(), "iris-deploy", metav1.GetOptions{})
			l.Labels["team"] = "ml"
			_, _ = w.leases().Update(w.Context(), l, metav1.UpdateOptions{})
		},
		"one_failed_renewal": func(w *world) { w.failUpdates(1) },
	}
	for name, disturb := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.lease("ann@laptop")
			if err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			disturb(w)
			for range 2 {
				w.clock.Step(renewEvery)
				if err := l.renew(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func (w *world) failUpdates(n int) {
	w.cluster.Clientset.PrependReactor("update", "leases",
		func(k8stesting.Action) (bool, runtime.Object, error) {
			n--
			return n >= 0, nil, errors.New("connection refused")
		})
}

func TestLeaseIsLost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		disturb func(*world)
		renewed int
	}{
		"when_another_took_it": {func(w *world) { w.stealLease("bob@desk/1") }, 1},
		"when_somebody_deleted_it": {func(w *world) {
			_ = w.leases().Delete(w.Context(), "iris-deploy", metav1.DeleteOptions{})
		}, 1},
		"when_renewing_fails_for_too_long": {func(w *world) { w.failUpdates(9) }, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.lease("ann@laptop")
			if err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			tt.disturb(w)
			var err error
			for range tt.renewed {
				if err != nil {
					t.Fatalf("lost too early: %v", err)
				}
				w.clock.Step(renewEvery)
				err = l.renew(t.Context())
			}
			if !errors.Is(err, errLeaseLost) || !errors.Is(l.check(), errLeaseLost) {
				t.Errorf("renewing said %v, checking %v", err, l.check())
			}
		})
	}
}

func TestLeaseIsLostToASleepingMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("ann@laptop")
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(leaseDuration - 1)
	if err := l.check(); err != nil {
		t.Error(err)
	}
	w.clock.Step(1)
	if err := l.check(); !errors.Is(err, errLeaseLost) {
		t.Errorf("error is %v", err)
	}
	l.release(t.Context()) // must leave it to whoever finds it
	if got := w.leaseHolder(); got != *l.object.Spec.HolderIdentity {
		t.Errorf("lease is of %q", got)
	}
}

func TestLeaseOfAnotherIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("ann@laptop")
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.stealLease("bob@desk/1")
	l.release(t.Context())
	if got := w.leaseHolder(); got != "bob@desk/1" {
		t.Errorf("lease is of %q", got)
	}
}

func TestHolderOf(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		identity *string
		want     string
	}{
		"ours":         {ptr.To("ann@laptop/0a1b"), "ann@laptop"},
		"without_uuid": {ptr.To("ann@laptop"), "ann@laptop"},
		"domain_user":  {ptr.To("CORP/ann@laptop/0a1b"), "CORP/ann@laptop"},
		"empty":        {ptr.To(""), "somebody"},
		"none":         {nil, "somebody"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := holderOf(&coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: tt.identity}})
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
