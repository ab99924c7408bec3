// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"

	helmaction "helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// dryRun tells what make would do. It takes no Lease: that would be a change.
func (c *Client) dryRun(ctx context.Context, name string, want func(situation) (wanted, error),
	o ApplyOptions) (Result, error) {
	s := c.reader(name)
	at, err := s.lookOver(ctx)
	if err != nil {
		return Result{}, err
	}
	var result Result
	w, err := s.choose(ctx, at, want, &result, o)
	if err != nil || result.Action == Unchanged {
		return result, err
	}
	result.Release, err = s.planned(ctx, at, w, o)
	return result, err
}

// Plan returns the revision that Apply would make, as the cluster would take it,
// and makes none. Unlike a dry run it renders what is in force already too, and
// does not look at the objects: see Compare. Errors as of Apply.
func (c *Client) Plan(ctx context.Context, name string, change Change) (Result, error) {
	s := c.reader(name)
	at, err := s.lookOver(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{Previous: previous(at), Action: actionFor(at)}
	values, err := propose(change, at)
	if err != nil {
		return result, err
	}
	result.Release, err = s.planned(ctx, at, wanted{values: values}, ApplyOptions{DryRun: DryRunServer})
	return result, err
}

// lookOver reads the situation of an endpoint that we may change.
func (s *session) lookOver(ctx context.Context) (situation, error) {
	at, err := s.look(ctx)
	if err != nil {
		return at, err
	}
	return at, s.refuse(s.name, at)
}

func (s *session) planned(ctx context.Context, at situation, w wanted, o ApplyOptions) (Release, error) {
	rendered, err := s.try(ctx, at, w, o)
	if err != nil {
		return Release{}, s.explain(err)
	}
	release := typed(rendered)
	release.Status, release.Revision, release.By = "dry-run", 1, s.opts.Holder
	release.Description = w.description
	if at.last != nil {
		release.Revision = at.last.Version + 1
	}
	return release, nil
}

// try renders what would be sent. It uses Helm's install for upgrades too: its
// upgrade refuses while an interrupted operation has not been cleared up.
func (s *session) try(ctx context.Context, at situation, w wanted, o ApplyOptions) (*helmrelease.Release, error) {
	config, g, err := s.configure(ctx)
	if err != nil {
		return nil, err
	}
	if w.earlier != nil {
		if o.DryRun == DryRunServer {
			_, err = s.existing(g, at, w.earlier.Manifest)
		}
		return w.earlier, err
	}
	install := helmaction.NewInstall(config)
	install.ReleaseName, install.Namespace = s.name, s.opts.Namespace
	install.SkipCRDs = true
	install.DryRun, install.DryRunOption = true, string(o.DryRun)
	install.IsUpgrade = at.inForce != nil
	if o.DryRun == DryRunClient {
		version, err := chartutil.ParseKubeVersion(chart.DefaultKubeVersion)
		if err != nil {
			return nil, err
		}
		install.ClientOnly, install.KubeVersion = true, version
	}
	return install.RunWithContext(ctx, s.opts.Chart, w.values)
}
