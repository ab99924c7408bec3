// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"fmt"
	"maps"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// defaultFirst brings the default version of the revision that plan goes back to
// into what is in force first, if it has to.
func (w *undoing) defaultFirst(ctx context.Context, plan release.Result) (string, error) {
	target, err := read(plan.Release)
	if err != nil {
		return "", err
	}
	now, err := read(*plan.Previous)
	if err != nil {
		return "", err
	}
	return w.revision.defaultFirst(ctx, now, target.values, fmt.Sprintf("undo to revision %d", plan.Earlier), plan.Earlier)
}

// defaultFirst brings the default version of target into what is in force,
// without traffic, if it is to take the role over and is not ready. It makes a
// revision of its own: a version without a ready replica leaves its requests to
// the default, so the default itself would lose them. Who does not wait for the
// rest waits for this, too. It returns the version, or nothing if there was no
// need. what is done is for the history; keep is an earlier revision that is
// needed next.
func (w revision) defaultFirst(
	ctx context.Context, now deployed, target chart.Values, what string, keep int,
) (string, error) {
	version := target.DefaultVersion
	lacks, err := w.lacks(ctx, now, version)
	if err != nil || !lacks {
		return "", err
	}
	if _, known := now.Versions[version]; !known && len(now.Versions) >= endpoint.MaxVersions {
		w.tell("warning: there is no room for version %s beside the %d there are: until it is ready, requests are refused",
			version, len(now.Versions))
		return "", nil
	}
	w.tell("version %s is to be the default and has to be ready first", version)
	w.flags.wait = true
	_, err = w.make(ctx, func(current *release.Release) (map[string]any, error) {
		if current == nil {
			return nil, errGone(w.name)
		}
		now, err := read(*current)
		if err != nil {
			return nil, err
		}
		return withVersion(now.values, version, target.Versions[version]).Map()
	}, release.ApplyOptions{
		Description: fmt.Sprintf("%s: version %s first", what, version),
		Ready:       func(ctx context.Context) error { return w.served(ctx, grace, version) },
		Step:        func() bool { return true }, Keep: keep,
	})
	return version, err
}

// halfway says of an error after defaultFirst what was done, if something was.
func (w *undoing) halfway(back string, plan release.Result, err error) error {
	if err == nil || back == "" {
		return err
	}
	return fmt.Errorf("version %s is there again and not the default yet, kubectl aml undo %s --to-revision %d "+
		"does the rest: %w", back, w.name, plan.Earlier, err)
}

// lacks tells whether a version that is not the default now has no ready replica.
func (w revision) lacks(ctx context.Context, now deployed, version string) (bool, error) {
	if now.Default == version {
		return false, nil
	}
	at, err := w.look(ctx, version)
	return at.Ready == 0, err
}

// withVersion returns v with a version that gets no requests but those it had.
func withVersion(v chart.Values, name string, version chart.VersionValues) chart.Values {
	version.Traffic, version.Mirror = v.Versions[name].Traffic, 0
	v.Versions = maps.Clone(v.Versions)
	v.Versions[name] = version
	return v
}
