// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// writeFlags are the flags of every command of Azure ML that deploys something.
type writeFlags struct {
	azureFlags
	name    string
	noWait  bool
	timeout time.Duration
}

func (w *writeFlags) add(c *cobra.Command, o *options, noun string) {
	w.azureFlags.add(c)
	w.addPrinting(c, o.Getenv)
	f := c.Flags()
	f.StringVar(&w.name, "name", "", "Name of the "+noun)
	short(c, "name", "n")
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("name", o.completeEndpoints)
	f.BoolVar(&w.noWait, "no-wait", false, "Return when the change is made, without waiting until it is ready")
	f.DurationVar(&w.timeout, "timeout", waitTime, "How long to wait at most")
}

// begin checks these flags. It connects to nothing: files that are yet to be
// read may say to what.
func (w *writeFlags) begin(o *options, noun string) (*azureCommand, error) {
	a := &azureCommand{options: o, azureFlags: w.azureFlags, name: w.name}
	return a, a.begin(noun)
}

// rollout are the flags of a rollout as these say them.
func (w *writeFlags) rollout() rolloutFlags {
	return rolloutFlags{wait: !w.noWait, timeout: w.timeout}
}

// changes tells whether a flag was given that says what is to change.
func changes(c *cobra.Command) bool {
	around := []string{"name", "version-name", "no-wait", "timeout", "full", "output", "query", "only-show-errors",
		"debug", "verbose", "workspace-name", "resource-group", "subscription-id", "path", "registry",
		"insecure-registry", "registry-ca", "environment-image", "compute-target", "relative-to-file", "dry-run", "wait",
		"no-rollback", "of-endpoint", "builder", "buildkit-address", "buildkit-certificates", "buildkit-image",
		"builder-cpu", "builder-memory", "builder-disk", "micromamba-image", "pip-config", "build-ca", "global-registry",
		"subscription"}
	found := false
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		found = found || f.Changed && !slices.Contains(around, f.Name)
	})
	return found
}

// carryOut deploys, tells on stderr how that ended, as Azure ML does, and answers
// with what is there then.
func (a *azureCommand) carryOut(
	ctx context.Context, work *deployment, run func(context.Context) (release.Result, error), of outcome,
) error {
	result, err := run(ctx)
	if err != nil {
		a.tell("%s operation finished, operation %q", of.operation, "Failed")
		return a.failed(err)
	}
	if work.flags.wait {
		a.tell("%s operation finished, operation %q", of.operation, "Succeeded")
	}
	d, err := read(result.Release)
	if err != nil {
		return err
	}
	a.session = work.session
	served, err := a.served(ctx, d)
	if err != nil {
		return err
	}
	return a.print(of.kind.tell(served, of.full))
}

// outcome says how an operation is called and how its answer looks.
type outcome struct {
	operation string
	kind      kind
	full      bool
}
