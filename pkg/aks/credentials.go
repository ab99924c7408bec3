// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
)

// CredentialOptions say which kubeconfig of a cluster is wanted.
type CredentialOptions struct {
	// Admin is the one of the local account, which local accounts that are switched
	// off have not.
	Admin bool
	// PublicFQDN has the public name of a private cluster.
	PublicFQDN bool
	// Login has an exec plugin, which Azure's own is the only one for, replaced by
	// this command and its arguments, to which the --cloud that is not the
	// public one is added, and the plugin's --server-id and --tenant-id; nil keeps it.
	Login []string
}

// Credentials is the kubeconfig that Azure gives out for a cluster; its current
// context leads there.
func (c *Client) Credentials(ctx context.Context, t Target, o CredentialOptions) (clientcmdapi.Config, error) {
	clusters, err := c.clusters(t)
	if err != nil {
		return clientcmdapi.Config{}, err
	}
	var public *string
	if o.PublicFQDN {
		public = ptr.To("public")
	}
	var given []*acs.CredentialResult
	if o.Admin {
		got, adminErr := clusters.ListClusterAdminCredentials(ctx, t.ResourceGroup, t.Name,
			&acs.ManagedClustersClientListClusterAdminCredentialsOptions{ServerFqdn: public})
		given, err = got.Kubeconfigs, adminErr
	} else {
		got, userErr := clusters.ListClusterUserCredentials(ctx, t.ResourceGroup, t.Name,
			&acs.ManagedClustersClientListClusterUserCredentialsOptions{ServerFqdn: public, Format: ptr.To(acs.FormatExec)})
		given, err = got.Kubeconfigs, userErr
	}
	if err != nil {
		return clientcmdapi.Config{}, c.explain(err, t)
	}
	if len(given) == 0 || given[0] == nil {
		return clientcmdapi.Config{}, fail(Failed, nil, "%s: Azure gave no credentials for it", t.label())
	}
	config, err := clientcmd.Load(given[0].Value)
	if err != nil || config.Contexts[config.CurrentContext] == nil {
		return clientcmdapi.Config{}, fail(Failed, err, "%s: the kubeconfig that Azure gave cannot be read", t.label())
	}
	if o.Login != nil {
		signIn(config, append(slices.Clone(o.Login), c.cloudFlag()...))
	}
	return *config, nil
}

// cloudFlag names the cloud whose tokens the clusters take, if it is not the public one.
func (c *Client) cloudFlag() []string {
	switch c.options.Cloud.ActiveDirectoryAuthorityHost {
	case cloud.AzureChina.ActiveDirectoryAuthorityHost:
		return []string{"--cloud", "AzureChinaCloud"}
	case cloud.AzureGovernment.ActiveDirectoryAuthorityHost:
		return []string{"--cloud", "AzureUSGovernment"}
	}
	return nil
}

// signIn has users whom Azure signs in be signed in by login.
func signIn(config *clientcmdapi.Config, login []string) {
	for _, user := range config.AuthInfos {
		if user.Exec == nil {
			continue
		}
		args := login[1:]
		for _, flag := range []string{"--server-id", "--tenant-id"} {
			if i := slices.Index(user.Exec.Args, flag); i >= 0 && i+1 < len(user.Exec.Args) {
				args = append(slices.Clip(args), flag, user.Exec.Args[i+1])
			}
		}
		if !slices.Contains(args, "--server-id") {
			continue
		}
		user.Exec.Command, user.Exec.Args, user.Exec.Env = login[0], args, nil
	}
}
