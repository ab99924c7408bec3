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
		Args:  exactArgs(0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTrafficGet(o), newTrafficSet(o))
	return c
}

func newTrafficGet(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:               "get ENDPOINT",
		Short:             "Print the declared and the effective split",
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
			return printer.Traffic(printer.Versions(d.Endpoint, nil)).Print(o.Streams.Out, o.Streams.ErrOut, format)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: json, yaml, name")
	return c
}

func newTrafficSet(o *options) *cobra.Command {
	var (
		r              rolloutFlags
		defaultVersion string
	)
	c := &cobra.Command{
		Use:   "set ENDPOINT VERSION=PERCENT...",
		Short: "Set the whole split at once",
		Long: "Set the whole split at once. A version that is not named gets 0, the default version gets whatever\n" +
			"is left over. When the command returns, every router runs the new split. A version becomes the default\n" +
			"only when it is ready: it is waited for, and refused with --wait=false. Behind a Gateway, which has no way\n" +
			"around a version that is not ready, it first waits until all that get more are.",
		Example: "  # One request in five to green, the rest to the default\n" +
			"  kubectl aml traffic set diabetes green=20\n\n" +
			"  # Make green the default\n" +
			"  kubectl aml traffic set diabetes --default green",
		Args:              minArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			percentiles, err := parseSplit(args[1:])
			if err == nil && len(percentiles) == 0 && defaultVersion == "" {
				err = fmt.Errorf("nothing to set: write VERSION=PERCENT, or --default VERSION")
			}
			if err != nil {
				return usageError{err}
			}
			return o.change(c.Context(), args[0], r, edit{
				description: described("set traffic", args[1:], defaultVersion),
				done:        "traffic set",
				apply: func(d deployed) (chart.Values, error) {
					next, err := retarget(d.Endpoint, percentiles, defaultVersion)
					return d.with(next), err
				},
			})
		},
	}
	r.add(c)
	c.Flags().StringVar(&defaultVersion, "default", "", "Make this version the one that gets what is left over")
	return c
}

// described is what a split is called in the history.
func described(verb string, split []string, defaultVersion string) string {
	words := append([]string{verb}, split...)
	if defaultVersion != "" {
		words = append(words, "--default", defaultVersion)
	}
	return strings.Join(words, " ")
}

// retarget sets a new split, a new default, or both.
func retarget(e endpoint.Endpoint, split map[string]float64, defaultVersion string) (endpoint.Endpoint, error) {
	next, err := e, error(nil)
	if defaultVersion != "" {
		if next, err = e.SetDefault(defaultVersion); err != nil {
			return e, err
		}
	}
	if len(split) == 0 {
		return next, nil
	}
	return next.SetTraffic(split)
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
