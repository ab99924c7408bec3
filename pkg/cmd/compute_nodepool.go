// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// newNodePool is the parent of everything about the pools of nodes of a compute.
func newNodePool(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "nodepool",
		Short: "Add, scale and delete pools of nodes of a compute on AKS",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPoolAdd(o), newPoolList(o), newPoolShow(o), newPoolScale(o), newPoolDelete(o))
	return c
}

// poolFlags name a pool of a compute.
type poolFlags struct {
	clusterFlags
	of, name string
	noWait   bool
	timeout  time.Duration
}

// poolCommand gives c the name of a compute and, with named, that of a pool.
func (o *options) poolCommand(
	c *cobra.Command, f *poolFlags, named bool, run func(ctx context.Context, client *aks.Client, t aks.Target) error,
) *cobra.Command {
	c.Args = exactArgs(0)
	c.RunE = o.compute(func(ctx context.Context) error {
		if f.of == "" || named && f.name == "" {
			return usageError{errors.New("which pool: write --compute COMPUTE and -n POOL")}
		}
		t, client, err := f.find(o, f.of)
		if err != nil {
			return err
		}
		if f.timeout > 0 {
			limited, cancel := context.WithTimeout(ctx, f.timeout)
			defer cancel()
			ctx = limited
		}
		return run(ctx, client, t)
	})
	f.add(c, o.Getenv)
	s := c.Flags()
	s.StringVar(&f.of, "compute", "", "Name of the compute")
	if named {
		s.StringVar(&f.name, "name", "", "Name of the pool")
		short(c, "name", "n")
	}
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("compute",
		func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return o.completeComputes(c, nil, typed)
		})
	return c
}

// changes gives c the flags of commands that Azure takes its time for.
func (f *poolFlags) changes(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&f.noWait, "no-wait", false, "Return when Azure has begun")
	c.Flags().DurationVar(&f.timeout, "timeout", createTime, "How long to wait")
	return c
}

func newPoolAdd(o *options) *cobra.Command {
	f, p := &poolFlags{}, &aks.PoolOptions{}
	low, high, priority := new(int), new(int), ""
	var c *cobra.Command
	c = f.changes(o.poolCommand(&cobra.Command{
		Use:   "add",
		Short: "Add a pool of nodes",
		Long: "Add a pool of nodes to a compute on AKS. Size, taints and labels are set here and never again. A pool with\n" +
			"--gpu has the taint " + aks.GPUTaint + ", so that only models with GPUs run on it.",
		Example: "  kubectl aml compute nodepool add --compute fraud -n gpu --gpu -s Standard_NC4as_T4_v3 -c 1",
	}, f, true, func(ctx context.Context, client *aks.Client, t aks.Target) error {
		if !slices.Contains([]string{"", "Regular", "Spot"}, priority) {
			return usageError{fmt.Errorf("--priority %q is not known: write Regular or Spot", priority)}
		}
		if c.Flags().Changed("min-count") {
			p.Autoscaler.Min = low
		}
		if c.Flags().Changed("max-count") {
			p.Autoscaler.Max = high
		}
		p.Name, p.Spot = f.name, priority == "Spot"
		return o.addPool(ctx, client, t, f, *p)
	}))
	s := c.Flags()
	s.IntVar(&p.Count, "node-count", 1, "Number of nodes")
	s.StringVar(&p.VMSize, "node-vm-size", aks.DefaultVMSize, "Size of the nodes")
	s.StringVar(&p.Mode, "mode", "User", "User, or System for one that runs the cluster itself")
	s.BoolVar(&p.Autoscaler.Enabled, "enable-cluster-autoscaler", false, "Let AKS add and remove nodes between the bounds")
	s.IntVar(low, "min-count", 0, "Fewest nodes of the autoscaler")
	s.IntVar(high, "max-count", 0, "Most nodes of the autoscaler")
	s.StringVar(&priority, "priority", "", "Regular, or Spot for nodes that can be taken away")
	s.BoolVar(&p.GPU, "gpu", false, "Keep all but models with GPUs off the nodes")
	s.StringVar(&p.Driver, "gpu-driver", "", "install or none: whether AKS installs the GPUs' driver")
	s.StringVar(&p.Instance, "gpu-instance-profile", "", "Slices of each GPU: MIG1g, MIG2g, MIG3g, MIG4g or MIG7g")
	s.StringSliceVar(&p.Taints, "node-taints", nil, "Taints of the nodes, KEY=VALUE:EFFECT,…")
	s.StringToStringVar(&p.Labels, "labels", nil, "Labels of the nodes, NAME=VALUE,…")
	s.StringVar(&p.SubnetID, "vnet-subnet-id", "", "Id of the nodes' subnet")
	short(c, "node-count", "c")
	short(c, "node-vm-size", "s")
	return c
}

func (o *options) addPool(
	ctx context.Context, client *aks.Client, t aks.Target, f *poolFlags, p aks.PoolOptions,
) error {
	now, err := client.Get(ctx, t)
	if err != nil {
		return err
	}
	facts := aks.Facts{Location: now.Location}
	if facts.SKUs, err = o.sizes(ctx, client, now.Location); err != nil {
		return err
	}
	pool, warnings, err := p.Build(facts)
	for _, w := range warnings {
		o.tell("warning: %s", w)
	}
	if err != nil {
		return usageError{errors.New(lines(err))}
	}
	if err := client.PutPool(ctx, t, p.Name, pool, true, !f.noWait); err != nil {
		return err
	}
	o.answer("nodepool/%s %s", p.Name, began(f.noWait, "creating", "created"))
	return nil
}

