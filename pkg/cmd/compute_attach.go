// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// attachment are the flags of everything that attaches a cluster.
type attachment struct {
	purpose, balancer, subnet    string
	skipCapacity, overwrite, use bool
	ssl                          sslFlags
}

func (a *attachment) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.purpose, "cluster-purpose", string(endpoint.FastProd), fmt.Sprintf(
		"FastProd, which needs %d vCPUs and %d nodes, or DevTest", compute.MinCPUs, compute.MinNodes))
	f.StringVar(&a.balancer, "load-balancer-type", string(compute.PublicIP),
		"How endpoints with a load balancer are reached: PublicIp or InternalLoadBalancer")
	f.StringVar(&a.subnet, "load-balancer-subnet", "", "Subnet of the addresses of internal load balancers")
	a.ssl.add(c)
	f.BoolVar(&a.skipCapacity, "skip-capacity-check", false, "Attach a cluster however small it is")
	f.BoolVar(&a.overwrite, "overwrite-existing", false, "Replace a context of this name that leads elsewhere")
	f.BoolVar(&a.use, "set-context", false, "Make the compute's context the current one")
	// The only errors are a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("cluster-purpose", cobra.FixedCompletions(
		[]string{string(endpoint.FastProd), string(endpoint.DevTest)}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("load-balancer-type", cobra.FixedCompletions(
		[]string{string(compute.PublicIP), string(compute.Internal)}, cobra.ShellCompDirectiveNoFileComp))
}

// read is what the flags say about the compute.
func (a *attachment) read(name string, provider compute.Provider) (compute.Attachment, error) {
	purpose, purposeErr := compute.ParsePurpose(a.purpose)
	balancer, balancerErr := compute.ParseLoadBalancer(a.balancer, a.subnet)
	if err := errors.Join(purposeErr, balancerErr); err != nil {
		return compute.Attachment{}, usageError{errors.New(lines(err))}
	}
	if err := a.ssl.check(balancer.Type); err != nil {
		return compute.Attachment{}, err
	}
	return compute.Attachment{Name: name, Provider: provider, Purpose: purpose, LoadBalancer: balancer}, nil
}

func newComputeAttachKubernetes(o *options) *cobra.Command {
	var a attachment
	var resourceID string
	c := o.named(&cobra.Command{
		Use:     "kubernetes",
		Aliases: []string{"k8s"},
		Short:   "Attach the cluster of a context, wherever it runs",
		Long: "Attach the cluster of a context, wherever it runs, as the compute NAME.\n\n" +
			"The cluster gets a record of it, which everybody who deploys there is told by; it can be attached once.\n" +
			"The kubeconfig gets a context NAME with the cluster and the user of the one given. The current context\n" +
			"stays. --context is the one to attach and --namespace where the endpoints will be; without them, those\n" +
			"that kubectl would use.",
		Example: "  # The cluster of the current context, for production\n" +
			"  kubectl aml compute attach kubernetes -n fraud\n\n" +
			"  # A cluster of kind, with the endpoints in a namespace of their own\n" +
			"  kubectl aml compute attach kubernetes -n laptop --context kind-kind --namespace models --cluster-purpose DevTest",
	}, func(ctx context.Context, name string) error { return o.attachKubernetes(ctx, name, resourceID, a) })
	a.add(c)
	c.Flags().StringVar(&resourceID, "compute-resource-id", "", "Taken to say what to do instead")
	short(c, "compute-resource-id", "i")
	return c
}

