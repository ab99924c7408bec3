// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// waiting is compute wait at work.
type waiting struct {
	clusterFlags
	wayIn
	attachment attachment
	showOutput bool
	timeout    time.Duration
}

func newComputeWait(o *options) *cobra.Command {
	f := &waiting{}
	c := o.named(&cobra.Command{
		Use:   "wait",
		Short: "Wait until Azure is done with a cluster, and attach one that was created",
		Long: "Wait until Azure is done with a cluster that is being created or deleted, and go on where the command that\n" +
			"began was stopped: a cluster that was created is attached.",
		Example: "  kubectl aml compute create aks -n fraud -g ml -l eastus --no-wait\n" +
			"  kubectl aml compute wait -n fraud",
	}, func(ctx context.Context, name string) error {
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		return o.waitAKS(ctx, name, f)
	})
	f.clusterFlags.add(c, o.Getenv)
	f.wayIn.add(c)
	s := c.Flags()
	s.BoolVar(&f.attachment.overwrite, "overwrite-existing", false, "Replace a context of this name that leads elsewhere")
	s.BoolVar(&f.attachment.use, "set-context", false, "Make the compute's context the current one")
	s.BoolVar(&f.attachment.skipCapacity, "skip-capacity-check", false, "Attach the cluster however small it is")
	s.DurationVar(&f.timeout, "timeout", createTime, "How long to wait")
	s.BoolVar(&f.showOutput, "show-output", true, "Tell Azure's state while waiting")
	return o.offersComputes(c)
}

func (o *options) waitAKS(ctx context.Context, name string, f *waiting) error {
	f.quiet = !f.showOutput
	t, client, err := f.find(o, name)
	if err != nil {
		return err
	}
	begun, known, err := client.Operation(t)
	if err != nil {
		return err
	}
	now, err := client.Wait(ctx, t)
	if err != nil {
		return err
	}
	if now.State == aks.StateDeleted {
		if err := o.forgetContext(ctx, name, t.ID()); err != nil {
			return err
		}
		o.answer("compute/%s deleted", name)
		return nil
	}
	if known && begun.Kind == aks.OperationCreate && begun.After != nil {
		return o.attachCreated(ctx, client, now, *begun.After, f)
	}
	o.answer("compute/%s %s", name, strings.ToLower(now.State))
	return nil
}

// attachCreated attaches a cluster whose creation another run began.
func (o *options) attachCreated(
	ctx context.Context, client *aks.Client, now aks.Cluster, after aks.After, f *waiting,
) error {
	a := after.Attachment
	if a.TLS != (compute.TLS{}) {
		o.tell("warning: compute %s has no certificate yet, for the files are with the command that began: "+
			"kubectl aml compute update-ssl gives it one", a.Name)
	}
	a.TLS = compute.TLS{}
	if err := o.finish(ctx, client, now, after, joining{attachment: f.attachment, wayIn: f.wayIn, record: a}); err != nil {
		return err
	}
	o.answer("compute/%s created", a.Name)
	return nil
}

// forgetContext takes the context of a compute whose cluster is gone out of the
// kubeconfig, if it leads to that cluster.
func (o *options) forgetContext(ctx context.Context, name, resourceID string) error {
	c, ok, err := o.computeContext(name)
	if err != nil || !ok || !strings.EqualFold(c.Marker.ResourceID, resourceID) {
		return err
	}
	if err := o.kubeconfig().Remove(ctx, c.Name); err != nil {
		return err
	}
	o.tellCurrentGone(c)
	return nil
}
