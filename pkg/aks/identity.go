// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"regexp"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

// identity is who the cluster is to Azure.
func (i IdentityOptions) identity(f *findings) *acs.ManagedClusterIdentity {
	if i.ServicePrincipal != "" {
		f.refuse("--service-principal: its secret runs out and takes the cluster with it; " +
			"leave it out for an identity that AKS makes, or write --assign-identity ID")
	}
	if i.Assigned == "" {
		return &acs.ManagedClusterIdentity{Type: ptr.To(acs.ResourceIdentityTypeSystemAssigned)}
	}
	checkID(f, "--assign-identity", i.Assigned, "Microsoft.ManagedIdentity/userAssignedIdentities")
	return &acs.ManagedClusterIdentity{
		Type: ptr.To(acs.ResourceIdentityTypeUserAssigned),
		UserAssignedIdentities: map[string]*acs.ManagedServiceIdentityUserAssignedIdentitiesValue{
			i.Assigned: {},
		},
	}
}

// entra is who signs people in; nil for certificates of the cluster's own.
func (i IdentityOptions) entra(f *findings) *acs.ManagedClusterAADProfile {
	if !*i.Entra {
		if *i.AzureRBAC {
			f.refuse("--enable-azure-rbac gives rights to people who sign in with Entra: write --enable-aad too")
		}
		if *i.NoLocalAccounts {
			f.refuse("--disable-local-accounts leaves nobody who could sign in: write --enable-aad too")
		}
		if len(i.AdminGroups) > 0 {
			f.refuse("--aad-admin-group-object-ids are groups of Entra: write --enable-aad too")
		}
		return nil
	}
	profile := &acs.ManagedClusterAADProfile{Managed: ptr.To(true), EnableAzureRBAC: ptr.To(*i.AzureRBAC)}
	uuid := regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	for _, group := range i.AdminGroups {
		if !uuid.MatchString(group) {
			f.refuse("--aad-admin-group-object-ids %q is no object id: az ad group show -g NAME --query id tells it", group)
		}
		profile.AdminGroupObjectIDs = append(profile.AdminGroupObjectIDs, ptr.To(group))
	}
	if *i.AzureRBAC {
		f.warn("who may do what in the cluster is decided by Azure: to attach and deploy you need the role " +
			"Azure Kubernetes Service RBAC Cluster Admin on it")
	}
	return profile
}
