// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// promoteFlags are the flags of promote.
type promoteFlags struct {
	rolloutFlags
	control     bool
	retires     bool
	retireAfter time.Duration
}

func newPromote(o *options) *cobra.Command {
	p := &promoteFlags{}
	c := &cobra.Command{
		Use:   "promote ENDPOINT VERSION",
		Short: "Give all traffic to one version and make it the default",
		Long: "Give all traffic to one version and make it the default. The version has to be ready: it is waited\n" +
			"for, and if it does not get ready, nothing changes. The other versions keep running without traffic,\n" +
			"as the way back. With --retire-after, those that had traffic are deleted when the time is over and\n" +
			"nothing has gone wrong: if somebody changed the endpoint meanwhile, or the version does not serve any\n" +
			"more, nothing is deleted.",
		Example: "  # Everything to green; blue keeps running\n" +
			"  kubectl aml promote diabetes green\n\n" +
			"  # The same, and delete blue an hour later\n" +
			"  kubectl aml promote diabetes green --retire-after 1h",
		Args:              exactArgs(2),
		ValidArgsFunction: o.completeVersions,
		RunE: func(c *cobra.Command, args []string) error {
			p.retires = c.Flags().Changed("retire-after")
			return o.promote(c.Context(), args[0], args[1], p)
		},
	}
	p.add(c)
	f := c.Flags()
	f.BoolVar(&p.control, "control", false, "Mark it also as the version that the others are treatments of")
	f.DurationVar(&p.retireAfter, "retire-after", 0, "Delete the versions that had traffic, this long after the "+
		"promotion is in force; not given, they stay")
	return c
}

func (p *promoteFlags) check() error {
	switch {
	case p.retires && p.retireAfter < 0:
		return usageError{fmt.Errorf("retire after %s: write a time of 0 or more, such as 1h", p.retireAfter)}
	case p.retires && !p.wait:
		return usageError{errors.New("versions are retired after a promotion that is in force: leave out --wait=false, " +
			"or --retire-after")}
	}
	return nil
}

func (o *options) promote(ctx context.Context, name, version string, p *promoteFlags) error {
	dryRun, format, err := p.parse()
	if err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	begun, err := o.revision(ctx, s, name, p.rolloutFlags, dryRun)
	if err != nil {
		return err
	}
	work := promotion{revision: begun, version: version, control: p.control}
	result, err := work.run(ctx)
	if err != nil {
		return o.failed(err)
	}
	done := fmt.Sprintf("version/%s promoted", version)
	if !p.retires || dryRun != release.DryRunNone {
		work.tellRetirement(p)
		return o.report(result, done, dryRun, format)
	}
	if format == printer.Table {
		if err := o.report(result, done, dryRun, format); err != nil {
			return err
		}
	}
	return work.retire(ctx, result.Release, p.retireAfter, format)
}

// promotion gives all traffic to one version.
type promotion struct {
	revision
	version string
	control bool
	// relieved are the versions that had traffic before.
	relieved []string
}

func (p *promotion) run(ctx context.Context) (release.Result, error) {
	now, err := p.session.endpoint(ctx, p.name)
	if err != nil {
		return release.Result{}, err
	}
	if err := now.Has(p.version); err != nil {
		return release.Result{}, err
	}
	if p.dryRun != release.DryRunClient {
		p.warnOfFewer(ctx, now)
	}
	return p.revise(ctx, edit{description: "promote " + p.version, apply: p.apply})
}

func (p *promotion) apply(d deployed) (chart.Values, error) {
	next, relieved, err := d.Promote(p.version)
	if err == nil && p.control {
		next, err = next.SetControl(p.version)
	}
	p.relieved = relieved
	return d.with(next), err
}

// warnOfFewer tells if the version has fewer replicas than the default before.
// What cannot be seen is left to what comes next.
func (p *promotion) warnOfFewer(ctx context.Context, now deployed) {
	if now.Default == p.version {
		return
	}
	snapshot, err := status.Collect(ctx, p.session.Kube, p.session.Namespace, p.name)
	if err != nil {
		return
	}
	before := snapshot.Version(now.Default, p.Clock.Now(), status.Options{}).Desired
	after := snapshot.Version(p.version, p.Clock.Now(), status.Options{}).Desired
	if after == 0 || after >= before {
		return
	}
	flags := fmt.Sprintf("--replicas %d", before)
	if a := now.Versions[p.version].Scaling.Autoscale; a != nil {
		flags = fmt.Sprintf("--min-replicas %d --max-replicas %d", before, max(int(before), a.MaxReplicas))
	}
	p.tell("warning: version %s has %d replicas, the default before, %s, has %d: "+
		"give it as many with kubectl aml scale %s --version-name %s %s",
		p.version, after, now.Default, before, p.name, p.version, flags)
}

// tellRetirement says in a dry run what would go.
func (p *promotion) tellRetirement(f *promoteFlags) {
	for _, version := range p.relieved {
		if f.retires {
			p.tell("note: version %s would be deleted %s later", version, f.retireAfter)
		}
	}
}

// retire deletes the versions that the promotion relieved and answers.
func (p *promotion) retire(ctx context.Context, promoted release.Release, after time.Duration, f printer.Format) error {
	if len(p.relieved) == 0 {
		p.tell("no version is retired: no other had traffic; kubectl aml delete version %s VERSION deletes one", p.name)
		if f == printer.Table {
			return nil
		}
		return p.report(release.Result{Release: promoted}, "", p.dryRun, f)
	}
	work := retirement{revision: p.revision, promoted: p.version, relieved: slices.Clone(p.relieved),
		number: promoted.Revision}
	if err := work.watch(ctx, after); err != nil {
		return err
	}
	result, err := work.run(ctx)
	if err != nil {
		return p.failed(err)
	}
	return p.report(result, versionObjects(work.relieved)+" retired", p.dryRun, f)
}
