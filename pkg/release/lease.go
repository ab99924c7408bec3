// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

const (
	leaseDuration = 15 * time.Second
	renewEvery    = 5 * time.Second
	// renewDeadline is how long renewing may fail before we stop. Others take
	// over after leaseDuration, so it must be shorter.
	renewDeadline = 10 * time.Second
	// leaseLook is how often a Lease held by somebody else is looked at.
	leaseLook = time.Second
	// maxObserved bounds for how long a foreign Lease is watched, whatever it says.
	maxObserved = time.Minute
	// leaseTries bounds how often we try again after somebody was faster.
	leaseTries = 5
	// leaseCall bounds one API call about the Lease.
	leaseCall = 5 * time.Second
)

// lease is the right to change one endpoint. A Lease object is used because its
// meaning (who, since when, still alive) is known to people and tools, and the
// ClusterRole edit includes it.
type lease struct {
	api    coordinationclient.LeaseInterface
	clock  clock.WithTicker
	log    func(string)
	object coordinationv1.Lease // as we want it, without times

	mu      sync.Mutex
	held    *coordinationv1.Lease
	renewed time.Time
	lost    error
	// tookOver tells that the previous holder died: a pending release is theirs.
	tookOver bool
}

// leaseName is the name of the Lease of an endpoint.
func leaseName(endpoint string) string { return endpoint + "-deploy" }

func newLease(api coordinationclient.LeaseInterface, c clock.WithTicker, log func(string),
	endpoint, holder string) *lease {
	return &lease{api: api, clock: c, log: log, object: coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: leaseName(endpoint),
			Labels: map[string]string{
				"app.kubernetes.io/name":       chartName,
				"app.kubernetes.io/instance":   endpoint,
				"app.kubernetes.io/managed-by": "kubectl-aml",
			},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To(holder + "/" + string(uuid.NewUUID())),
			LeaseDurationSeconds: ptr.To(int32(leaseDuration / time.Second)),
		},
	}}
}

// acquire takes the Lease, or returns a *HeldError if its holder is alive. A
// Lease whose holder shows no life for the Lease's duration is taken over.
func (l *lease) acquire(ctx context.Context) error {
	var seen *coordinationv1.Lease
	for range leaseTries {
		created, err := l.api.Create(ctx, l.stamped(nil), metav1.CreateOptions{FieldManager: "kubectl-aml"})
		if err == nil {
			l.hold(created)
			return nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		if seen, err = l.api.Get(ctx, l.object.Name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return err
		}
		gone, err := l.observe(ctx, seen)
		if err != nil {
			return err
		}
		if gone {
			continue
		}
		taken, err := l.api.Update(ctx, l.stamped(seen), metav1.UpdateOptions{FieldManager: "kubectl-aml"})
		if err == nil {
			l.log("took over from " + holderOf(seen) + ", who stopped without an end")
			l.hold(taken)
			l.tookOver = true
			return nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return l.heldError(seen)
}

// observe watches a foreign Lease for its duration, on our clock, because the
// times in it are of another machine's. It returns nil when the holder shows no
// life, gone when there is no Lease any more, and *HeldError on a sign of life.
func (l *lease) observe(ctx context.Context, seen *coordinationv1.Lease) (gone bool, err error) {
	if ptr.Deref(seen.Spec.HolderIdentity, "") == "" {
		return false, nil
	}
	duration := leaseDuration
	if s := ptr.Deref(seen.Spec.LeaseDurationSeconds, 0); s > 0 {
		duration = min(time.Duration(s)*time.Second, maxObserved)
	}
	l.log(fmt.Sprintf("%s holds the endpoint's lease: watching up to %s for a sign of life",
		holderOf(seen), duration))
	for deadline := l.clock.Now().Add(duration); l.clock.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-l.clock.After(leaseLook):
		}
		now, err := l.api.Get(ctx, seen.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return true, nil
		case err != nil:
			return false, err
		case !now.Spec.RenewTime.Equal(seen.Spec.RenewTime),
			ptr.Deref(now.Spec.HolderIdentity, "") != *seen.Spec.HolderIdentity:
			return false, l.heldError(now)
		}
	}
	return false, nil
}

// keep renews the Lease until the returned function is called. The returned
// context ends with errLeaseLost as its cause when the Lease cannot be kept.
// Renewing does not end with ctx: clearing up after an interruption needs the
// Lease too.
func (l *lease) keep(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop, done := make(chan struct{}), make(chan struct{})
	ticker := l.clock.NewTicker(renewEvery)
	go func() {
		defer close(done)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C():
				if err := l.renew(context.WithoutCancel(ctx)); err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	return ctx, func() {
		close(stop)
		<-done
		cancel(nil)
	}
}

// renew says that we are alive. An error means that the Lease is lost.
func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseCall)
	defer cancel()
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()

	renewed, err := l.api.Update(ctx, l.extended(held), metav1.UpdateOptions{FieldManager: "kubectl-aml"})
	if apierrors.IsConflict(err) {
		// Somebody edited the object, perhaps only its labels.
		if held, err = l.api.Get(ctx, held.Name, metav1.GetOptions{}); err == nil && l.ours(held) {
			renewed, err = l.api.Update(ctx, l.extended(held), metav1.UpdateOptions{FieldManager: "kubectl-aml"})
		}
	}
	switch {
	case err == nil && l.ours(renewed):
		l.hold(renewed)
		return nil
	case err == nil, apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return l.lose()
	case l.sinceRenewed() >= renewDeadline:
		return l.lose()
	}
	return nil
}

