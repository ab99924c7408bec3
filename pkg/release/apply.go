// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	helmaction "helm.sh/helm/v3/pkg/action"
	helmchart "helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
)

// patience is how long a pending revision that is not ours may be: Helm's
// default time limit. Then its helm command is taken for dead.
const patience = 5 * time.Minute

// Apply brings an endpoint to the values that change returns, under the
// endpoint's Lease. An interrupted earlier operation is cleared up first. If
// somebody else holds the Lease and finishes within seconds, Apply goes on from
// what they made; if they go on renewing it, it ends with a *HeldError.
//
// When it fails after a revision was made, what was in force before is in force
// again (or nothing is left, if it was the first), unless KeepFailed is set; the
// error is an *ApplyError that tells and that wraps what went wrong. Interrupting
// ctx is such a failure. Other errors: *HeldError, ErrNewerChart, ErrForeign,
// ErrTooLarge, ErrNoNamespace, ErrForbidden, ErrUnauthorized, ErrUnreachable, and
// what change returned; then nothing was changed.
func (c *Client) Apply(ctx context.Context, name string, change Change, o ApplyOptions) (Result, error) {
	return c.make(ctx, name, func(at situation) (wanted, error) {
		values, err := propose(change, at)
		return wanted{values: values, description: o.Description}, err
	}, o)
}

// wanted is what the next revision is to be.
type wanted struct {
	values      map[string]any
	description string
	// earlier is the revision that it is again; nil: a new one, of our chart.
	earlier *helmrelease.Release
}

// chart is the one that the revision is made with.
func (w wanted) chart(ours *helmchart.Chart) *helmchart.Chart {
	if w.earlier != nil {
		return w.earlier.Chart
	}
	return ours
}

// make makes the revision that want chooses, or tries it out.
func (c *Client) make(ctx context.Context, name string, want func(situation) (wanted, error),
	o ApplyOptions) (Result, error) {
	if c.opts.Chart == nil || c.opts.Chart.Metadata == nil {
		return Result{}, errors.New("change an endpoint: no chart given")
	}
	if o.DryRun != DryRunNone {
		return c.dryRun(ctx, name, want, o)
	}
	var result Result
	err := c.underLease(ctx, name, func(ctx context.Context, s *session) (err error) {
		result, err = s.make(ctx, want, o)
		s.gone(ctx, result, err, o)
		return err
	})
	return result, err
}

// gone calls o.Gone if Apply has failed and nothing of the endpoint is there,
// as far as is known, and the Lease is still ours.
func (s *session) gone(ctx context.Context, r Result, failure error, o ApplyOptions) {
	var undone *ApplyError
	if failure == nil || o.Gone == nil || r.Previous != nil || s.fence() != nil ||
		errors.As(failure, &undone) && undone.Outcome != Uninstalled {
		return
	}
	// The caller may have been interrupted: what is undone is undone to the end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := o.Gone(ctx); err != nil {
		s.opts.Log(fmt.Sprintf("warning: %v", err))
	}
}

func (s *session) make(ctx context.Context, want func(situation) (wanted, error), o ApplyOptions) (Result, error) {
	at, recovered, err := s.settle(ctx)
	result := Result{Recovered: recovered}
	if err != nil {
		result.Previous = previous(at)
		return result, err
	}
	w, err := s.choose(ctx, at, want, &result, o)
	if err != nil || result.Action == Unchanged {
		return result, err
	}
	o.Keep = cmp.Or(result.Earlier, o.Keep)
	release, cause := s.enact(ctx, at, w, o)
	if cause != nil {
		return s.fail(ctx, at, result, cause, o)
	}
	result.Release = typed(release)
	return result, nil
}

// choose asks what the next revision is to be, and whether it is there already.
func (s *session) choose(ctx context.Context, at situation, want func(situation) (wanted, error),
	result *Result, o ApplyOptions) (wanted, error) {
	result.Previous = previous(at)
	w, err := want(at)
	if err != nil {
		return w, err
	}
	if w.earlier != nil {
		result.Earlier = w.earlier.Version
	}
	same, err := s.unchanged(ctx, at, w)
	if err != nil {
		return w, s.explain(err)
	}
	if same {
		result.Action, result.Release = Unchanged, *result.Previous
		return w, nil
	}
	result.Action = actionFor(at)
	if o.Prepare != nil {
		err = o.Prepare(ctx, result.Previous, s.next(w))
	}
	return w, err
}

// next is what is known of a revision before it is made.
func (s *session) next(w wanted) Release {
	if w.earlier != nil {
		return typed(w.earlier)
	}
	return Release{Name: s.name, Namespace: s.opts.Namespace, Values: w.values, Description: w.description,
		ChartVersion: s.opts.Chart.Metadata.Version}
}

func actionFor(at situation) Action {
	if at.inForce == nil {
		return Installed
	}
	return Upgraded
}

