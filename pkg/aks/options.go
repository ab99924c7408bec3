// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// DefaultVMSize has 4 vCPUs and 16 GiB, as the size that Azure ML v1 took,
// Standard_D3_v2, which new subscriptions cannot have any more.
const DefaultVMSize = "Standard_D4s_v5"

// AutoVMSize leaves the size to AKS.
const AutoVMSize = "auto"

// ClusterOptions say what a new cluster is like. What is left out gets AKS's
// own default, if its comment does not say otherwise.
type ClusterOptions struct {
	Target Target
	// Location is where the cluster is; that of its resource group if empty.
	Location string
	// Purpose decides the defaults of much else: FastProd if empty.
	Purpose           endpoint.Purpose
	SkipCapacityCheck bool
	KubernetesVersion string
	// DNSPrefix is the beginning of the API server's name. If empty it is made of
	// the names, as az makes it.
	DNSPrefix  string
	Tags       map[string]string
	GatewayAPI bool
	// Registry is the name or id of the one that the nodes may pull from. It is
	// checked here, and given by Client.Assign.
	Registry string
	Nodes    NodeOptions
	GPU      GPUOptions
	Network  NetworkOptions
	API      APIOptions
	Identity IdentityOptions
}

// NodeOptions say what the first pool of nodes is like.
type NodeOptions struct {
	// Count is 3 if 0, 1 for DevTest.
	Count int
	// VMSize is DefaultVMSize if empty.
	VMSize     string
	Autoscaler Autoscaler
	// Profile holds settings of the autoscaler by the names that az has for them,
	// such as scan-interval.
	Profile map[string]string
}

// Autoscaler keeps the nodes of a pool between two bounds.
type Autoscaler struct {
	Enabled  bool
	Min, Max *int
}

// GPUOptions ask for a second pool, of nodes with GPUs.
type GPUOptions struct {
	// VMSize is empty for no such pool.
	VMSize string
	// Count is 1 if 0.
	Count int
	// Driver is Install or None: whether AKS installs the driver.
	Driver string
	// Instance cuts each GPU into slices, MIG1g to MIG7g.
	Instance string
}

// NetworkOptions say how nodes and services are reached.
type NetworkOptions struct {
	// VNetResourceGroup, VNet and Subnet name the subnet of the nodes, all three or
	// none; SubnetID does the same in one.
	VNetResourceGroup, VNet, Subnet, SubnetID string
	ServiceCIDR, DNSServiceIP                 string
	// DockerBridgeCIDR is checked and not used: there is no Docker any more.
	DockerBridgeCIDR string
	// Plugin is azure if empty, PluginMode overlay with it.
	Plugin, PluginMode, Dataplane string
	LoadBalancerSKU               string
	// OutboundType is how the nodes get out: loadBalancer if empty.
	OutboundType string
	// NATGatewayIPs and LoadBalancerIPs are the numbers of addresses to get out by.
	NATGatewayIPs, LoadBalancerIPs int
}

// APIOptions say how the API server is reached.
type APIOptions struct {
	Private bool
	// PrivateDNSZone is system, none or an id.
	PrivateDNSZone string
	// FQDNSubdomain takes the place of DNSPrefix in a zone of one's own.
	FQDNSubdomain string
	// PublicFQDN gives a private cluster a public name, too; nil leaves it to AKS.
	PublicFQDN *bool
	// AuthorizedIPRanges are the only ones that reach a public API server.
	AuthorizedIPRanges []string
}

// IdentityOptions say who the cluster is, and who may do what in it.
type IdentityOptions struct {
	// Entra, AzureRBAC and NoLocalAccounts are on for FastProd and off for DevTest
	// if nil.
	Entra, AzureRBAC, NoLocalAccounts *bool
	AdminGroups                       []string
	// NoWorkloadIdentity leaves out what lets pods act as identities of Azure.
	NoWorkloadIdentity bool
	// Assigned is the id of the cluster's identity; AKS makes one if it is empty.
	Assigned string
	// ServicePrincipal is refused: identities took their place.
	ServicePrincipal string
}

// Facts are what has to be known for a request, and is asked of Azure.
type Facts struct {
	// Location is the resource group's.
	Location string
	// SKUs are the VM sizes of the location by name; nil if they are not known.
	SKUs map[string]SKU
	// Versions are those of Kubernetes that the location has, as 1.36 or 1.36.2;
	// nil if they are not known.
	Versions []string
}

// completed are the options with the defaults that are not AKS's.
func (o ClusterOptions) completed(f Facts) ClusterOptions {
	if o.Purpose == "" {
		o.Purpose = endpoint.FastProd
	}
	production := o.Purpose == endpoint.FastProd
	if o.Location == "" {
		o.Location = f.Location
	}
	if o.Nodes.Count == 0 {
		o.Nodes.Count = 1
		if production {
			o.Nodes.Count = 3
		}
	}
	if o.Nodes.VMSize == "" {
		o.Nodes.VMSize = DefaultVMSize
	}
	if o.GPU.VMSize != "" && o.GPU.Count == 0 {
		o.GPU.Count = 1
	}
	o.Identity = o.Identity.completed(production)
	o.Network = o.Network.completed()
	return o
}

func (i IdentityOptions) completed(production bool) IdentityOptions {
	if i.Entra == nil {
		i.Entra = &production
	}
	if i.AzureRBAC == nil {
		on := production && *i.Entra
		i.AzureRBAC = &on
	}
	if i.NoLocalAccounts == nil {
		off := production && *i.Entra
		i.NoLocalAccounts = &off
	}
	return i
}

func (n NetworkOptions) completed() NetworkOptions {
	if n.Plugin == "" {
		n.Plugin = "azure"
	}
	if n.PluginMode == "" && n.Plugin == "azure" {
		n.PluginMode = "overlay"
	}
	if n.OutboundType == "" {
		n.OutboundType = "loadBalancer"
	}
	return n
}
