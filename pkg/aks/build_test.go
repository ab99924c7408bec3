// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	group        = "/subscriptions/" + subscription + "/resourceGroups/ml"
	subnetID     = group + "/providers/Microsoft.Network/virtualNetworks/vnet/subnets/nodes"
	zoneID       = group + "/providers/Microsoft.Network/privateDnsZones/privatelink.eastus.azmk8s.io"
	identityID   = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
	groupID      = "11111111-2222-3333-4444-555555555555"
)

// asked is the smallest set of options that is enough.
func asked() aks.ClusterOptions {
	return aks.ClusterOptions{
		Target:   aks.Target{Subscription: subscription, ResourceGroup: "ml", Name: "scoring"},
		Location: "eastus",
	}
}

// known is what Azure says of a region.
func known() aks.Facts {
	sku := func(name string, cpus, gpus int, memory float64) aks.SKU {
		return aks.SKU{Name: name, CPUs: cpus, GPUs: gpus, MemoryGB: memory}
	}
	arm, taken := sku("Standard_D4ps_v5", 4, 0, 16), sku("Standard_D8s_v5", 8, 0, 32)
	arm.Arm, taken.Restriction = true, "NotAvailableForSubscription"
	facts := aks.Facts{Location: "westeurope", SKUs: map[string]aks.SKU{}, Versions: []string{"1.35.6", "1.36.2"}}
	for _, s := range []aks.SKU{
		arm, taken, sku("Standard_D4s_v5", 4, 0, 16), sku("Standard_D3_v2", 4, 0, 14), sku("Standard_A4_v2", 4, 0, 8),
		sku("Standard_F8s_v2", 8, 0, 16), sku("Standard_NC4as_T4_v3", 4, 1, 28), sku("Standard_D1_v2", 1, 0, 3.5),
		sku("Standard_M8-2ms", 2, 0, 218), sku("Standard_NP10s", 10, 0, 168), sku("Standard_B4ms", 4, 0, 16),
		sku("Standard_NC24ads_A100_v4", 24, 1, 220),
	} {
		facts.SKUs[s.Name] = s
	}
	return facts
}

// change is a case of a table: options that differ from asked.
type change func(o *aks.ClusterOptions)

