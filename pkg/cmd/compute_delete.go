// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// deletion is compute delete at work.
type deletion struct {
	clusterFlags
	yes, noWait bool
	timeout     time.Duration
}

func newComputeDelete(o *options) *cobra.Command {
	f := &deletion{}
	c := o.named(&cobra.Command{
		Use:   "delete",
		Short: "Delete a cluster that was created as a compute, and all that runs there",
		Long: "Delete a cluster that compute create made, and all that runs there. A cluster that was attached is not\n" +
			"deleted: detach it. A run that is stopped is gone on with by the same command or by compute wait.",
		Example: "  kubectl aml compute delete trial\n\n" +
			"  # In a script\n" +
			"  kubectl aml compute delete -n trial --yes --no-wait",
	}, func(ctx context.Context, name string) error {
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		return o.deleteCompute(ctx, name, f)
	})
	f.add(c, o.Getenv)
	s := c.Flags()
	s.BoolVarP(&f.yes, "yes", "y", false, "Do not ask")
	s.BoolVar(&f.noWait, "no-wait", false, "Return when Azure has begun")
	s.DurationVar(&f.timeout, "timeout", createTime, "How long to wait")
	return o.offersComputes(c)
}

func (o *options) deleteCompute(ctx context.Context, name string, f *deletion) error {
	c, known, err := o.computeContext(name)
	if err != nil {
		return err
	}
	if known && c.Marker.Provider == compute.Kind {
		return o.deleteOwn(ctx, name, c, f, nil, aks.Target{})
	}
	t, client, err := f.find(o, name)
	if err != nil {
		return err
	}
	switch goesOn, err := client.DeleteGoesOn(ctx, t); {
	case err != nil:
		return err
	case goesOn: // asked before
		return o.deleteAKS(ctx, name, client, t, f)
	case known:
		return o.deleteOwn(ctx, name, c, f, client, t)
	}
	_, made, err := client.Operation(t)
	if err != nil {
		return err
	}
	// A cluster whose creation this machine began, and which was never attached.
	if !made {
		return noCompute{name}
	}
	if err := o.confirm(f.yes, name, "cluster "+t.Name+" in resource group "+t.ResourceGroup); err != nil {
		return err
	}
	return o.deleteAKS(ctx, name, client, t, f)
}

// deleteOwn deletes the cluster of an attached compute, if its record says that it
// was created as one.
func (o *options) deleteOwn(
	ctx context.Context, name string, c compute.Context, f *deletion, client *aks.Client, t aks.Target,
) error {
	_, r, err := o.recordOf(ctx, name, c, true)
	switch {
	case errors.Is(err, compute.ErrNotAttached):
		return fmt.Errorf("compute %s: its record is gone, so whether it was created as a compute is not known: "+
			"delete the cluster with az aks delete or kind delete cluster, and forget it with "+
			"kubectl aml compute detach -n %s --local-only", name, name)
	case err != nil:
		return err
	case !r.Created:
		return usageError{fmt.Errorf("compute %s was attached, not created: the cluster is not its to delete: "+
			"detach it with kubectl aml compute detach -n %s, or delete the cluster with az aks delete", name, name)}
	case client != nil && !strings.EqualFold(r.ResourceID, t.ID()):
		return fmt.Errorf("compute %s is the cluster %s by its record, and %s by the kubeconfig: "+
			"get its credentials anew", name, r.ResourceID, t.ID())
	}
	if err := o.confirm(f.yes, name, "the cluster with all that runs there"); err != nil {
		return err
	}
	if client == nil {
		return o.deleteKindCompute(ctx, name, r)
	}
	return o.deleteAKS(ctx, name, client, t, f)
}

// deleteAKS has Azure delete the cluster. Its record goes with it, and its context
// when it is gone.
func (o *options) deleteAKS(ctx context.Context, name string, client *aks.Client, t aks.Target, f *deletion) error {
	if err := client.Delete(ctx, t, !f.noWait); err != nil {
		return err
	}
	if f.noWait {
		if _, under, err := client.Operation(t); err != nil || under {
			o.answer("compute/%s deleting", name)
			return err
		}
	}
	if err := o.forgetContext(ctx, name, t.ID()); err != nil {
		return fmt.Errorf("the cluster is deleted and its context stays: %w; then run "+
			"kubectl aml compute detach -n %s --local-only", err, name)
	}
	o.answer("compute/%s deleted", name)
	return nil
}

// confirm asks for the compute's name, as people type it.
func (o *options) confirm(yes bool, name, what string) error {
	if yes {
		return nil
	}
	o.tell("This deletes %s. Type its name, %s, to go on:", what, name)
	line, err := bufio.NewReader(o.Streams.In).ReadString('\n')
	if strings.TrimSpace(line) == name {
		return nil
	}
	if line == "" && err != nil {
		return usageError{errors.New("nothing is deleted without an answer: write --yes")}
	}
	return usageError{fmt.Errorf("nothing is deleted: %q is not %q", strings.TrimSpace(line), name)}
}

// deleteKindCompute deletes a cluster of kind.
func (o *options) deleteKindCompute(ctx context.Context, name string, r compute.Record) error {
	if err := o.deleteKind(ctx, r.KindCluster); err != nil {
		return err
	}
	if err := o.forgetContext(ctx, name, r.ResourceID); err != nil {
		return err
	}
	o.answer("compute/%s deleted", name)
	return nil
}
