// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"

	helmaction "helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// dryRun tells what make would do. It takes no Lease: that would be a change.
func (c *Client) dryRun(ctx context.Context, name string, want func(situation) (wanted, error),
	o ApplyOptions) (Result, error) {
	s := &session{Client: c, name: name, lines: &lines{}, fence: func() error {
		return errors.New("a dry run writes nothing")
	}}
	at, err := s.look(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := c.refuse(name, at); err != nil {
		return Result{}, err
	}
	var result Result
	w, err := s.choose(ctx, at, want, &result, o)
	if err != nil || result.Action == Unchanged {
		return result, err
	}
	release, err := s.try(ctx, at, w, o)
	if err != nil {
		return result, c.explain(err)
	}
	result.Release = typed(release)
	result.Release.Status, result.Release.Revision, result.Release.By = "dry-run", 1, c.opts.Holder
	result.Release.Description = w.description
	if at.last != nil {
		result.Release.Revision = at.last.Version + 1
	}
	return result, nil
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
