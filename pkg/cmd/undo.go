// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

func newUndo(o *options) *cobra.Command {
	var (
		r  rolloutFlags
		to int
	)
	c := &cobra.Command{
		Use:   "undo ENDPOINT",
		Short: "Go back to an earlier revision of an endpoint",
		Long: "Go back to an earlier revision of an endpoint: its versions with their code, configuration and limits,\n" +
			"and the split between them. That makes a new revision, with the objects of the earlier one as they were.\n" +
			"Keys stay as they are. Without --to-revision it is what was in force before; revisions that failed never\n" +
			"were. If what comes back does not get ready, everything is as it was. A default version that is not\n" +
			"ready any more comes back first, in a revision of its own, so that no request is lost.",
		Example: "  # What was there before the last change\n" +
			"  kubectl aml undo diabetes\n\n" +
			"  # See the revisions and choose one\n" +
			"  kubectl aml history diabetes\n" +
			"  kubectl aml undo diabetes --to-revision 3",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			if to < 0 {
				return usageError{fmt.Errorf("--to-revision %d: revisions count from 1", to)}
			}
			return o.undo(c.Context(), args[0], to, r)
		},
	}
	r.add(c)
	c.Flags().IntVar(&to, "to-revision", 0, "Revision to go back to (default: what was in force before)")
	o.completeRevisions(c, "to-revision", func(r release.Release) bool { return r.InForce })
	return c
}

func (o *options) undo(ctx context.Context, name string, to int, r rolloutFlags) error {
	dryRun, format, err := r.parse()
	if err != nil {
		return err
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	begun, err := o.revision(ctx, s, name, r, dryRun)
	if err != nil {
		return err
	}
	work := &undoing{revision: begun}
	result, err := work.run(ctx, to)
	if errors.Is(err, release.ErrNotFound) {
		return s.missing(name)
	}
	if err != nil {
		return o.failed(err)
	}
	done := fmt.Sprintf("rolled back to revision %d (revision %d)", result.Earlier, result.Release.Revision)
	return o.report(result, done, dryRun, format)
}

// undoing is one undo at work.
type undoing struct {
	revision
	// changed are the versions that are not as they were.
	changed []string
}

// run looks first where undo goes, so that what it needs for that can be made
// ready before.
func (w *undoing) run(ctx context.Context, to int) (release.Result, error) {
	plan, err := w.session.Releases.Undo(ctx, w.name, to, release.ApplyOptions{DryRun: release.DryRunClient})
	if err != nil {
		return plan, err
	}
	back := ""
	if w.dryRun == release.DryRunNone && plan.Action != release.Unchanged {
		if back, err = w.defaultFirst(ctx, plan); err != nil {
			return plan, err
		}
	}
	result, err := w.session.Releases.Undo(ctx, w.name, plan.Earlier, w.given(release.ApplyOptions{
		Prepare: w.prepare, Ready: w.ready,
	}))
	result, err = w.settled(ctx, result, err)
	return result, w.halfway(back, plan, err)
}

// prepare sees to it that what comes back has its keys, and remembers what to
// wait for.
func (w *undoing) prepare(ctx context.Context, current *release.Release, next release.Release) error {
	target, err := read(next)
	if err != nil {
		return err
	}
	if err := w.admitSplit(ctx, current, next.Values); err != nil {
		return err
	}
	if err := w.keys(ctx, target.Auth); err != nil {
		return err
	}
	history, err := w.session.Releases.History(ctx, w.name)
	if err != nil {
		return err
	}
	// What failed since may have left something in the cluster, too.
	since := slices.DeleteFunc(history, func(r release.Release) bool { return r.Revision < current.Revision })
	w.changed, err = changedVersions(since, next, target.values)
	return err
}

// keys sees to the Secret that the revision takes its keys from. The endpoint's
// own was deleted with the last revision that had keys, or by somebody.
func (w *undoing) keys(ctx context.Context, a endpoint.Auth) error {
	switch own := auth.SecretName(w.name); {
	case a.Mode == endpoint.AuthNone:
		return nil
	case a.ExistingSecret != "" && a.ExistingSecret != own:
		_, err := auth.Read(ctx, w.session.Kube, w.session.Namespace, a.ExistingSecret)
		if errors.Is(err, auth.ErrNotFound) {
			return fmt.Errorf("the revision takes its keys from secret %s/%s, which is gone: make it again first",
				w.session.Namespace, a.ExistingSecret)
		}
		return err
	case w.dryRun != release.DryRunNone:
		return nil
	}
	made, err := w.ensureKeys(ctx, auth.Keys{})
	if made.Created {
		w.tell("note: the keys of the endpoint were gone, it has new ones: see kubectl aml keys get %s", w.name)
	}
	return err
}

// ensureKeys sees to it that the endpoint's own Secret is there and whole; a new
// one gets the keys that are given.
func (w revision) ensureKeys(ctx context.Context, given auth.Keys) (auth.Ensured, error) {
	slot, err := chart.AuthSlot()
	if err != nil {
		return auth.Ensured{}, err
	}
	return auth.Ensure(ctx, w.session.Kube, auth.Options{
		Namespace: w.session.Namespace, Endpoint: w.name, Slot: slot, Keys: given,
	})
}

// changedVersions are the versions of next that are otherwise in one of the
// revisions. Versions that only get another share of the requests are not among
// them: one that is broken must not keep its traffic from going elsewhere.
func changedVersions(revisions []release.Release, next release.Release, target chart.Values) ([]string, error) {
	changed := map[string]bool{}
	for _, r := range revisions {
		values, err := chart.ParseValues(r.Values)
		if err != nil || r.ChartVersion != next.ChartVersion {
			return slices.Sorted(maps.Keys(target.Versions)), nil //nolint:nilerr // nothing is known to be the same
		}
		changes, err := chart.Changes(values, target)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			for name := range target.Versions {
				changed[name] = changed[name] || concerns(c, name)
			}
		}
	}
	maps.DeleteFunc(changed, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(changed)), nil
}

// concerns tells whether a change makes pods of a version come or go.
func concerns(c endpoint.Change, version string) bool {
	if c.Version == version {
		return c.Restarts || c.Field == endpoint.VersionField || c.Field == "replicas"
	}
	return strings.HasPrefix(c.Field, "limiter.") || c.Field == "imagePullSecrets"
}

// ready returns when everything that came back serves and every router knows of it.
func (w *undoing) ready(ctx context.Context) error { return w.served(ctx, grace, w.changed...) }
