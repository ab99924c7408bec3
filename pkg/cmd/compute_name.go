// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// computeName is the name of the compute that a command is about: its argument,
// as kubectl's users write it, or -n, as az's do.
type computeName struct{ name string }

// named gives c the name of a compute, and what it does with it.
func (o *options) named(c *cobra.Command, run func(ctx context.Context, name string) error) *cobra.Command {
	return o.maybeNamed(c, func(ctx context.Context, name string) error {
		if name == "" {
			return usageError{errors.New("the name of the compute is missing: write -n NAME")}
		}
		return run(ctx, name)
	})
}

// maybeNamed is named for a command that does something without a name, too: then
// the name is empty.
func (o *options) maybeNamed(c *cobra.Command, run func(ctx context.Context, name string) error) *cobra.Command {
	var n computeName
	c.Use += " [NAME]"
	c.Flags().StringVar(&n.name, "name", "", "Name of the compute")
	short(c, "name", "n")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return exactArgs(1)(c, args)
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return o.compute(func(ctx context.Context) error {
			name, err := n.of(args)
			if err != nil {
				return err
			}
			return run(ctx, name)
		})(c, args)
	}
	return c
}

func (n computeName) of(args []string) (string, error) {
	name := n.name
	if len(args) == 1 {
		if name != "" && name != args[0] {
			return "", usageError{fmt.Errorf("two names, %s and %s: one is enough", name, args[0])}
		}
		name = args[0]
	}
	if name == "" {
		return "", nil
	}
	if err := compute.CheckName(name); err != nil {
		return "", usageError{err}
	}
	return name, nil
}

// offersComputes has c complete the names of the computes of the kubeconfig.
func (o *options) offersComputes(c *cobra.Command) *cobra.Command {
	c.ValidArgsFunction = o.completeComputes
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("name",
		func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return o.completeComputes(c, nil, typed)
		})
	return c
}

func (o *options) completeComputes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := o.kubeconfig().Computes()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, c := range all {
		if c.Marker != nil {
			names = append(names, c.Marker.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// kubeconfig is the user's, with the paths in it as they are written.
func (o *options) kubeconfig() compute.Kubeconfig {
	// Flags of their own: these are read once and kept.
	look := genericclioptions.NewConfigFlags(false)
	look.KubeConfig = o.flags.KubeConfig
	access := look.ToRawKubeConfigLoader().ConfigAccess()
	if rules, ok := access.(*clientcmd.ClientConfigLoadingRules); ok {
		asWritten := *rules
		asWritten.DoNotResolvePaths = true
		access = &asWritten
	}
	return compute.Kubeconfig{Access: access, Clock: o.Clock}
}

// computeContext is the context that leads to the compute, and whether there is
// one: most often it has the compute's name, but contexts can be renamed.
func (o *options) computeContext(name string) (compute.Context, bool, error) {
	k := o.kubeconfig()
	named, ok, err := k.Context(name)
	if err != nil || (ok && named.Marker != nil && named.Marker.Name == name) {
		return named, ok, err
	}
	all, err := k.Computes()
	if err != nil {
		return compute.Context{}, false, err
	}
	for _, c := range all {
		if c.Marker != nil && c.Marker.Name == name {
			return c, true, nil
		}
	}
	if named.Marker == nil {
		return compute.Context{}, false, nil
	}
	return named, ok, nil
}

// noCompute is for a name that no context of the kubeconfig leads to.
type noCompute struct{ name string }

func (e noCompute) Error() string {
	return fmt.Sprintf("no compute %q in the kubeconfig: see kubectl aml compute list, or attach it with "+
		"kubectl aml compute attach kubernetes -n %s --context CONTEXT", e.name, e.name)
}

// connectCompute connects to the cluster that the context of the compute leads to,
// or to the one that --context names.
func (o *options) connectCompute(c compute.Context) (*Session, error) {
	*o.flags.Context = cmp.Or(*o.flags.Context, c.Name)
	return o.connect()
}

// recordCode is the exit code of an error about the record of a compute; exitFailed
// if it is about anything else.
func recordCode(err error) int {
	var (
		attached *compute.AttachedError
		stale    *compute.StaleError
		taken    *compute.ConflictError
		denied   *compute.DeniedError
		none     noCompute
		small    tooSmall
		serving  servingError
	)
	switch {
	case errors.As(err, &attached) || errors.As(err, &stale) || errors.As(err, &taken) || errors.As(err, &serving):
		return exitConflict
	case errors.As(err, &small):
		return exitQuota
	case errors.As(err, &denied):
		return exitDenied
	case errors.As(err, &none) || errors.Is(err, compute.ErrNotAttached):
		return exitNoCompute
	}
	return exitFailed
}
