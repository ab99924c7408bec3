// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// registryFlags say where images and models are, and how to get there.
type registryFlags struct {
	registry         string
	insecureRegistry bool
}

// add gives c the flags; what says what they are for.
func (r *registryFlags) add(c *cobra.Command, getenv func(string) string, what string) {
	f := c.Flags()
	f.StringVar(&r.registry, "registry", getenv("AML_REGISTRY"), what+", as HOST[/PATH] (default: $AML_REGISTRY)")
	f.BoolVar(&r.insecureRegistry, "insecure-registry", false, "Speak to the registry without TLS; not needed for one "+
		"on this machine")
}

// path is where what has the name belongs.
func (r *registryFlags) path(name string) string {
	return strings.TrimSuffix(r.registry, "/") + "/" + name
}

// access is how registries are reached. What goes on there is told, with what it
// is about before it.
func (r *registryFlags) access(o *options, about string) image.Options {
	return image.Options{Insecure: r.insecureRegistry, Clock: o.Clock,
		Log: func(line string) { o.tell("%s: %s", about, line) }}
}
