// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// clusterFlags name a cluster of Azure, and how it is reached.
type clusterFlags struct {
	azureAccess
	id, group, cluster string
}

func (f *clusterFlags) add(c *cobra.Command, getenv func(string) string) {
	f.azureAccess.add(c, getenv)
	s := c.Flags()
	s.StringVar(&f.id, "compute-resource-id", "", "Id of the cluster in Azure")
	s.StringVar(&f.group, "resource-group", "", "Resource group of the cluster, in place of the id")
	s.StringVar(&f.cluster, "cluster-name", "", "Name of the cluster in it; that of the compute if not given")
	short(c, "compute-resource-id", "i")
	short(c, "resource-group", "g")
}

// target is the cluster that the flags name, and false if they name none.
func (f *clusterFlags) target(o *options, name string) (aks.Target, bool, error) {
	switch {
	case f.id != "" && (f.group != "" || f.cluster != ""):
		return aks.Target{}, false, usageError{errors.New("--compute-resource-id names the cluster: " +
			"leave out --resource-group and --cluster-name, or the id")}
	case f.id != "":
		t, err := aks.ParseTarget(f.id)
		if err != nil {
			return t, false, usageError{err}
		}
		f.subscription = cmp.Or(f.subscription, t.Subscription)
		return t, true, nil
	case f.group == "" && f.cluster != "":
		return aks.Target{}, false, usageError{errors.New("--cluster-name needs --resource-group")}
	case f.group == "":
		return aks.Target{}, false, nil
	}
	subscription, err := f.inSubscription(o)
	if err != nil {
		return aks.Target{}, false, err
	}
	return aks.Target{Subscription: subscription, ResourceGroup: f.group, Name: cmp.Or(f.cluster, name)}, true, nil
}

// find is the cluster of the compute: the one that the flags name, else the one
// of its context, else the one that a create of that name was begun for.
func (f *clusterFlags) find(o *options, name string) (aks.Target, *aks.Client, error) {
	f.compute = name
	t, ok, err := f.target(o, name)
	if err != nil {
		return t, nil, err
	}
	if !ok {
		c, known, err := o.computeContext(name)
		if err != nil {
			return t, nil, err
		}
		if known {
			if c.Marker.ResourceID == "" {
				return t, nil, usageError{fmt.Errorf("compute %s is no cluster of Azure", name)}
			}
			if t, err = aks.ParseTarget(c.Marker.ResourceID); err != nil {
				return t, nil, err
			}
			f.subscription = cmp.Or(f.subscription, t.Subscription)
			ok = true
		}
	}
	if !ok {
		if t, err = f.begun(o, name); err != nil {
			return t, nil, err
		}
	}
	client, err := f.client(o)
	return t, client, err
}

// begun is the cluster that this machine has begun to create or delete for the
// compute. It says itself which subscription it is in.
func (f *clusterFlags) begun(o *options, name string) (t aks.Target, err error) {
	look := f.azureAccess
	look.subscription = cmp.Or(f.subscription, "any") // nothing is sent
	client, err := look.client(o)
	if err != nil {
		return t, err
	}
	all, err := client.Operations()
	if err != nil {
		return t, err
	}
	all = slices.DeleteFunc(all, func(b aks.Operation) bool { return b.Compute != name })
	switch len(all) {
	case 0:
		return t, noCompute{name}
	case 1:
		if t, err = aks.ParseTarget(all[0].ResourceID); err == nil {
			f.subscription = cmp.Or(f.subscription, t.Subscription)
		}
		return t, err
	}
	ids := make([]string, len(all))
	for i, b := range all {
		ids[i] = b.ResourceID
	}
	return t, usageError{fmt.Errorf("several clusters were begun for compute %s: write -i with one of %s",
		name, strings.Join(ids, ", "))}
}

// login is the command that signs people in to clusters with Entra: kubelogin
// where there is one, else this plugin; nil leaves it to kubelogin.
func login(self bool) []string {
	if _, err := exec.LookPath("kubelogin"); err == nil && !self {
		return nil
	}
	return []string{"kubectl-aml", "compute", "token"}
}

// wayIn says how the credentials of a cluster of Azure are got.
type wayIn struct{ admin, publicFQDN, self bool }

func (w *wayIn) add(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&w.admin, "admin", false, "Use the local account of the administrator")
	f.BoolVar(&w.publicFQDN, "public-fqdn", false, "Use the public name of a private cluster")
	f.BoolVar(&w.self, "exec-self", false, "Let this plugin sign in to clusters with Entra, though there is a kubelogin")
}

func (w wayIn) options() aks.CredentialOptions {
	return aks.CredentialOptions{Admin: w.admin, PublicFQDN: w.publicFQDN, Login: login(w.self)}
}

// joining is a cluster of Azure that is attached.
type joining struct {
	attachment
	wayIn
	record compute.Attachment
}

// join attaches a cluster of Azure: it gets its credentials, writes the record and
// then the context. What is done already is not done again.
func (o *options) join(ctx context.Context, client *aks.Client, t aks.Target, j joining) (already bool, err error) {
	config, err := client.Credentials(ctx, t, j.options())
	if err != nil {
		return false, err
	}
	a, from, k := j.record, config.CurrentContext, o.kubeconfig()
	a.Namespace = cmp.Or(a.Namespace, *o.flags.Namespace, metav1.NamespaceDefault)
	put := compute.PutOptions{Namespace: a.Namespace, Overwrite: j.overwrite, Use: j.use}
	marker := compute.Marker{Name: a.Name, Provider: a.Provider, ResourceID: a.ResourceID}
	if err := k.Check(a.Name, config, from, marker, put); err != nil {
		return false, err
	}
	s, err := o.sessionOf(config, a.Namespace)
	if err != nil {
		return false, err
	}
	if err := s.makeNamespace(ctx); err != nil {
		return false, err
	}
	r, already, err := o.attach(ctx, s, a, j.attachment)
	if err != nil {
		return false, err
	}
	if err := k.Put(ctx, a.Name, config, from, compute.MarkerOf(r), put); err != nil {
		return already, fmt.Errorf("the cluster is attached but the kubeconfig has no context for it: %w; "+
			"then run kubectl aml compute get-credentials -n %s -i %s", err, a.Name, t.ID())
	}
	return already, nil
}

// sessionOf connects to the cluster of the config's current context.
func (o *options) sessionOf(config clientcmdapi.Config, namespace string) (*Session, error) {
	to, err := clientcmd.NewDefaultClientConfig(config, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	s := &Session{Namespace: namespace, REST: to}
	if o.Kube != nil {
		s.Kube, err = o.Kube(to)
		return s, err
	}
	if s.Kube, err = kubernetes.NewForConfig(to); err != nil {
		return nil, err
	}
	s.Dynamic, err = dynamic.NewForConfig(to)
	return s, err
}

// makeNamespace makes the session's namespace if it is not there. Who may not make
// one may still attach where there is one.
func (s *Session) makeNamespace(ctx context.Context) error {
	_, err := s.Kube.CoreV1().Namespaces().Get(ctx, s.Namespace, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		if apierrors.IsForbidden(err) {
			return nil
		}
		return err
	}
	_, err = s.Kube.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return compute.Denied("create the namespace "+s.Namespace, err)
}

// lines is a joined error as one line, its parts divided by semicolons.
func lines(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
