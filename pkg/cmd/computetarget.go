// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// newComputeTarget is what Azure ML v1 called computes, with its flags and
// answers.
func newComputeTarget(o *options) *cobra.Command {
	parent := func(use, short string, children ...*cobra.Command) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short,
			RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
		c.AddCommand(children...)
		return c
	}
	return parent("computetarget", "Azure ML v1's commands for the clusters that endpoints run on",
		parent("create", "Create a cluster and attach it", o.asTarget(newCreateAKS, true)),
		parent("attach", "Attach a cluster that is there already",
			o.asTarget(newComputeAttachAKS, true), o.asTarget(newComputeAttachKubernetes, true)),
		parent("update", "Change how the endpoints of a compute target are reached", o.asTarget(newTargetUpdate, true)),
		o.asTarget(newComputeDetach, false), o.asTarget(newComputeDelete, false),
		o.asTarget(newComputeGetCredentials, false), newTargetShow(o), newTargetList(o))
}

// targetFlags are those that the commands of v1 have beside ours. The resource
// group and the subscription were the workspace's, where clusters were made.
type targetFlags struct {
	workspace, path, output, query, group string
	full                                  bool
	out                                   printer.Azure
}

func (f *targetFlags) add(c *cobra.Command) {
	s := c.Flags()
	const usage = "Taken and not used: there is no workspace"
	s.StringVarP(&f.workspace, "workspace-name", "w", "", usage)
	s.StringVar(&f.path, "path", "", usage)
	s.BoolVarP(&f.full, "full", "v", false, "Taken and not used: all that is known is printed")
	s.StringVar(&f.query, "query", "", "JMESPath of what to print of the answer")
	if s.Lookup("resource-group") == nil {
		s.StringVar(&f.group, "resource-group", "", usage)
		short(c, "resource-group", "g")
	}
	if s.Lookup("output") == nil {
		s.StringVarP(&f.output, "output", "o", "", "Output format. One of: "+printer.AzureFormats)
	} else {
		s.Lookup("output").Usage = "Output format. One of: " + printer.AzureFormats
	}
	if s.Lookup("subscription") == nil {
		s.String("subscription", "", usage)
	}
	other := s.GetNormalizeFunc()
	s.SetNormalizeFunc(func(s *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "subscription-id" {
			name = "subscription"
		}
		return other(s, name)
	})
}

// begin checks the flags of v1, and says which change nothing. What -o says is not
// for the command below.
func (f *targetFlags) begin(o *options, c *cobra.Command) error {
	output := c.Flags().Lookup("output").Value
	format, err := printer.ParseAzureFormat(cmp.Or(output.String(), o.Getenv("AZURE_CORE_OUTPUT"), "json"))
	query, queryErr := printer.ParseQuery(f.query)
	if err := errors.Join(err, queryErr, output.Set("")); err != nil {
		return usageError{err}
	}
	f.out = printer.Azure{Format: format, Query: query}
	(&workspaceFlags{workspace: f.workspace, path: f.path, group: f.group}).remark(o)
	return nil
}

// asTarget is a command of compute as v1 had it: without questions, and with the
// compute target as its answer if it has one.
func (o *options) asTarget(build func(*options) *cobra.Command, answers bool) *cobra.Command {
	below := *o
	below.Streams.Out = o.Streams.ErrOut // its words are for people here
	c, f := build(&below), &targetFlags{}
	f.add(c)
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		output := c.Flags().Lookup("output").Value
		asked := output.String()
		if err := f.begin(o, c); err != nil {
			return err
		}
		if yes := c.Flags().Lookup("yes"); yes != nil {
			if err := yes.Value.Set("true"); err != nil {
				return err
			}
		}
		dry := c.Flags().Changed("dry-run")
		if dry {
			below.Streams.Out = o.Streams.Out
			if err := output.Set(asked); err != nil {
				return err
			}
		}
		if err := run(c, args); err != nil || !answers || dry {
			return err
		}
		name := cmp.Or(c.Flags().Lookup("name").Value.String(), strings.Join(args, ""))
		access := azureAccess{endpoint: o.Getenv("AML_ARM_ENDPOINT")}
		for flag, to := range map[string]*string{"cloud": &access.cloud, "arm-endpoint": &access.endpoint} {
			if given := c.Flags().Lookup(flag); given != nil {
				*to = given.Value.String()
			}
		}
		return o.compute(func(ctx context.Context) error { return o.printTarget(ctx, name, f, &access, true) })(c, nil)
	}
	return c
}

func newTargetShow(o *options) *cobra.Command {
	f, access := &targetFlags{}, &azureAccess{}
	c := o.offersComputes(o.named(&cobra.Command{Use: "show", Short: "Show a compute target"},
		func(ctx context.Context, name string) error { return o.printTarget(ctx, name, f, access, false) }))
	access.addCloud(c, o.Getenv)
	f.add(c)
	return f.wrapped(o, c)
}

