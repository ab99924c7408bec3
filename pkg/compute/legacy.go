// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// What Azure ML v1 put into a cluster and left there: see "re-attach" in
// how-to-create-attach-kubernetes.md of its documents.
const (
	// LegacyNamespace is where it is.
	LegacyNamespace = metav1.NamespaceDefault
	// LegacySecret has the certificate of the old front end, cert.pem and key.pem.
	LegacySecret = "azuremlfessl" //nolint:gosec // the name of a Secret
)

// Leftover is an object that Azure ML v1 left in a cluster.
type Leftover struct {
	// Resource is its kind as kubectl takes it.
	Resource, Namespace, Name string
}

// Delete is the line that deletes it.
func (l Leftover) Delete() string {
	if l.Namespace == "" {
		return "kubectl delete " + l.Resource + " " + l.Name
	}
	return "kubectl delete " + l.Resource + " " + l.Name + " -n " + l.Namespace
}

// get is the right to look for it.
func (l Leftover) get() string {
	right := "get the " + l.Resource + " " + l.Name
	if l.Namespace == "" {
		return right
	}
	return right + " in the namespace " + l.Namespace
}

// Leftovers returns what Azure ML v1 left in the cluster, in the order in which
// it is best deleted. Nothing is deleted here. What the caller may not look at
// counts as not there.
func Leftovers(ctx context.Context, kube kubernetes.Interface) ([]Leftover, error) {
	left, err := look(ctx, kube)
	return left.Found, err
}

// Left is what Azure ML v1 left in a cluster as far as the caller may look.
type Left struct {
	// Found is there; whether what is Hidden is, the caller may not know.
	Found, Hidden []Leftover
}

// look is Leftovers with what the caller may not look at.
func look(ctx context.Context, kube kubernetes.Interface) (Left, error) {
	core, rbac, get := kube.CoreV1(), kube.RbacV1(), metav1.GetOptions{}
	const ns = LegacyNamespace
	all := []struct {
		Leftover
		look func(name string) error
	}{
		{Leftover{"deployment", ns, "azureml-fe"}, func(name string) error {
			_, err := kube.AppsV1().Deployments(ns).Get(ctx, name, get)
			return err
		}},
		{Leftover{"service", ns, "azureml-fe"}, func(name string) error {
			_, err := core.Services(ns).Get(ctx, name, get)
			return err
		}},
		{Leftover{"service", ns, "azureml-fe-int-http"}, func(name string) error {
			_, err := core.Services(ns).Get(ctx, name, get)
			return err
		}},
		{Leftover{"serviceaccount", ns, "azureml-fe"}, func(name string) error {
			_, err := core.ServiceAccounts(ns).Get(ctx, name, get)
			return err
		}},
		{Leftover{"secret", ns, LegacySecret}, func(name string) error {
			_, err := core.Secrets(ns).Get(ctx, name, get)
			return err
		}},
		{Leftover{"configmap", ns, "azuremlfeconfig"}, func(name string) error {
			_, err := core.ConfigMaps(ns).Get(ctx, name, get)
			return err
		}},
		{Leftover{"clusterrole", "", "azureml-fe-role"}, func(name string) error {
			_, err := rbac.ClusterRoles().Get(ctx, name, get)
			return err
		}},
		{Leftover{"clusterrolebinding", "", "azureml-fe-binding"}, func(name string) error {
			_, err := rbac.ClusterRoleBindings().Get(ctx, name, get)
			return err
		}},
	}
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, l := range all {
		wait.Go(func() { errs[i] = l.look(l.Name) })
	}
	wait.Wait()
	var left Left
	for i, l := range all {
		switch err := errs[i]; {
		case err == nil:
			left.Found = append(left.Found, l.Leftover)
		case apierrors.IsForbidden(err):
			left.Hidden = append(left.Hidden, l.Leftover)
		case !apierrors.IsNotFound(err):
			return Left{}, err
		}
	}
	return left, nil
}

// Legacy returns the lines that delete what Leftovers finds.
func Legacy(ctx context.Context, kube kubernetes.Interface) ([]string, error) {
	found, err := Leftovers(ctx, kube)
	lines := make([]string, 0, len(found))
	for _, l := range found {
		lines = append(lines, l.Delete())
	}
	return lines, err
}