func previous(at situation) *Release {
	if at.inForce == nil {
		return nil
	}
	release := typed(at.inForce)
	if at.last != at.inForce {
		release.Later = at.reason
	}
	return &release
}

// propose asks for the new values. They come back as they will be stored, and
// without a connection to what the caller may still change.
func propose(change Change, at situation) (map[string]any, error) {
	values, err := change(previous(at))
	if err != nil {
		return nil, err
	}
	return normal(values)
}

// settle clears up what an interrupted operation left, until the release can be
// installed or upgraded.
func (s *session) settle(ctx context.Context) (at situation, recovered bool, err error) {
	for range 3 {
		if at, err = s.look(ctx); err != nil {
			return at, recovered, err
		}
		if err = s.refuse(s.name, at); err != nil {
			return at, recovered, err
		}
		switch at.next {
		case stepInstall, stepReinstall, stepUpgrade:
			return at, recovered, nil
		case stepPurge:
			s.opts.Log(fmt.Sprintf("an earlier delete of %q was interrupted: finishing it", s.name))
			err = s.uninstall(ctx, at, hookTimeout, "background")
		default:
			if err = s.alive(at); err == nil {
				err = s.mark(ctx, at)
			}
		}
		if err != nil {
			return at, recovered, err
		}
		recovered = true
	}
	return at, recovered, fmt.Errorf("endpoint %q does not settle: %s", s.name, at.reason)
}

// alive returns a *HeldError for a pending revision that a helm command may still
// be working on. A crashed kubectl-aml leaves its Lease, so if we took none over
// and the revision is young, somebody runs helm itself, which takes no Lease.
func (s *session) alive(at situation) error {
	since := at.last.Info.LastDeployed.Time
	if s.tookOver || s.opts.Clock.Since(since) >= patience {
		return nil
	}
	return &HeldError{Endpoint: s.name, Holder: "a helm command", Since: since, Until: since.Add(patience)}
}

// mark ends a revision that an interrupted operation left pending.
func (s *session) mark(ctx context.Context, at situation) error {
	config, _, err := s.configure(ctx)
	if err != nil {
		return s.explain(err)
	}
	revision, info := *at.last, *at.last.Info
	revision.Info = &info
	was := info.Status
	if info.Status = helmrelease.StatusFailed; at.next == stepRecord {
		info.Status = helmrelease.StatusDeployed
	}
	info.Description = fmt.Sprintf("interrupted while %s; marked as %s by %s", was, info.Status, s.opts.Holder)
	s.opts.Log(fmt.Sprintf("revision %d was interrupted while %s: marking it as %s",
		revision.Version, was, info.Status))
	return s.explain(config.Releases.Update(&revision))
}

// enact installs, upgrades or goes back, Ready included. The error is the cause,
// in our words.
func (s *session) enact(ctx context.Context, at situation, w wanted, o ApplyOptions) (*helmrelease.Release, error) {
	config, g, err := s.configure(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	g.ready, g.readyTimeout, g.attempts = o.Ready, o.Timeout, manifests(at.since)
	g.installing, g.deleteLast = at.next != stepUpgrade, true
	g.step, g.keep = o.Step, o.Keep
	var release *helmrelease.Release
	helmCtx := context.WithoutCancel(ctx) // see gate
	switch {
	case w.earlier != nil:
		release, err = s.goBack(config, g, at, w, o)
	case at.next == stepUpgrade:
		release, err = s.upgrade(config, w, o).RunWithContext(helmCtx, s.name, s.opts.Chart, w.values)
	default:
		release, err = s.install(config, at, w, o).RunWithContext(helmCtx, s.opts.Chart, w.values)
	}
	switch {
	case err == nil:
		return release, nil
	case ctx.Err() != nil:
		return release, interrupted(ctx)
	case g.readyErr != nil:
		return release, g.readyErr
	}
	return release, s.explain(err)
}

func (s *session) install(config *helmaction.Configuration, at situation, w wanted,
	o ApplyOptions) *helmaction.Install {
	install := helmaction.NewInstall(config)
	install.ReleaseName, install.Namespace = s.name, s.opts.Namespace
	install.Description = w.description
	install.SkipCRDs = true
	install.Wait, install.Timeout = true, cmp.Or(o.Timeout, hookTimeout)
	// After an uninstall that kept the history, the name counts as used.
	install.Replace = at.next == stepReinstall
	return install
}

func (s *session) upgrade(config *helmaction.Configuration, w wanted, o ApplyOptions) *helmaction.Upgrade {
	upgrade := helmaction.NewUpgrade(config)
	upgrade.Namespace = s.opts.Namespace
	upgrade.Description = w.description
	upgrade.MaxHistory = maxHistory
	upgrade.SkipCRDs = true
	upgrade.Wait, upgrade.Timeout = true, cmp.Or(o.Timeout, hookTimeout)
	// We compute all values. Without this, empty ones would mean the old ones.
	upgrade.ResetValues = true
	return upgrade
}