func TestRequestOfEachRow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]change{
		"defaults for production": func(*aks.ClusterOptions) {},
		"defaults for DevTest":    func(o *aks.ClusterOptions) { o.Purpose = endpoint.DevTest },
		"location of the group":   func(o *aks.ClusterOptions) { o.Location = "" },
		"agent count":             func(o *aks.ClusterOptions) { o.Nodes.Count = 5 },
		"old size":                func(o *aks.ClusterOptions) { o.Nodes.VMSize = "Standard_D3_v2" },
		"old size A":              func(o *aks.ClusterOptions) { o.Nodes.VMSize = "Standard_A4_v2" },
		"old size F":              func(o *aks.ClusterOptions) { o.Nodes.VMSize = "Standard_F8s_v2" },
		"size of Arm":             func(o *aks.ClusterOptions) { o.Nodes.VMSize = "Standard_D4ps_v5" },
		"size that AKS chooses":   func(o *aks.ClusterOptions) { o.Nodes.VMSize = aks.AutoVMSize },
		"small on purpose": func(o *aks.ClusterOptions) {
			o.Nodes.Count, o.SkipCapacityCheck = 1, true
		},
		"size with fewer vCPUs in use": func(o *aks.ClusterOptions) {
			o.Purpose, o.Nodes.VMSize = endpoint.DevTest, "Standard_M8-2ms"
		},
		"subnet by names": func(o *aks.ClusterOptions) {
			o.Network.VNetResourceGroup, o.Network.VNet, o.Network.Subnet = "net", "vnet", "nodes"
		},
		"subnet by id": func(o *aks.ClusterOptions) { o.Network.SubnetID = subnetID },
		"v1's six network fields": func(o *aks.ClusterOptions) {
			n := &o.Network
			n.VNetResourceGroup, n.VNet, n.Subnet = "net", "vnet", "nodes"
			n.ServiceCIDR, n.DNSServiceIP, n.DockerBridgeCIDR = "10.2.0.0/16", "10.2.0.5", "172.17.0.1/16"
		},
		"service range alone":  func(o *aks.ClusterOptions) { o.Network.ServiceCIDR = "10.2.0.0/16" },
		"address of DNS alone": func(o *aks.ClusterOptions) { o.Network.DNSServiceIP = "10.0.0.20" },
		"balancer sku":         func(o *aks.ClusterOptions) { o.Network.LoadBalancerSKU = "Standard" },
		"private cluster": func(o *aks.ClusterOptions) {
			o.API.Private = true
		},
		"private cluster in a zone of one's own": func(o *aks.ClusterOptions) {
			o.API.Private, o.API.PrivateDNSZone, o.API.FQDNSubdomain = true, zoneID, "scoring"
		},
		"private cluster with a public name": func(o *aks.ClusterOptions) {
			o.API.Private, o.API.PrivateDNSZone, o.API.PublicFQDN = true, "none", ptr.To(true)
		},
		"private cluster without a public name": func(o *aks.ClusterOptions) {
			o.API.Private, o.API.PrivateDNSZone, o.API.PublicFQDN = true, "system", ptr.To(false)
		},
		"authorized ranges": func(o *aks.ClusterOptions) {
			o.API.AuthorizedIPRanges = []string{"198.51.100.0/24", "203.0.113.7"}
		},
		"only Azure itself": func(o *aks.ClusterOptions) { o.API.AuthorizedIPRanges = []string{"0.0.0.0/32"} },
		"routes of one's own": func(o *aks.ClusterOptions) {
			o.Network.OutboundType, o.Network.SubnetID = "userDefinedRouting", subnetID
		},
		"NAT gateway of one's own": func(o *aks.ClusterOptions) {
			o.Network.OutboundType, o.Network.SubnetID = "userAssignedNATGateway", subnetID
		},
		"NAT gateway of AKS": func(o *aks.ClusterOptions) {
			o.Network.OutboundType, o.Network.NATGatewayIPs = "managedNATGateway", 2
		},
		"no way out":            func(o *aks.ClusterOptions) { o.Network.OutboundType = "none" },
		"outbound addresses":    func(o *aks.ClusterOptions) { o.Network.LoadBalancerIPs = 2 },
		"version of Kubernetes": func(o *aks.ClusterOptions) { o.KubernetesVersion = "1.36" },
		"kubenet":               func(o *aks.ClusterOptions) { o.Network.Plugin = "kubenet" },
		"cilium":                func(o *aks.ClusterOptions) { o.Network.Dataplane = "cilium" },
		"GPU pool":              func(o *aks.ClusterOptions) { o.GPU.VMSize = "Standard_NC4as_T4_v3" },
		"GPU pool in slices without a driver": func(o *aks.ClusterOptions) {
			o.GPU = aks.GPUOptions{VMSize: "Standard_NC24ads_A100_v4", Count: 2, Driver: "none", Instance: "MIG3g"}
			o.Network.SubnetID = subnetID
		},
		"FPGA nodes": func(o *aks.ClusterOptions) { o.Nodes.VMSize = "Standard_NP10s" },
		"autoscaler": func(o *aks.ClusterOptions) {
			o.Nodes.Autoscaler = aks.Autoscaler{Enabled: true, Min: ptr.To(3), Max: ptr.To(9)}
		},
		"autoscaler with settings": func(o *aks.ClusterOptions) {
			o.Nodes.Autoscaler = aks.Autoscaler{Enabled: true, Min: ptr.To(1), Max: ptr.To(9)}
			o.Nodes.Profile = map[string]string{
				"scan-interval": "30s", "expander": "least-waste", "ignore-daemonsets-utilization": "true"}
		},
		"Entra for DevTest": func(o *aks.ClusterOptions) {
			o.Purpose, o.Identity.Entra, o.Identity.AdminGroups = endpoint.DevTest, ptr.To(true), []string{groupID}
		},
		"production without Entra": func(o *aks.ClusterOptions) { o.Identity.Entra = ptr.To(false) },
		"local accounts with Entra": func(o *aks.ClusterOptions) {
			o.Identity.NoLocalAccounts, o.Identity.AzureRBAC = ptr.To(false), ptr.To(false)
		},
		"no workload identity":      func(o *aks.ClusterOptions) { o.Identity.NoWorkloadIdentity = true },
		"identity that is assigned": func(o *aks.ClusterOptions) { o.Identity.Assigned = identityID },
		"dns prefix":                func(o *aks.ClusterOptions) { o.DNSPrefix = "models" },
		"dns prefix of odd names": func(o *aks.ClusterOptions) {
			o.Target.Name, o.Target.ResourceGroup = "1st_scoring-cluster", "The_(group).of.models-and-more"
		},
		"tags":        func(o *aks.ClusterOptions) { o.Tags = map[string]string{"team": "vision", "cost": ""} },
		"Gateway API": func(o *aks.ClusterOptions) { o.GatewayAPI = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := asked()
			test(&o)
			body, warnings, err := o.Build(known())
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(map[string]any{"body": body, "warnings": warnings}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := strings.NewReplacer(" ", "-", "'", "").Replace(name) + ".json"
			golden.Assert(t, filepath.Join("testdata", "request", file), string(text)+"\n")
		})
	}
}
