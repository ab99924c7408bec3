// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import "github.com/spf13/cobra"

// newService groups Azure ML v1's commands for services.
func newService(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "service",
		Short: "Azure ML v1's commands for services, as az ml has them",
		Long: "Azure ML v1's commands for services, as az ml has them: flags, answers, -o and --query. A service is an\n" +
			"endpoint with one version; every endpoint can be named here. -n is the name; the namespace, which has the\n" +
			"place of the workspace, is --namespace.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(serviceReading(o)...)
	c.AddCommand(newServiceUpdate(o))
	return c
}

// newEndpoint groups Azure ML v1's commands for endpoints.
func newEndpoint(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "endpoint",
		Short: "Azure ML v1's commands for endpoints, as az ml has them",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	realtime := &cobra.Command{
		Use:   "realtime",
		Short: "Commands for endpoints with versions",
		Long: "Azure ML v1's commands for endpoints with versions, as az ml has them: flags, answers, -o and --query.\n" +
			"-n is the name; the namespace, which has the place of the workspace, is --namespace.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	realtime.AddCommand(realtimeReading(o)...)
	realtime.AddCommand(newCreateVersion(o), newUpdateVersion(o), newEndpointUpdate(o))
	c.AddCommand(realtime)
	return c
}
