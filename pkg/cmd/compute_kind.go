// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute/kindcluster"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// kindFlags are the flags of compute create kind.
type kindFlags struct {
	image, config  string
	nodes          int
	nodesGiven     bool
	wait           time.Duration
	purpose        string
	skipCapacity   bool
	use, overwrite bool
	retain         bool
}

func newComputeCreateKind(o *options) *cobra.Command {
	k := &kindFlags{}
	c := &cobra.Command{
		Use:   "kind",
		Short: "Create a cluster in containers on this machine and attach it",
		Long: "Create a cluster in containers on this machine, with kind, and attach it: something to try endpoints on.\n" +
			"It takes Docker, Podman or nerdctl. The context of the kubeconfig has the compute's name; --namespace is\n" +
			"where the endpoints will be. If anything fails there is no cluster; one whose creation was cut off is made\n" +
			"anew by the next.\n\n" +
			"It needs no registry: where none is named, deploy puts images into the nodes from a folder of this\n" +
			"machine. For a registry on this machine, give kind a configuration with --config:\n" +
			"https://kind.sigs.k8s.io/docs/user/local-registry tells how. A kind cluster has no load\n" +
			"balancers: deploy with --service-type ClusterIP or NodePort.",
		Example: "  kubectl aml compute create kind -n lab --set-context\n\n" +
			"  # Another version of Kubernetes, and three nodes\n" +
			"  kubectl aml compute create kind -n lab --image kindest/node:v1.35.0 --nodes 3\n\n" +
			"  # It goes as it came\n" +
			"  kubectl aml compute delete -n lab",
	}
	o.named(c, func(ctx context.Context, name string) error {
		k.nodesGiven = c.Flags().Changed("nodes")
		return o.createKind(ctx, name, k)
	})
	f := c.Flags()
	f.StringVar(&k.image, "image", "", "Image of the nodes, which decides the version of Kubernetes (default: kind's own)")
	f.StringVar(&k.config, "config", "", "Configuration file of kind")
	f.IntVar(&k.nodes, "nodes", 1, "Number of nodes, all of which take pods")
	f.DurationVar(&k.wait, "wait", 5*time.Minute, "How long to wait until the nodes are ready; 0 does not wait")
	f.StringVar(&k.purpose, "cluster-purpose", string(endpoint.DevTest), fmt.Sprintf(
		"DevTest, or FastProd, which needs %d vCPUs and %d nodes", compute.MinCPUs, compute.MinNodes))
	f.BoolVar(&k.skipCapacity, "skip-capacity-check", false, "Attach the cluster however small it is")
	f.BoolVar(&k.overwrite, "overwrite-existing", false, "Replace a context of this name that leads elsewhere")
	f.BoolVar(&k.use, "set-context", false, "Make the compute's context the current one")
	f.BoolVar(&k.retain, "retain", false, "Keep the nodes when it fails, to look into them")
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("cluster-purpose", cobra.FixedCompletions(
		[]string{string(endpoint.DevTest), string(endpoint.FastProd)}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// read refuses flags that make no sense, all of them at once, and returns how the
// cluster is made and what it is attached as.
func (k *kindFlags) read(o *options, name string) (kindcluster.CreateOptions, compute.Attachment, error) {
	make := kindcluster.CreateOptions{
		Name: kindcluster.ClusterName(name), Image: k.image, Nodes: k.nodes, Wait: k.wait, Retain: k.retain,
	}
	purpose, err := compute.ParsePurpose(k.purpose)
	findings := []error{err}
	switch {
	case k.nodesGiven && k.config != "":
		findings = append(findings, errors.New("the nodes are in the configuration file: leave out --nodes, or --config"))
	case k.nodes < 1:
		findings = append(findings, fmt.Errorf("nodes %d: write 1 or more", k.nodes))
	}
	if k.wait < 0 {
		findings = append(findings, fmt.Errorf("wait %s: write 0 or more, such as 5m", k.wait))
	}
	if k.config != "" {
		if make.Config, err = os.ReadFile(o.path(k.config)); err != nil {
			findings = append(findings, fmt.Errorf("the configuration of kind cannot be read: %w", err))
		}
	}
	if err := errors.Join(findings...); err != nil {
		return make, compute.Attachment{}, usageError{err}
	}
	return make, compute.Attachment{
		Name: name, Provider: compute.Kind, Purpose: purpose, KindCluster: make.Name, Created: true,
		Namespace: cmp.Or(*o.flags.Namespace, metav1.NamespaceDefault),
	}, nil
}

func (o *options) createKind(ctx context.Context, name string, k *kindFlags) error {
	make, a, err := k.read(o, name)
	if err != nil {
		return err
	}
	if err := o.freeContext(name, k.overwrite); err != nil {
		return err
	}
	clusters, err := o.kindClusters()
	if err != nil {
		return err
	}
	start := o.Clock.Now()
	err = clusters.Create(ctx, make, func(ctx context.Context, config clientcmdapi.Config) error {
		return o.attachKind(ctx, a, k, config)
	})
	if errors.Is(err, kindcluster.ErrThere) {
		return computeError{fmt.Errorf("%w, %s: take another name, or attach it with kubectl aml compute attach kubernetes "+
			"-n %s --context %s", err, make.Name, name, kindcluster.ContextName(make.Name)), exitConflict}
	}
	if err != nil {
		return err
	}
	o.tell("kind cluster %s was made in %s", make.Name, o.Clock.Since(start).Round(time.Second))
	o.answer("compute/%s created", name)
	return nil
}

// freeContext refuses a name that a context has, before there is a cluster.
func (o *options) freeContext(name string, overwrite bool) error {
	there, taken, err := o.kubeconfig().Context(name)
	switch {
	case err != nil || !taken || overwrite:
		return err
	case there.Marker != nil:
		return computeError{fmt.Errorf("compute %s is there already: take another name, or delete it with kubectl aml "+
			"compute delete -n %[1]s", name), exitConflict}
	}
	return computeError{fmt.Errorf("the kubeconfig has a context %s, of another cluster: take another name, or add "+
		"--overwrite-existing", name), exitConflict}
}

// attachKind attaches a cluster that was just made, and writes the context that
// leads to it.
func (o *options) attachKind(
	ctx context.Context, a compute.Attachment, k *kindFlags, config clientcmdapi.Config,
) error {
	from := kindcluster.ContextName(a.KindCluster)
	kube, err := o.kubeFor(config, from)
	if err != nil {
		return err
	}
	if err := makeNamespace(ctx, kube, a.Namespace); err != nil {
		return err
	}
	r, _, err := o.attach(ctx, &Session{Namespace: a.Namespace, Kube: kube}, a, attachment{skipCapacity: k.skipCapacity})
	if err != nil {
		return err
	}
	return o.kubeconfig().Put(ctx, a.Name, config, from, compute.MarkerOf(r),
		compute.PutOptions{Namespace: a.Namespace, Overwrite: k.overwrite, Use: k.use})
}

// kubeFor is the client of the cluster that a context of the config leads to.
func (o *options) kubeFor(config clientcmdapi.Config, name string) (kubernetes.Interface, error) {
	to, err := clientcmd.NewDefaultClientConfig(config, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	if err != nil {
		return nil, err
	}
	if o.Kube != nil {
		return o.Kube(to)
	}
	return kubernetes.NewForConfig(to)
}

func makeNamespace(ctx context.Context, kube kubernetes.Interface, name string) error {
	_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