// began is what became of something that Azure takes its time for.
func began(noWait bool, during, after string) string {
	if noWait {
		return during
	}
	return after
}

func newPoolList(o *options) *cobra.Command {
	f := &poolFlags{}
	var output string
	c := o.poolCommand(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the pools of nodes",
		Example: "  kubectl aml compute nodepool list --compute fraud",
	}, f, false, func(ctx context.Context, client *aks.Client, t aks.Target) error {
		pools, err := client.Pools(ctx, t)
		if err != nil {
			return err
		}
		return o.printPools(pools, map[string]any{"items": pools}, output)
	})
	poolFormats(c, &output)
	return c
}

func newPoolShow(o *options) *cobra.Command {
	f := &poolFlags{}
	var output string
	c := o.poolCommand(&cobra.Command{
		Use: "show", Short: "Show a pool of nodes",
		Example: "  kubectl aml compute nodepool show --compute fraud -n gpu -o yaml",
	}, f, true, func(ctx context.Context, client *aks.Client, t aks.Target) error {
		pools, err := client.Pools(ctx, t)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(pools, func(p aks.Pool) bool { return p.Name == f.name })
		if i < 0 {
			return computeError{fmt.Errorf("compute %s has no node pool %s: "+
				"see kubectl aml compute nodepool list --compute %[1]s", f.of, f.name), exitNoCompute}
		}
		return o.printPools(pools[i:i+1], pools[i], output)
	})
	poolFormats(c, &output)
	return c
}

func poolFormats(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "", "Output format. One of: table, json, yaml, name")
	completesFormats(c, "table", "json", "yaml", "name")
}

func (o *options) printPools(pools []aks.Pool, object any, output string) error {
	format, err := printer.ParseFormat(tableFormat(output), printer.JSON, printer.YAML, printer.Name)
	if err != nil {
		return usageError{err}
	}
	l := printer.Listing{Object: object, Empty: "No node pools.", Columns: []printer.Column{{Name: "Name"}, {Name: "Mode"},
		{Name: "Size"}, {Name: "Nodes"}, {Name: "Autoscaler"}, {Name: "State"}, {Name: "Version"}}}
	for _, p := range pools {
		scaled := none
		if p.Autoscaled {
			scaled = fmt.Sprintf("%d-%d", p.MinCount, p.MaxCount)
		}
		l.Names = append(l.Names, "nodepool/"+p.Name)
		l.Rows = append(l.Rows, []any{p.Name, orNone(p.Mode), p.VMSize, p.Count, scaled, orNone(p.State),
			orNone(p.KubernetesVersion)})
	}
	return l.Print(o.Streams.Out, o.Streams.ErrOut, format)
}

func newPoolScale(o *options) *cobra.Command {
	f := &poolFlags{}
	count := -1
	c := f.changes(o.poolCommand(&cobra.Command{
		Use: "scale", Short: "Change the number of nodes of a pool",
		Example: "  kubectl aml compute nodepool scale --compute fraud -n gpu -c 2",
	}, f, true, func(ctx context.Context, client *aks.Client, t aks.Target) error {
		if count < 0 || count > aks.MaxNodes {
			return usageError{fmt.Errorf("--node-count is missing or out of range: write 0 to %d", aks.MaxNodes)}
		}
		pool, err := client.GetPool(ctx, t, f.name)
		switch {
		case err != nil:
			return err
		case pool.Properties == nil:
			return fmt.Errorf("node pool %s: Azure tells nothing of it", f.name)
		case pool.Properties.EnableAutoScaling != nil && *pool.Properties.EnableAutoScaling:
			return usageError{fmt.Errorf("node pool %s is scaled by the autoscaler: change its bounds with "+
				"az aks nodepool update --update-cluster-autoscaler", f.name)}
		}
		pool.Properties.Count = ptr.To(int32(count))
		if err := client.PutPool(ctx, t, f.name, pool, false, !f.noWait); err != nil {
			return err
		}
		o.answer("nodepool/%s %s", f.name, began(f.noWait, "scaling", "scaled"))
		return nil
	}))
	c.Flags().IntVar(&count, "node-count", -1, "Number of nodes")
	short(c, "node-count", "c")
	return c
}

func newPoolDelete(o *options) *cobra.Command {
	f := &poolFlags{}
	var yes bool
	c := f.changes(o.poolCommand(&cobra.Command{
		Use: "delete", Short: "Delete a pool of nodes, and what runs on it",
		Example: "  kubectl aml compute nodepool delete --compute fraud -n gpu",
	}, f, true, func(ctx context.Context, client *aks.Client, t aks.Target) error {
		if err := o.confirm(yes, f.name, "the node pool with all that runs there"); err != nil {
			return err
		}
		if err := client.DeletePool(ctx, t, f.name, !f.noWait); err != nil {
			return err
		}
		o.answer("nodepool/%s %s", f.name, began(f.noWait, "deleting", "deleted"))
		return nil
	}))
	c.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask")
	return c
}
