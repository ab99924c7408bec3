// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// attachAKS is compute attach aks at work.
type attachAKS struct {
	attachment
	clusterFlags
	wayIn
}

func newComputeAttachAKS(o *options) *cobra.Command {
	f := &attachAKS{}
	c := o.named(&cobra.Command{
		Use:   "aks",
		Short: "Attach a cluster of AKS",
		Long: "Attach a cluster of AKS that is there already as the compute NAME. Nothing of the cluster is changed but\n" +
			"the record; the kubeconfig gets a context NAME. You need the role Azure Kubernetes Service Cluster User,\n" +
			"and the right to write the record in the cluster.",
		Example: "  kubectl aml compute attach aks -n fraud -g ml --cluster-name prod\n\n" +
			"  # Found by its id, for tests\n" +
			"  kubectl aml compute attach aks -n trial --cluster-purpose DevTest \\\n" +
			"    -i $(az aks show -g ml -n trial --query id -o tsv)",
	}, func(ctx context.Context, name string) error {
		already, err := o.attachAKS(ctx, name, f)
		if err == nil {
			o.answerAttached(name, already)
		}
		return err
	})
	f.attachment.add(c)
	f.clusterFlags.add(c, o.Getenv)
	f.wayIn.add(c)
	return c
}

func (o *options) attachAKS(ctx context.Context, name string, f *attachAKS) (already bool, err error) {
	a, err := f.read(name, compute.AKS)
	if err != nil {
		return false, err
	}
	t, ok, err := f.target(o, name)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, usageError{errors.New("which cluster: write -i ID, or -g GROUP and --cluster-name CLUSTER")}
	}
	f.compute = name
	client, err := f.client(o)
	if err != nil {
		return false, err
	}
	now, err := client.Get(ctx, t)
	if err != nil {
		return false, err
	}
	if err := o.attachable(now); err != nil {
		return false, err
	}
	o.tellSupport(ctx, client, now)
	a.ResourceID = t.ID()
	j := joining{attachment: f.attachment, wayIn: f.wayIn, record: a}
	j.ssl.region = now.Location
	already, err = o.join(ctx, client, t, j)
	if err != nil && now.Private {
		o.tell("note: the cluster is private: attach it from a machine in its network, or in one that is peered with it")
	}
	return already, err
}

// attachable remarks what is wrong with a cluster, and refuses one that cannot
// answer.
func (o *options) attachable(now aks.Cluster) error {
	if strings.EqualFold(now.Power, "Stopped") {
		return fmt.Errorf("cluster %s is stopped: start it with az aks start -g %s -n %[1]s", now.Name, now.ResourceGroup)
	}
	if now.LoadBalancerSKU == "basic" {
		o.tell("warning: the cluster has a basic load balancer, which is out of support since 30 September 2025: " +
			"see aka.ms/aks/basic-lb-upgrade")
	}
	sets := func(p aks.Pool) bool { return strings.EqualFold(p.Kind, "AvailabilitySet") }
	if slices.ContainsFunc(now.Pools, sets) {
		o.tell("warning: the cluster has pools of availability sets, which are out of support since 30 September 2025: " +
			"see aka.ms/aks/as2vms")
	}
	if owner := now.Tags[aks.TagManagedBy]; owner != "" && owner != aks.ManagedBy {
		o.tell("note: the cluster is looked after by %s", owner)
	}
	return nil
}

// tellSupport warns of a version of Kubernetes that AKS supports no more. Whoever
// may not ask for the versions attaches all the same.
func (o *options) tellSupport(ctx context.Context, client *aks.Client, now aks.Cluster) {
	offered, err := client.Versions(ctx, now.Location)
	if err != nil || len(offered) == 0 || now.KubernetesVersion == "" {
		return
	}
	supports := func(v aks.KubernetesVersion) bool {
		return strings.HasPrefix(now.KubernetesVersion+".", v.Version+".") &&
			(now.SupportPlan == "" || len(v.Plans) == 0 || slices.Contains(v.Plans, now.SupportPlan))
	}
	if !slices.ContainsFunc(offered, supports) {
		o.tell("warning: AKS supports Kubernetes %s of the cluster no more: upgrade it; "+
			"kubectl aml compute versions -l %s shows what there is", now.KubernetesVersion, now.Location)
	}
}