// wrapped has the flags of v1 checked before c runs.
func (f *targetFlags) wrapped(o *options, c *cobra.Command) *cobra.Command {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.begin(o, c); err != nil {
			return err
		}
		return run(c, args)
	}
	return c
}

func newTargetList(o *options) *cobra.Command {
	f := &targetFlags{}
	c := &cobra.Command{
		Use: "list", Short: "List the compute targets of the kubeconfig", Args: exactArgs(0),
		RunE: o.compute(func(context.Context) error {
			all, err := o.kubeconfig().Computes()
			if err != nil {
				return err
			}
			list := []target{}
			for _, c := range all {
				if c.Marker != nil {
					list = append(list, newTarget(computeShown{computeListed: listed(c)}))
				}
			}
			return f.out.Print(o.Streams.Out, list)
		}),
	}
	f.add(c)
	return f.wrapped(o, c)
}

func (o *options) printTarget(
	ctx context.Context, name string, f *targetFlags, access *azureAccess, begun bool,
) error {
	if _, known, err := o.computeContext(name); err == nil && !known && begun {
		return nil // Azure has begun and there is nothing to show yet
	}
	shown, err := o.showCompute(ctx, name, access)
	if err != nil {
		return err
	}
	if shown.Message != "" {
		o.tell("warning: %s", shown.Message)
	}
	return f.out.Print(o.Streams.Out, newTarget(shown))
}

// target is a compute as v1 printed it, with the names of its JSON.
type target struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Tags       map[string]string `json:"tags"`
	Location   string            `json:"location"`
	Properties targetProperties  `json:"properties"`
}

type targetProperties struct {
	ComputeType        string        `json:"computeType"`
	ComputeLocation    string        `json:"computeLocation"`
	Description        string        `json:"description"`
	ResourceID         string        `json:"resourceId"`
	IsAttachedCompute  bool          `json:"isAttachedCompute"`
	ProvisioningState  string        `json:"provisioningState"`
	ProvisioningErrors []string      `json:"provisioningErrors"`
	Properties         targetCluster `json:"properties"`
}

type targetCluster struct {
	AgentVMSize        string    `json:"agentVmSize"`
	AgentCount         int       `json:"agentCount"`
	ClusterPurpose     string    `json:"clusterPurpose"`
	ClusterFQDN        string    `json:"clusterFqdn"`
	SystemServices     []string  `json:"systemServices"`
	SSL                targetSSL `json:"sslConfiguration"`
	LoadBalancerType   string    `json:"loadBalancerType"`
	LoadBalancerSubnet string    `json:"loadBalancerSubnet"`
}

type targetSSL struct {
	Status string `json:"status"`
	CName  string `json:"cname,omitempty"`
	Label  string `json:"leafDomainLabel,omitempty"`
}

func newTarget(s computeShown) target {
	t := target{ID: s.ResourceID, Name: s.Name, Tags: map[string]string{}}
	t.Properties = targetProperties{ComputeType: "Kubernetes", ResourceID: s.ResourceID, IsAttachedCompute: true,
		ProvisioningState: targetState(s.State),
		Properties:        targetCluster{AgentCount: s.Nodes, SSL: targetSSL{Status: "Disabled"}}}
	p := &t.Properties
	if s.Provider == compute.AKS {
		p.ComputeType = "AKS"
	}
	if r := s.Record; r != nil {
		p.IsAttachedCompute = !r.Created
		p.Properties.ClusterPurpose = string(r.Purpose)
		p.Properties.LoadBalancerType, p.Properties.LoadBalancerSubnet = string(r.LoadBalancer.Type), r.LoadBalancer.Subnet
		switch {
		case r.TLS.DNSLabel != "":
			p.Properties.SSL = targetSSL{Status: "Auto", CName: r.TLS.Host, Label: r.TLS.DNSLabel}
		case r.TLS.Secret != "":
			p.Properties.SSL = targetSSL{Status: "Enabled", CName: r.TLS.Host}
		}
	}
	if a := s.Azure; a != nil {
		t.Location, t.Tags, p.ComputeLocation, p.ProvisioningState = a.Location, a.Tags, a.Location, a.State
		p.Properties.ClusterFQDN = cmp.Or(a.FQDN, a.PrivateFQDN)
		if len(a.Pools) > 0 {
			p.Properties.AgentVMSize, p.Properties.AgentCount = a.Pools[0].VMSize, int(a.Pools[0].Count)
		}
	}
	if p.ProvisioningState == "Failed" && s.Message != "" {
		p.ProvisioningErrors = []string{s.Message}
	}
	return t
}

// targetState is v1's word for what a compute is found to be; empty if nobody was
// asked.
func targetState(state string) string {
	switch state {
	case "", stateUnknown:
		return ""
	case stateAttached:
		return "Succeeded"
	}
	return "Failed"
}