// check returns errLeaseLost if others may think that the endpoint is theirs.
// It goes by the wall clock: the monotonic one stands still while a laptop sleeps.
func (l *lease) check() error {
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	if lost == nil && l.sinceRenewed() >= leaseDuration {
		lost = l.lose()
	}
	return lost
}

// release deletes the Lease, if it is still ours. Nothing is left of it.
func (l *lease) release(ctx context.Context) {
	if l.check() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaseCall)
	defer cancel()
	err := l.api.Delete(ctx, l.held.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &l.held.UID, ResourceVersion: &l.held.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		l.log(fmt.Sprintf("lease %s was not deleted (%v); it runs out in %s", l.held.Name, err, leaseDuration))
	}
}

func (l *lease) hold(held *coordinationv1.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.renewed = held, l.clock.Now().Round(0)
}

func (l *lease) lose() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = errLeaseLost
	return l.lost
}

func (l *lease) sinceRenewed() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.Now().Round(0).Sub(l.renewed)
}

func (l *lease) ours(other *coordinationv1.Lease) bool {
	return other != nil && ptr.Deref(other.Spec.HolderIdentity, "") == *l.object.Spec.HolderIdentity
}

// stamped is the Lease as taken now, over an existing one if given.
func (l *lease) stamped(over *coordinationv1.Lease) *coordinationv1.Lease {
	object := l.object.DeepCopy()
	now := metav1.NewMicroTime(l.clock.Now())
	object.Spec.AcquireTime, object.Spec.RenewTime = &now, &now
	if over != nil {
		object.ResourceVersion, object.UID = over.ResourceVersion, over.UID
		object.Spec.LeaseTransitions = ptr.To(ptr.Deref(over.Spec.LeaseTransitions, 0) + 1)
	}
	return object
}

func (l *lease) extended(held *coordinationv1.Lease) *coordinationv1.Lease {
	object := held.DeepCopy()
	object.Spec.RenewTime = ptr.To(metav1.NewMicroTime(l.clock.Now()))
	return object
}

func (l *lease) heldError(by *coordinationv1.Lease) error {
	if by == nil {
		return errors.New("others keep taking the endpoint's lease; try again")
	}
	held := &HeldError{Endpoint: l.object.Labels["app.kubernetes.io/instance"], Holder: holderOf(by)}
	if by.Spec.AcquireTime != nil {
		held.Since = by.Spec.AcquireTime.Time
	}
	return held
}
