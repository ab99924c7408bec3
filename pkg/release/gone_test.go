// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// takenBack counts calls, and fails the test for one that is made while others
// may already be at work.
func (w *world) takenBack(calls *int) func(context.Context) error {
	return func(ctx context.Context) error {
		*calls++
		leases, err := w.cluster.Clientset.CoordinationV1().Leases("models").List(ctx, metav1.ListOptions{})
		if err != nil || len(leases.Items) != 1 {
			w.Errorf("called without the Lease: %v, %v", leases.Items, err)
		}
		return ctx.Err()
	}
}

func TestApplyTakesBackUnderTheLeaseOnlyWhatAFailedFirstRevisionNeeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before bool
		opts   ApplyOptions
		calls  int
	}{
		"a_first_revision_that_fails":      {false, ApplyOptions{Ready: notReady}, 1},
		"a_failed_one_kept_for_inspection": {false, ApplyOptions{Ready: notReady, KeepFailed: true}, 0},
		"a_later_one_that_fails":           {true, ApplyOptions{Ready: notReady}, 0},
		"one_that_succeeds":                {false, ApplyOptions{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, calls := newWorld(t), 0
			if c.before {
				w.mustApply(versions("blue=a:1"))
			}
			c.opts.Gone = w.takenBack(&calls)
			if _, err := w.apply(versions("blue=a:2"), c.opts); (err != nil) != (c.opts.Ready != nil) {
				t.Fatal(err)
			}
			if calls != c.calls {
				t.Errorf("called %d times, want %d", calls, c.calls)
			}
			w.wantNoLease()
		})
	}
}

func TestApplyInterruptedTakesBackToTheEnd(t *testing.T) {
	t.Parallel()
	w, calls := newWorld(t), 0
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	_, err := w.client.Apply(ctx, "iris", to(versions("blue=a:1")), ApplyOptions{
		Ready: func(context.Context) error { interrupt(); return context.Canceled }, Gone: w.takenBack(&calls)})
	if err == nil || calls != 1 {
		t.Errorf("called %d times, %v", calls, err)
	}
}

func TestDeleteTakesBackUnderTheLease(t *testing.T) {
	t.Parallel()
	w, calls := newWorld(t), 0
	w.mustApply(versions("blue=a:1"))
	if err := w.client.Delete(t.Context(), "iris", DeleteOptions{Gone: w.takenBack(&calls)}); err != nil || calls != 1 {
		t.Errorf("called %d times, %v", calls, err)
	}
	err := w.client.Delete(t.Context(), "iris", DeleteOptions{Gone: w.takenBack(&calls)})
	if !errors.Is(err, ErrNotFound) || calls != 2 {
		t.Errorf("of nothing: called %d times, %v", calls, err)
	}
	w.wantNoLease()
}
