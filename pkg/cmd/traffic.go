// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

func newTraffic(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "traffic",
		Short: "See and set how requests are split between versions",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTrafficGet(o), newTrafficSet(o), newTrafficMirror(o))
	return c
}

func newTrafficGet(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:               "get ENDPOINT",
		Short:             "Print the declared and the effective split, copies, and what callers are told apart by",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			format, err := printer.ParseFormat(output, printer.JSON, printer.YAML, printer.Name)
			if err != nil {
				return usageError{err}
			}
			s, err := o.connect()
			if err != nil {
				return err
			}
			d, err := s.endpoint(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printer.Traffic(d.Endpoint).Print(o.Streams.Out, o.Streams.ErrOut, format)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: json, yaml, name")
	return c
}

func newTrafficSet(o *options) *cobra.Command {
	var (
		r rolloutFlags
		t trafficFlags
	)
	c := &cobra.Command{
		Use:   "set ENDPOINT VERSION=PERCENT...",
		Short: "Set the whole split at once",
		Long: "Set the whole split at once. A version that is not named gets 0, the default version gets whatever\n" +
			"is left over. When the command returns, every router runs the new split. A version becomes the default\n" +
			"only when it is ready: it is waited for, and refused with --wait=false. Behind a Gateway, which has no way\n" +
			"around a version that is not ready, it first waits until all that get more are.\n\n" +
			"With --sticky-by, callers who send the same value of a header stay with one version, and a new split\n" +
			"moves no more of them than it must. It stays so until --sticky-by none.",
		Example: "  # One request in five to green, the rest to the default\n" +
			"  kubectl aml traffic set diabetes green=20\n\n" +
			"  # Make green the default\n" +
			"  kubectl aml traffic set diabetes --default green\n\n" +
			"  # One user in ten to green, and always the same ones\n" +
			"  kubectl aml traffic set diabetes green=10 --sticky-by header:x-user",
		Args:              minArgs(1),
		ValidArgsFunction: o.completeShares,
		RunE: func(c *cobra.Command, args []string) error {
			if err := t.parse(c, args[1:]); err != nil {
				return usageError{err}
			}
			return o.change(c.Context(), args[0], r, edit{
				description: t.describe(args[1:]),
				done:        "traffic set",
				apply: func(d deployed) (chart.Values, error) {
					next, err := t.retarget(d.Endpoint)
					return d.with(next), err
				},
			})
		},
	}
	r.add(c)
	c.Flags().StringVar(&t.defaultVersion, "default", "", "Make this version the one that gets what is left over")
	o.completeVersionsOf(c, "default")
	c.Flags().StringVar(&t.stickyBy, "sticky-by", "", "Keep each caller with one version by a header of its requests: "+
		"header:NAME, or none to draw a version for each request")
	return c
}

// trafficFlags are what a split is set to; stickiness only if the flag is given.
type trafficFlags struct {
	defaultVersion, stickyBy string
	split                    map[string]float64
	header                   *string
}

func (t *trafficFlags) parse(c *cobra.Command, shares []string) error {
	var err error
	if t.split, err = parseSplit(shares); err != nil {
		return err
	}
	if c.Flags().Changed("sticky-by") {
		header, err := endpoint.ParseStickyBy(t.stickyBy)
		if err != nil {
			return err
		}
		t.header = &header
	}
	if len(t.split) == 0 && t.defaultVersion == "" && t.header == nil {
		return fmt.Errorf("nothing to set: write VERSION=PERCENT, --default VERSION or --sticky-by header:NAME")
	}
	return nil
}

// describe is what the history says of the change.
func (t *trafficFlags) describe(shares []string) string {
	words := append([]string{"set traffic"}, shares...)
	if t.defaultVersion != "" {
		words = append(words, "--default", t.defaultVersion)
	}
	if t.header != nil {
		words = append(words, "--sticky-by", t.stickyBy)
	}
	return strings.Join(words, " ")
}

// retarget sets a new split, a new default, what callers are told apart by, or
// several of them.
func (t *trafficFlags) retarget(e endpoint.Endpoint) (endpoint.Endpoint, error) {
	next, err := e, error(nil)
	if t.header != nil {
		if next, err = next.SetSticky(*t.header); err != nil {
			return e, err
		}
	}
	if t.defaultVersion != "" {
		if next, err = next.SetDefault(t.defaultVersion); err != nil {
			return e, err
		}
	}
	if len(t.split) == 0 {
		return next, nil
	}
	return next.SetTraffic(t.split)
}

// parseSplit reads VERSION=PERCENT arguments; a % behind the number is let pass.
func parseSplit(args []string) (map[string]float64, error) {
	split := make(map[string]float64, len(args))
	for _, arg := range args {
		name, percent, ok := strings.Cut(arg, "=")
		p, err := strconv.ParseFloat(strings.TrimSuffix(percent, "%"), 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not a share of the traffic: write VERSION=PERCENT, such as green=20", arg)
		}
		if _, twice := split[name]; twice {
			return nil, fmt.Errorf("version %q is named twice: once is enough", name)
		}
		split[name] = p
	}
	return split, nil
}
