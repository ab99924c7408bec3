// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// completeEndpoints offers the names of the endpoints in the namespace.
func (o *options) completeEndpoints(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := o.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	releases, err := s.Releases.List(c.Context(), false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, r := range releases {
		names = append(names, r.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeVersions offers an endpoint first and then its versions.
func (o *options) completeVersions(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return o.completeEndpoints(c, args, typed)
	}
	s, err := o.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	d, err := s.endpoint(c.Context(), args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := slices.DeleteFunc(d.VersionNames(), func(n string) bool { return slices.Contains(args[1:], n) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRevisions has a flag of c offer the revisions of the endpoint that is
// its first argument, newest first: those that fit.
func (o *options) completeRevisions(c *cobra.Command, flag string, fits func(release.Release) bool) {
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc(flag,
		func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			s, err := o.connect()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			history, err := s.Releases.History(c.Context(), args[0])
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			var numbers []string
			for _, r := range slices.Backward(history) {
				if fits(r) {
					numbers = append(numbers, strconv.Itoa(r.Revision)+"\t"+r.Description)
				}
			}
			return numbers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		})
}

// completeVersionFlag has --version-name of c offer the versions of the endpoint
// that is its first argument.
func (o *options) completeVersionFlag(c *cobra.Command) { o.completeVersionsOf(c, "version-name") }

// completeVersionsOf is completeVersionFlag for a flag of another name.
func (o *options) completeVersionsOf(c *cobra.Command, flag string) {
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc(flag,
		func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return o.completeVersions(c, args[:1], typed)
		})
}
