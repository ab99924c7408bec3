// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
)

// buildFlags are the flags of build.
type buildFlags struct{ deployFlags }

func newBuild(o *options) *cobra.Command {
	b := &buildFlags{}
	c := &cobra.Command{
		Use:   "build",
		Short: "Build the environment of an inference config, unless a registry has it",
		Long: "Build the image of the environment that an inference config describes, and print its name. It is looked\n" +
			"for in the registry and in the global ones first; what is built goes to the registry, where deploy finds\n" +
			"it. The same packages on the same base are built once, in whatever order they are written.",
		Example: "  # Build what deploy would build\n" +
			"  kubectl aml build --inference-config inferenceconfig.json --registry example.azurecr.io\n\n" +
			"  # See the Dockerfile\n" +
			"  kubectl aml build --inference-config inferenceconfig.json --dry-run",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.buildEnvironment(c.Context(), b) },
	}
	f := c.Flags()
	f.StringVar(&b.inferenceConfig, "inference-config", "", "Azure ML's inferenceconfig.json (or YAML)")
	b.environment.add(c, o, &b.registryFlags)
	f.BoolVar(&b.relativeToFile, "relative-to-file", false, "Take the paths in a config file from the file's folder; "+
		"Azure ML took them from the working directory")
	f.StringVar(&b.dryRun, "dry-run", "none", `Must be "none", or "client" (print the Dockerfile and build nothing)`)
	f.Lookup("dry-run").NoOptDefVal = "client"
	_ = c.RegisterFlagCompletionFunc("dry-run", // the only error is a second one
		cobra.FixedCompletions([]string{"none", "client"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = cobra.NoFileCompletions
	b.registryFlags.add(c, o.Getenv, "Where environments are")
	b.builderFlags.add(c, o.Getenv)
	return c
}

func (o *options) buildEnvironment(ctx context.Context, b *buildFlags) error {
	e, err := o.readEnvironment(ctx, b)
	if err != nil {
		return err
	}
	s, err := o.site(&b.sourceFlags, e)
	if err != nil {
		return err
	}
	pinned, err := s.pin(ctx, e)
	if err != nil {
		return fmt.Errorf("the environment's base: %w", err)
	}
	if b.dryRun == "client" {
		return s.show(pinned)
	}
	reference, err := s.ensure(ctx, pinned)
	if err == nil {
		o.answer("%s", reference)
	}
	return err
}

// readEnvironment reads the files and flags, and refuses what cannot be right.
func (o *options) readEnvironment(ctx context.Context, b *buildFlags) (environment.Environment, error) {
	if err := b.checkBuild(o); err != nil {
		return environment.Environment{}, err
	}
	config, findings, err := o.inferenceConfig(ctx, &b.deployFlags)
	if err != nil {
		return environment.Environment{}, err
	}
	var code amlv1.Code
	if b.inferenceConfig != "" {
		var unresolved amlv1.Findings
		code, unresolved = o.resolve(config, &b.deployFlags)
		findings = append(findings, unresolved...)
	}
	if findings.Err() != nil {
		o.warn(findings)
		return environment.Environment{}, findings.Err()
	}
	e, found := environmentOf(config, code)
	o.warn(append(findings, found...))
	return e, found.Err()
}

func (b *buildFlags) checkBuild(o *options) error {
	errs := []error{b.registryFlags.check(o), b.builderFlags.check()}
	refuse := func(text string) { errs = append(errs, usageError{errors.New(text)}) }
	if b.inferenceConfig == "" && b.environment == (environmentFlags{}) {
		refuse("nothing to build: give --inference-config, --environment-directory or --environment-name")
	}
	if !slices.Contains([]string{"none", "client"}, b.dryRun) {
		refuse(fmt.Sprintf("dry-run %q is not known: write none or client", b.dryRun))
	}
	if b.registry == "" && b.dryRun == "none" {
		refuse("no registry to push the environment to: name one with --registry or AML_REGISTRY")
	}
	return errors.Join(errs...)
}

// show prints the Dockerfile; what it is for is told.
func (s site) show(p environment.Pinned) error {
	if ready, ok := p.Ready(); ok {
		s.tell("environment: nothing is built: %s has everything", ready)
		return nil
	}
	s.tell("environment: its digest is %s", p.Digest())
	_, err := fmt.Fprint(s.Streams.Out, p.Dockerfile())
	return err
}
