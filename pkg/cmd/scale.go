// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// noCondition is the value of --current-replicas that asks for nothing, as with
// kubectl scale.
const noCondition = -1

// scaleFlags are the flags of scale.
type scaleFlags struct {
	rolloutFlags
	versionName string
	replicas    int
	noAutoscale bool
	// least, most and target are 0 when they are not given.
	least, most, target int
	current             int
	given               func(flag string) bool
}

func newScale(o *options) *cobra.Command {
	s := &scaleFlags{}
	c := &cobra.Command{
		Use:   "scale ENDPOINT",
		Short: "Set how many replicas a version has, or let them follow the load",
		Long: "Set how many replicas a version has, or a range in which they follow the load. Fewer replicas lose no\n" +
			"request: those that go finish what they have. 0 replicas let a version rest that is not the default;\n" +
			"its share goes to the default.",
		Example: "  kubectl aml scale diabetes --version-name green --replicas 3\n\n" +
			"  # Follow the load\n" +
			"  kubectl aml scale diabetes --version-name green --min-replicas 2 --max-replicas 8",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			s.given = c.Flags().Changed
			return o.scale(c.Context(), args[0], s)
		},
	}
	s.add(c)
	f := c.Flags()
	f.StringVar(&s.versionName, "version-name", "", "Name of the version (default: the only one there is)")
	f.IntVar(&s.replicas, "replicas", 0, "Fixed number of replicas")
	f.BoolVar(&s.noAutoscale, "no-autoscale", false, "Turn autoscaling off; with --replicas")
	f.IntVar(&s.least, "min-replicas", 0, "Fewest replicas of a version that follows the load; kept, else 1")
	f.IntVar(&s.most, "max-replicas", 0, "Most replicas of a version that follows the load; kept if not given")
	f.IntVar(&s.target, "target-utilization", 0, "Percent of the requested CPU that autoscaling keeps to; kept, else 70")
	f.IntVar(&s.current, "current-replicas", noCondition, "Do it only if the version has this many replicas now; "+
		"-1 for any")
	o.completeVersionFlag(c)
	return c
}

// check refuses flags that do not go together.
func (s *scaleFlags) check() error {
	var findings []error
	find := func(text string) { findings = append(findings, usageError{errors.New(text)}) }
	ranged := s.given("min-replicas") || s.given("max-replicas") || s.given("target-utilization")
	switch fixed := s.given("replicas"); {
	case fixed && ranged:
		find("--replicas is a fixed number: leave out --min-replicas, --max-replicas and --target-utilization, or it")
	case !fixed && !ranged:
		find("nothing to scale: write --replicas, or --min-replicas and --max-replicas")
	case s.noAutoscale && !fixed:
		find("--no-autoscale needs a number: write --replicas")
	}
	if s.replicas < 0 {
		find(fmt.Sprintf("replicas %d: write 0 or more", s.replicas))
	}
	for flag, n := range map[string]int{"min-replicas": s.least, "max-replicas": s.most, "target-utilization": s.target} {
		if s.given(flag) && n < 1 {
			find(fmt.Sprintf("--%s %d: write 1 or more", flag, n))
		}
	}
	return errors.Join(findings...)
}

func (o *options) scale(ctx context.Context, name string, s *scaleFlags) error {
	if err := s.check(); err != nil {
		return err
	}
	var version string
	var before deployed
	e := edit{description: s.description(), done: "scaled"}
	e.apply = func(d deployed) (chart.Values, error) {
		var err error
		if version, err = d.only(s.versionName); err != nil {
			return chart.Values{}, err
		}
		next, err := s.apply(d.Endpoint, version)
		before = d
		return d.with(next), err
	}
	e.allow = s.precondition
	e.ready = func(ctx context.Context, w revision) error { return w.served(ctx, grace, version) }
	if err := o.change(ctx, name, s.rolloutFlags, e); err != nil {
		return err
	}
	s.tellRest(o, before, version)
	return nil
}

func (s *scaleFlags) description() string {
	scaled := strings.TrimSpace("scale " + s.versionName)
	if s.given("replicas") {
		return fmt.Sprintf("%s to %d", scaled, s.replicas)
	}
	return scaled + " with the load"
}

// precondition refuses a version that has another number of replicas than asked
// for.
func (s *scaleFlags) precondition(ctx context.Context, work revision, d deployed) error {
	if s.current == noCondition || work.dryRun == release.DryRunClient {
		return nil
	}
	version, err := d.only(s.versionName)
	if err != nil {
		return err
	}
	at, err := work.look(ctx, version)
	if err != nil || int(at.Desired) == s.current {
		return err
	}
	return fmt.Errorf("version %s has %d replicas, not %d as --current-replicas says: nothing is changed",
		version, at.Desired, s.current)
}

// apply returns e with the version scaled.
func (s *scaleFlags) apply(e endpoint.Endpoint, name string) (endpoint.Endpoint, error) {
	v := e.Versions[name]
	now := v.Scaling.Autoscale
	if s.given("replicas") {
		if now != nil && !s.noAutoscale {
			return e, fmt.Errorf("version %s follows the load, with %d to %d replicas: set --min-replicas and --max-replicas, "+
				"or add --no-autoscale", name, now.MinReplicas, now.MaxReplicas)
		}
		v.Scaling = endpoint.Scaling{Replicas: s.replicas}
		return e.Put(name, v, endpoint.Placement{})
	}
	next := endpoint.Autoscale{MinReplicas: 1, TargetUtilization: 70}
	if now != nil {
		next = *now
	}
	for _, f := range []struct {
		to    *int
		given int
	}{{&next.MinReplicas, s.least}, {&next.MaxReplicas, s.most}, {&next.TargetUtilization, s.target}} {
		if f.given > 0 {
			*f.to = f.given
		}
	}
	if next.MaxReplicas == 0 {
		return e, usageError{fmt.Errorf("version %s has a fixed number of replicas: write --max-replicas to let it "+
			"follow the load", name)}
	}
	v.Scaling.Autoscale = &next
	return e.Put(name, v, endpoint.Placement{})
}

// tellRest says where the share of a version goes that has no replica.
func (s *scaleFlags) tellRest(o *options, d deployed, version string) {
	if share := d.Effective()[version]; s.given("replicas") && s.replicas == 0 && share > 0 {
		o.tell("note: version %s has %s %% of the requests, which go to the default version %s while it has no replicas",
			version, endpoint.FormatPercent(share), d.Default)
	}
}

// only is the version of a command that names one or means the only one.
func (d deployed) only(named string) (string, error) {
	switch {
	case named != "":
		return named, d.Has(named)
	case len(d.Versions) == 1:
		return d.VersionNames()[0], nil
	}
	return "", usageError{fmt.Errorf("endpoint %q has versions %v: name one with --version-name",
		d.Name, d.VersionNames())}
}
