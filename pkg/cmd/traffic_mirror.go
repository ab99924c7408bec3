// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

func newTrafficMirror(o *options) *cobra.Command {
	var (
		r   rolloutFlags
		off bool
	)
	c := &cobra.Command{
		Use:   "mirror ENDPOINT VERSION=PERCENT...",
		Short: "Send copies of requests to versions that answer none",
		Long: "Send copies of so many percent of the requests to versions that answer none themselves. Nobody sees\n" +
			"their answers and no request waits for them: a version that hangs or fails harms nobody. A version\n" +
			"that is not named gets no copies. Copies end when the version gets traffic of its own.\n\n" +
			"Requests that ask for a version, WebSockets, gRPC and bodies of 1 MB and more are not copied.",
		Example: "  # See how green does with one request in ten, before anybody gets its answers\n" +
			"  kubectl aml traffic mirror diabetes green=10\n\n" +
			"  # No more copies\n" +
			"  kubectl aml traffic mirror diabetes --off",
		Args:              minArgs(1),
		ValidArgsFunction: o.completeShares,
		RunE: func(c *cobra.Command, args []string) error {
			shares := args[1:]
			percentages, err := parseSplit(shares)
			switch {
			case err != nil:
			case off && len(shares) > 0:
				err = errors.New("--off ends all copies: write it alone")
			case !off && len(shares) == 0:
				err = errors.New("nothing to set: write VERSION=PERCENT, or --off")
			}
			if err != nil {
				return usageError{err}
			}
			if off {
				shares = []string{"off"}
			}
			return o.change(c.Context(), args[0], r, edit{
				description: "mirror " + strings.Join(shares, " "),
				done:        "mirror set",
				apply: func(d deployed) (chart.Values, error) {
					next, err := d.SetMirror(percentages)
					return d.with(next), err
				},
			})
		},
	}
	r.add(c)
	c.Flags().BoolVar(&off, "off", false, "Send no copies")
	return c
}

// completeShares offers an endpoint first and then its versions, for a
// percentage each.
func (o *options) completeShares(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	named := make([]string, 0, len(args))
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		named = append(named, name)
	}
	names, directive := o.completeVersions(c, named, typed)
	if len(args) == 0 {
		return names, directive
	}
	for i, name := range names {
		names[i] = name + "="
	}
	return names, directive | cobra.ShellCompDirectiveNoSpace
}
