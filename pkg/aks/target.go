// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package aks makes, reads and deletes clusters of Azure Kubernetes Service.
// What is asked of Azure is put together by pure functions; Client sends it.
package aks

import (
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

// Target names a managed cluster in Azure.
type Target struct{ Subscription, ResourceGroup, Name string }

const managedClusters = "Microsoft.ContainerService/managedClusters"

// ID is the cluster's resource id.
func (t Target) ID() string {
	return "/subscriptions/" + t.Subscription + "/resourceGroups/" + t.ResourceGroup + "/providers/" + managedClusters +
		"/" + t.Name
}

// Same tells whether two targets are one cluster: Azure does not tell case apart.
func (t Target) Same(other Target) bool { return strings.EqualFold(t.ID(), other.ID()) }

// ParseTarget reads a resource id of a managed cluster in any case, with or
// without a slash at its end. Ids of anything else are refused; clusters that
// Azure Arc connects are told how they are attached.
func ParseTarget(id string) (Target, error) {
	parsed, err := arm.ParseResourceID(strings.TrimSuffix(strings.TrimSpace(id), "/"))
	if err != nil {
		return Target{}, fmt.Errorf("resource id %q: write /subscriptions/S/resourceGroups/G/providers/%s/NAME",
			id, managedClusters)
	}
	switch kind := parsed.ResourceType.String(); {
	case strings.EqualFold(kind, "Microsoft.Kubernetes/connectedClusters"):
		return Target{}, fmt.Errorf("resource id %q is of a cluster that Azure Arc connects: run az connectedk8s proxy "+
			"and attach its context with compute attach kubernetes --context", id)
	case !strings.EqualFold(kind, managedClusters) || parsed.ResourceGroupName == "" || parsed.SubscriptionID == "":
		return Target{}, fmt.Errorf("resource id %q is of a %s: write that of a %s", id, kind, managedClusters)
	}
	return Target{parsed.SubscriptionID, parsed.ResourceGroupName, parsed.Name}, nil
}
