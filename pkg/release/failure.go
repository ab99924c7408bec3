// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	helmaction "helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
)

// Outcome is what became of a revision that failed.
type Outcome string

const (
	// RolledBack means that the previous revision is in force again.
	RolledBack Outcome = "rolled back"
	// Uninstalled means that nothing is left: there was no previous revision.
	Uninstalled Outcome = "uninstalled"
	// Kept means that the failed revision is in the cluster, as asked.
	Kept Outcome = "kept"
	// Stuck means that undoing failed too; the next Apply or Delete clears it up.
	Stuck Outcome = "stuck"
	// Abandoned means that nothing was undone, because the Lease was lost and
	// somebody else may be at work.
	Abandoned Outcome = "abandoned"
)

// ApplyError is the failure of a revision and what was done about it. errors.Is
// and errors.As reach the cause.
type ApplyError struct {
	Endpoint string
	// Revision is the one that failed.
	Revision int
	Outcome  Outcome
	// Previous is the revision in force before; 0: none.
	Previous int
	// Cause is why it failed: what Ready returned, or Helm's error.
	Cause error
	// UndoErr is why undoing failed, for Stuck.
	UndoErr error
	// HelmLog holds Helm's last log lines, oldest first.
	HelmLog []string
}

// Error is the cause and what was done, in one line.
func (e *ApplyError) Error() string {
	switch e.Outcome {
	case RolledBack:
		return fmt.Sprintf("%v; rolled back to revision %d", e.Cause, e.Previous)
	case Uninstalled:
		return fmt.Sprintf("%v; uninstalled, as there was no earlier revision", e.Cause)
	case Kept:
		return fmt.Sprintf("%v; revision %d is kept for inspection", e.Cause, e.Revision)
	case Stuck:
		return fmt.Sprintf("%v; undoing revision %d failed too: %v: deploy again, or delete the endpoint",
			e.Cause, e.Revision, e.UndoErr)
	}
	return fmt.Sprintf("%v; revision %d is left as it is", e.Cause, e.Revision)
}

// Unwrap returns the cause and, if there is one, the error of undoing.
func (e *ApplyError) Unwrap() []error {
	if e.UndoErr == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.UndoErr}
}

// interruption is the end of a context, in a user's words.
type interruption struct{ cause error }

func (e *interruption) Error() string { return "interrupted" }
func (e *interruption) Unwrap() error { return e.cause }

func interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return &interruption{cause}
	}
	return cause
}

// fail undoes the revision that failed, if one was made, and says so.
func (s *session) fail(ctx context.Context, before situation, result Result, cause error,
	o ApplyOptions) (Result, error) {
	failure := &ApplyError{Endpoint: s.name, Cause: cause, HelmLog: s.lines.all()}
	if before.inForce != nil {
		failure.Previous = before.inForce.Version
	}
	if before.last != nil {
		failure.Revision = before.last.Version
	}
	// What the caller interrupted is undone all the same, in a time of its own.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	now, err := s.look(ctx)
	if err != nil {
		failure.Revision, failure.Outcome, failure.UndoErr = failure.Revision+1, Stuck, err
		return result, failure
	}
	if now.last == nil || before.last != nil && now.last.Version == before.last.Version {
		return result, cause // Helm made no revision: nothing has changed
	}
	failure.Revision, result.Release = now.last.Version, typed(now.last)
	failure.Outcome, failure.UndoErr = s.revert(ctx, before, now, o)
	if failure.UndoErr != nil {
		failure.HelmLog = s.lines.all()
	}
	result.RolledBack = failure.Outcome == RolledBack
	return result, failure
}

// revert brings back what was in force before the revision that failed.
func (s *session) revert(ctx context.Context, before, now situation, o ApplyOptions) (Outcome, error) {
	var outcome Outcome
	var err error
	switch {
	case s.fence() != nil:
		return Abandoned, nil
	case o.KeepFailed:
		return Kept, nil
	case before.inForce == nil:
		s.opts.Log(fmt.Sprintf("revision %d failed: uninstalling", now.last.Version))
		// In the background: the objects must be gone when the next deploy comes,
		// their pods need not be.
		outcome, err = Uninstalled, s.uninstall(ctx, now, undoTimeout, "background")
	default:
		s.opts.Log(fmt.Sprintf("revision %d failed: rolling back to revision %d",
			now.last.Version, before.inForce.Version))
		outcome, err = RolledBack, s.rollback(ctx, now, before.inForce, o.Keep)
	}
	if err != nil {
		return Stuck, err
	}
	return outcome, nil
}

// rollback makes an earlier revision the newest one. It does not wait for pods:
// those of that revision were never taken away, or come back by themselves.
func (s *session) rollback(ctx context.Context, now situation, to *helmrelease.Release, keep int) error {
	config, g, err := s.configure(ctx)
	if err != nil {
		return s.explain(err)
	}
	g.attempts, g.keep = manifests(now.since), keep
	g.step = func() bool { return isStep(to) }
	rollback := helmaction.NewRollback(config)
	rollback.Version = to.Version
	rollback.MaxHistory = maxHistory
	rollback.Timeout = undoTimeout
	rollback.CleanupOnFail = true
	return s.explain(rollback.Run(s.name))
}

// uninstall removes the objects of the last revision and of the attempts since
// the one in force, waits until they are gone, and removes the history.
func (s *session) uninstall(ctx context.Context, at situation, timeout time.Duration, propagation string) error {
	config, g, err := s.configure(ctx)
	if err != nil {
		return s.explain(err)
	}
	g.attempts = manifests(at.since)
	uninstall := helmaction.NewUninstall(config)
	uninstall.Wait, uninstall.Timeout = true, timeout
	uninstall.DeletionPropagation = propagation
	_, err = uninstall.Run(s.name)
	if err != nil && len(g.deleteErrs) > 0 {
		err = errors.Join(g.deleteErrs...)
	}
	return s.explain(err)
}
