// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// credentials is compute get-credentials at work.
type credentials struct {
	clusterFlags
	wayIn
	file           string
	overwrite, use bool
}

func newComputeGetCredentials(o *options) *cobra.Command {
	f := &credentials{}
	c := o.named(&cobra.Command{
		Use:   "get-credentials",
		Short: "Get the context of a compute on AKS into the kubeconfig",
		Long: "Get the credentials of a cluster of AKS that is attached as the compute NAME, by you or by somebody else,\n" +
			"and write them into the kubeconfig as the context NAME.",
		Example: "  # A compute that a colleague has attached\n" +
			"  kubectl aml compute get-credentials -n fraud -g ml --cluster-name prod\n\n" +
			"  # A kubeconfig of its own\n" +
			"  kubectl aml compute get-credentials -n fraud -f fraud.yaml",
	}, func(ctx context.Context, name string) error { return o.getCredentials(ctx, name, f) })
	f.clusterFlags.add(c, o.Getenv)
	f.wayIn.add(c)
	s := c.Flags()
	s.StringVarP(&f.file, "file", "f", "", "Write a kubeconfig of its own, - for standard output")
	s.BoolVar(&f.overwrite, "overwrite-existing", false,
		"Replace a context of this name that leads elsewhere, or the file")
	s.BoolVar(&f.use, "set-context", false, "Make the compute's context the current one")
	return o.offersComputes(c)
}

func (o *options) getCredentials(ctx context.Context, name string, f *credentials) error {
	t, client, err := f.find(o, name)
	if err != nil {
		return err
	}
	config, err := client.Credentials(ctx, t, f.options())
	if err != nil {
		return err
	}
	if f.file != "" {
		text, err := clientcmd.Write(config)
		if err != nil {
			return err
		}
		if f.file == "-" {
			_, err = o.Streams.Out.Write(text)
			return err
		}
		return writeSecret(o.path(f.file), text, f.overwrite)
	}
	s, err := o.sessionOf(config, metav1.NamespaceDefault)
	if err != nil {
		return err
	}
	r, err := compute.Read(ctx, s.Kube)
	switch {
	case errors.Is(err, compute.ErrNotAttached):
		return fmt.Errorf("the cluster is not attached: attach it with kubectl aml compute attach aks -n %s -i %s: %w",
			name, t.ID(), err)
	case err != nil:
		return err
	case r.Name != name:
		return fmt.Errorf("the cluster is attached as %s: write -n %s: %w", r.Name, r.Name, noCompute{name})
	}
	err = o.kubeconfig().Put(ctx, name, config, config.CurrentContext, compute.MarkerOf(r),
		compute.PutOptions{Namespace: r.Namespace, Overwrite: f.overwrite, Use: f.use})
	if err == nil {
		o.answer("compute/%s configured", name)
	}
	return err
}

// writeSecret writes a file that nobody else may read, whatever was there before,
// which is replaced only if it is meant to be.
func writeSecret(path string, text []byte, overwrite bool) error {
	if _, err := os.Lstat(path); err == nil && !overwrite {
		return computeError{fmt.Errorf("%s is there already: take another name, or add --overwrite-existing", path),
			exitConflict}
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err
}

// newComputeToken is what kubectl calls to sign in to a cluster with Entra.
func newComputeToken(o *options) *cobra.Command {
	var access azureAccess
	var server, tenant string
	c := &cobra.Command{
		Use:    "token",
		Short:  "Print a token for a cluster that Entra signs people in to, as kubectl wants it",
		Hidden: true,
		Args:   exactArgs(0),
		RunE: o.compute(func(ctx context.Context) error {
			if server == "" {
				return usageError{errors.New("--server-id is missing")}
			}
			return o.printToken(ctx, &access, server, tenant)
		}),
	}
	access.addCloud(c, o.Getenv)
	c.Flags().StringVar(&server, "server-id", "", "Id of the application that the cluster's API server is in Entra")
	c.Flags().StringVar(&tenant, "tenant-id", "", "Tenant of the cluster; the one that is signed in to if not given")
	return c
}

func (o *options) printToken(ctx context.Context, access *azureAccess, server, tenant string) error {
	credential, err := access.credential(o, tenant)
	if err != nil {
		return err
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{server + "/.default"},
		TenantID: tenant})
	if err != nil {
		return computeError{err, exitDenied}
	}
	ends := metav1.NewTime(token.ExpiresOn.UTC().Truncate(time.Second))
	return json.NewEncoder(o.Streams.Out).Encode(clientauthentication.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauthentication.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauthentication.ExecCredentialStatus{Token: token.Token, ExpirationTimestamp: &ends},
	})
}
