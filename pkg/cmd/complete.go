// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
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

// completionTime is how long a registry may take while somebody waits at a prompt.
const completionTime = 5 * time.Second

// completeModels offers the registered models, each with its highest version;
// those of one whose name is there up to the colon, all of them. What else may
// stand there is up to other.
func (o *options) completeModels(r *registryFlags, other cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		name, _, versions := strings.Cut(typed, ":")
		wanted := image.Filter{Latest: true}
		if versions {
			wanted = image.Filter{Name: name}
		}
		var ids []string
		for _, m := range o.registered(c.Context(), r, wanted) {
			ids = append(ids, m.ID)
		}
		return ids, other
	}
}

// completeModelFlag has --model of c offer models, and files.
func (o *options) completeModelFlag(c *cobra.Command, r *registryFlags) {
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("model", o.completeModels(r, cobra.ShellCompDirectiveDefault))
}

// completeModelNames has a flag of c offer the names of the registered models.
func (o *options) completeModelNames(c *cobra.Command, flag string, r *registryFlags) {
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc(flag,
		func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, m := range o.registered(c.Context(), r, image.Filter{Latest: true}) {
				names = append(names, m.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		})
}

// registered are the models that a registry has, without a word; none if it cannot
// tell.
func (o *options) registered(ctx context.Context, r *registryFlags, wanted image.Filter) []image.Registered {
	access, err := r.access(o.silent(), "model")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	found, err := image.Models{Registry: r.registry, Options: access}.List(ctx, wanted)
	if err != nil {
		return nil
	}
	return found
}

// silent are the options of a command that tells nothing.
func (o *options) silent() *options {
	quiet := *o
	quiet.Streams.ErrOut = io.Discard
	return &quiet
}

// completeEnvironments offers the names of the registered environments.
func (o *options) completeEnvironments(r *registryFlags) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, e := range o.registeredEnvironments(c.Context(), r, "") {
			names = append(names, e.Name)
		}
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEnvironmentVersions offers the versions of the environment of that name.
func (o *options) completeEnvironmentVersions(r *registryFlags, name *string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if *name == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var versions []string
		for _, e := range o.registeredEnvironments(c.Context(), r, *name) {
			versions = append(versions, strconv.Itoa(e.Version))
		}
		return versions, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