// attachKubernetes attaches the cluster of the context that --context names.
func (o *options) attachKubernetes(ctx context.Context, name, resourceID string, flags attachment) error {
	if err := refuseResourceID(resourceID); err != nil {
		return err
	}
	a, err := flags.read(name, compute.Kubernetes)
	if err != nil {
		return err
	}
	if *o.flags.APIServer+*o.flags.ClusterName+*o.flags.AuthInfoName != "" {
		return usageError{errors.New("a context is attached: leave out --server, --cluster and --user, " +
			"make a context of them with kubectl config set-context, and write --context")}
	}
	k := o.kubeconfig()
	config, err := k.Access.GetStartingConfig()
	if err != nil {
		return err
	}
	from := cmp.Or(*o.flags.Context, config.CurrentContext)
	if config.Contexts[from] == nil {
		return usageError{fmt.Errorf("there is no context %q to attach: write --context; "+
			"see kubectl config get-contexts", from)}
	}
	*o.flags.Context = from
	a.Namespace = cmp.Or(*o.flags.Namespace, config.Contexts[from].Namespace, metav1.NamespaceDefault)
	put := compute.PutOptions{Namespace: a.Namespace, Overwrite: flags.overwrite, Use: flags.use}
	// Told before the cluster is changed.
	if err := k.Check(name, *config, from, compute.Marker{Name: name, Provider: a.Provider}, put); err != nil {
		return err
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	r, already, err := o.attach(ctx, s, a, flags)
	if err != nil {
		return err
	}
	if err := k.Put(ctx, name, *config, from, compute.MarkerOf(r), put); err != nil {
		return fmt.Errorf("the cluster is attached but the kubeconfig has no context for it: %w; "+
			"then write the same command again", err)
	}
	o.answerAttached(name, already)
	return nil
}

// answerAttached answers as kubectl does.
func (o *options) answerAttached(name string, already bool) {
	if already {
		o.answer("compute/%s unchanged (already attached)", name)
		return
	}
	o.answer("compute/%s attached", name)
}

// attach checks the cluster of s and writes its record. Whoever it is attached by
// already is told first: what else is wrong does not matter then.
func (o *options) attach(
	ctx context.Context, s *Session, a compute.Attachment, flags attachment,
) (r compute.Record, already bool, err error) {
	a.AttachedFrom, a.ToolVersion = o.Holder, version
	a.AttachedAt = o.Clock.Now().UTC().Truncate(time.Second)
	if a.TLS, err = flags.ssl.record(); err != nil {
		return compute.Record{}, false, err
	}
	if _, err := compute.Read(ctx, s.Kube); err == nil {
		r, already, err = compute.Attach(ctx, s.Kube, a)
		if already && flags.ssl.given() {
			o.tell("note: the certificate stays as it is: kubectl aml compute update-ssl %s changes it", a.Name)
		}
		return r, already, err
	}
	if err := o.capable(ctx, s, a.Purpose, flags.skipCapacity); err != nil {
		return compute.Record{}, false, err
	}
	left, err := compute.Legacy(ctx, s.Kube)
	if err != nil {
		return compute.Record{}, false, err
	}
	if len(left) > 0 {
		o.tell("warning: Azure ML v1 left its front end in the cluster; when nothing uses it any more, delete it with\n  %s",
			strings.Join(left, "\n  "))
	}
	if !flags.ssl.given() {
		return compute.Attach(ctx, s.Kube, a)
	}
	return o.attachWithTLS(ctx, s, a, flags)
}

// attachWithTLS writes the record before the certificate: of two who attach at
// once only the one whose record it is brings theirs. Without it there is no
// record.
func (o *options) attachWithTLS(
	ctx context.Context, s *Session, a compute.Attachment, flags attachment,
) (r compute.Record, already bool, err error) {
	tls, bring, err := flags.ssl.ready(ctx, o, s, a.Namespace)
	if err != nil {
		return r, false, err
	}
	a.TLS = tls
	if r, already, err = compute.Attach(ctx, s.Kube, a); err != nil || already {
		return r, already, err
	}
	if err := bring(ctx); err != nil {
		if left := compute.Detach(context.WithoutCancel(ctx), s.Kube, r); left != nil {
			return r, false, fmt.Errorf("%w; and the record that was made stays: %w", err, left)
		}
		return compute.Record{}, false, err
	}
	return r, false, nil
}

// tooSmall is for a cluster that has less than its purpose asks for.
type tooSmall struct{ error }

// capable refuses a cluster that is too small for the purpose, or too old for the
// chart.
func (o *options) capable(ctx context.Context, s *Session, purpose endpoint.Purpose, skip bool) error {
	if err := s.recent(ctx); err != nil {
		return err
	}
	if skip {
		return nil
	}
	nodes, err := s.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return compute.Denied("list the nodes (--skip-capacity-check attaches without)", err)
	}
	warning, err := compute.Measure(nodes.Items).Enough(purpose)
	if err != nil {
		return tooSmall{fmt.Errorf("%w. Use --cluster-purpose DevTest, or --skip-capacity-check", err)}
	}
	if warning != "" {
		o.tell("warning: %s", warning)
	}
	return nil
}

// refuseResourceID says what to do with an id of Azure.
func refuseResourceID(id string) error {
	switch {
	case id == "":
		return nil
	case strings.Contains(strings.ToLower(id), "/microsoft.kubernetes/connectedclusters/"):
		return usageError{errors.New("a cluster of Azure Arc is reached through az connectedk8s proxy: " +
			"run that, and attach the context it makes with --context")}
	case strings.Contains(strings.ToLower(id), "/microsoft.containerservice/managedclusters/"):
		return usageError{fmt.Errorf("this is a cluster of AKS: write kubectl aml compute attach aks -i %s", id)}
	}
	return usageError{fmt.Errorf("resource id %q is of no cluster: leave it out and write --context CONTEXT", id)}
}
