// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// newTargetUpdate is v1's update aks: update-ssl, and the load balancers as well.
func newTargetUpdate(o *options) *cobra.Command {
	var kind, subnet string
	c := newComputeUpdateSSL(o)
	c.Use, c.Short = "aks [NAME]", "Change the certificate and the load balancers of a compute target"
	c.Long, c.Example = "", ""
	ssl := c.RunE
	f := c.Flags()
	f.StringVar(&kind, "load-balancer-type", "", "PublicIp or InternalLoadBalancer, for endpoints deployed from then on")
	f.StringVar(&subnet, "load-balancer-subnet", "", "Subnet of the addresses of internal load balancers")
	f.Bool("no-wait", false, "Taken and not used: nothing is waited for")
	c.RunE = func(c *cobra.Command, args []string) error {
		balancer := f.Changed("load-balancer-type") || f.Changed("load-balancer-subnet")
		if balancer {
			name := cmp.Or(f.Lookup("name").Value.String(), strings.Join(args, ""))
			err := o.compute(func(ctx context.Context) error { return o.updateBalancer(ctx, name, kind, subnet) })(c, nil)
			if err != nil {
				return err
			}
		}
		if balancer && !saysSSL(f) {
			return nil
		}
		return ssl(c, args)
	}
	return c
}

// saysSSL tells whether a flag about the certificate was given.
func saysSSL(f *pflag.FlagSet) bool {
	said := false
	f.Visit(func(f *pflag.Flag) {
		said = said || strings.HasPrefix(f.Name, "ssl-") || f.Name == "import-legacy-tls"
	})
	return said
}

// updateBalancer changes the load balancers in the record. A subnet alone is that
// of the internal ones that the compute has, as with v1.
func (o *options) updateBalancer(ctx context.Context, name, kind, subnet string) error {
	c, known, err := o.computeContext(name)
	if err != nil {
		return err
	}
	if !known {
		return noCompute{name}
	}
	s, r, err := o.recordOf(ctx, name, c, known)
	if err != nil {
		return err
	}
	next := r.Attachment
	next.LoadBalancer, err = compute.ParseLoadBalancer(cmp.Or(kind, string(r.LoadBalancer.Type)), subnet)
	if err != nil {
		return usageError{err}
	}
	if _, err := compute.Replace(ctx, s.Kube, r, next); err != nil {
		return err
	}
	o.tell("note: endpoints that have a load balancer keep it as it is; new ones get one of %s", next.LoadBalancer.Type)
	return nil
}
