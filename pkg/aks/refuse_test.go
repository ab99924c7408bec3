// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// refusals are, per row of the table, what cannot be asked for.
func refusals() map[string]change {
	manyTags, manyRanges := map[string]string{}, []string{}
	for i := range 201 {
		manyRanges = append(manyRanges, fmt.Sprintf("198.51.100.%d/32", i))
		if i < 48 {
			manyTags[fmt.Sprint("t", i)] = ""
		}
	}
	size := func(name string) change { return func(o *aks.ClusterOptions) { o.Nodes.VMSize = name } }
	gpu := func(g aks.GPUOptions) change { return func(o *aks.ClusterOptions) { o.GPU = g } }
	network := func(set func(*aks.NetworkOptions)) change {
		return func(o *aks.ClusterOptions) { set(&o.Network) }
	}
	services := func(cidr, dns string) change {
		return network(func(n *aks.NetworkOptions) { n.ServiceCIDR, n.DNSServiceIP = cidr, dns })
	}
	ranges := func(r ...string) change { return func(o *aks.ClusterOptions) { o.API.AuthorizedIPRanges = r } }
	api := func(a aks.APIOptions) change { return func(o *aks.ClusterOptions) { o.API = a } }
	identity := func(i aks.IdentityOptions) change { return func(o *aks.ClusterOptions) { o.Identity = i } }
	scaled := func(low, high *int, profile ...string) change {
		return func(o *aks.ClusterOptions) {
			o.Nodes.Autoscaler = aks.Autoscaler{Enabled: true, Min: low, Max: high}
			for _, p := range profile {
				key, text, _ := strings.Cut(p, "=")
				o.Nodes.Profile = map[string]string{key: text}
			}
		}
	}
	return map[string]change{
		"cluster name":                     func(o *aks.ClusterOptions) { o.Target.Name = "-scoring" },
		"cluster name too long":            func(o *aks.ClusterOptions) { o.Target.Name = strings.Repeat("a", 64) },
		"no resource group":                func(o *aks.ClusterOptions) { o.Target.ResourceGroup = "" },
		"purpose":                          func(o *aks.ClusterOptions) { o.Purpose = "DenseProd" },
		"agent count below one":            func(o *aks.ClusterOptions) { o.Nodes.Count = -1 },
		"agent count above a thousand":     func(o *aks.ClusterOptions) { o.Nodes.Count = 1001 },
		"two nodes of four for production": func(o *aks.ClusterOptions) { o.Nodes.Count = 2 },
		"size of FPGA":                     size("Standard_PB6s"),
		"size of NC":                       size("Standard_NC6"),
		"size of NCv2":                     size("Standard_NC12s_v2"),
		"size of NCv3":                     size("Standard_NC24rs_v3"),
		"size of NVv3":                     size("Standard_NV12s_v3"),
		"size of NVv4":                     size("Standard_NV4as_v4"),
		"size of B for the system":         size("Standard_B4ms"),
		"size with one vCPU for the system": func(o *aks.ClusterOptions) {
			o.Nodes.Count, o.Nodes.VMSize = 12, "Standard_D1_v2"
		},
		"size that is not in the region":   size("Standard_E4s_v5"),
		"size that the subscription lacks": size("Standard_D8s_v5"),
		"two of three names of the subnet": network(func(n *aks.NetworkOptions) {
			n.VNet, n.Subnet = "vnet", "nodes"
		}),
		"subnet by names and id": network(func(n *aks.NetworkOptions) {
			n.VNetResourceGroup, n.VNet, n.Subnet, n.SubnetID = "net", "vnet", "nodes", subnetID
		}),
		"subnet id of a network":      network(func(n *aks.NetworkOptions) { n.SubnetID = strings.TrimSuffix(subnetID, "/subnets/nodes") }),
		"service range":               services("10.0.0.0", ""),
		"service range of v6":         services("fd00::/108", ""),
		"service range not at start":  services("10.0.3.4/16", ""),
		"service range too small":     services("10.0.0.0/29", ""),
		"address of DNS":              services("", "dns"),
		"address of DNS outside":      services("10.2.0.0/16", "10.0.0.10"),
		"first address for DNS":       services("10.2.0.0/16", "10.2.0.1"),
		"bridge range":                network(func(n *aks.NetworkOptions) { n.DockerBridgeCIDR = "bridge" }),
		"basic balancer":              network(func(n *aks.NetworkOptions) { n.LoadBalancerSKU = "Basic" }),
		"plugin":                      network(func(n *aks.NetworkOptions) { n.Plugin = "weave" }),
		"mode of kubenet":             network(func(n *aks.NetworkOptions) { n.Plugin, n.PluginMode = "kubenet", "overlay" }),
		"cilium with kubenet":         network(func(n *aks.NetworkOptions) { n.Plugin, n.Dataplane = "kubenet", "cilium" }),
		"outbound type":               network(func(n *aks.NetworkOptions) { n.OutboundType = "vpn" }),
		"routes without a subnet":     network(func(n *aks.NetworkOptions) { n.OutboundType = "userDefinedRouting" }),
		"own NAT without a subnet":    network(func(n *aks.NetworkOptions) { n.OutboundType = "userAssignedNATGateway" }),
		"NAT of AKS in an own subnet": network(func(n *aks.NetworkOptions) { n.OutboundType, n.SubnetID = "managedNATGateway", subnetID }),
		"NAT addresses without NAT":   network(func(n *aks.NetworkOptions) { n.NATGatewayIPs = 2 }),
		"too many NAT addresses":      network(func(n *aks.NetworkOptions) { n.OutboundType, n.NATGatewayIPs = "managedNATGateway", 17 }),
		"balancer addresses without balancer": network(func(n *aks.NetworkOptions) {
			n.OutboundType, n.LoadBalancerIPs = "none", 2
		}),
		"private with ranges":         api(aks.APIOptions{Private: true, AuthorizedIPRanges: []string{"198.51.100.0/24"}}),
		"zone without private":        api(aks.APIOptions{PrivateDNSZone: "system"}),
		"public name without private": api(aks.APIOptions{PublicFQDN: ptr.To(true)}),
		"zone that is none":           api(aks.APIOptions{Private: true, PrivateDNSZone: "mine"}),
		"subdomain without a zone":    api(aks.APIOptions{Private: true, FQDNSubdomain: "scoring"}),
		"no name at all":              api(aks.APIOptions{Private: true, PrivateDNSZone: "none", PublicFQDN: ptr.To(false)}),
		"range that is private":       ranges("10.0.0.0/8"),
		"range of carriers":           ranges("100.64.0.0/16"),
		"range of v6":                 ranges("2001:db8::/32"),
		"range not at start":          ranges("198.51.100.7/24"),
		"everybody":                   ranges("0.0.0.0/0"),
		"nobody and somebody":         ranges("0.0.0.0/32", "198.51.100.0/24"),
		"too many ranges":             ranges(manyRanges...),
		"version that is none":        func(o *aks.ClusterOptions) { o.KubernetesVersion = "latest" },
		"version that is not there":   func(o *aks.ClusterOptions) { o.KubernetesVersion = "1.17.3" },
		"size without GPU":            gpu(aks.GPUOptions{VMSize: "Standard_D4s_v5"}),
		"GPU size that is gone":       gpu(aks.GPUOptions{VMSize: "Standard_NC6s_v3"}),
		"GPU settings without a size": gpu(aks.GPUOptions{Count: 1, Driver: "install"}),
		"GPU count":                   gpu(aks.GPUOptions{VMSize: "Standard_NC4as_T4_v3", Count: -1}),
		"GPU driver":                  gpu(aks.GPUOptions{VMSize: "Standard_NC4as_T4_v3", Driver: "mine"}),
		"GPU slices":                  gpu(aks.GPUOptions{VMSize: "Standard_NC4as_T4_v3", Instance: "MIG9g"}),
		"bounds without autoscaler":   func(o *aks.ClusterOptions) { o.Nodes.Autoscaler.Min = ptr.To(1) },
		"autoscaler with one bound":   scaled(ptr.To(1), nil),
		"autoscaler down to no node":  scaled(ptr.To(0), ptr.To(5)),
		"autoscaler above a thousand": scaled(ptr.To(1), ptr.To(1001)),
		"count outside of the bounds": scaled(ptr.To(5), ptr.To(9)),
		"bounds the wrong way round":  scaled(ptr.To(9), ptr.To(3)),
		"bounds too small for production": func(o *aks.ClusterOptions) {
			o.Nodes.Count, o.Nodes.Autoscaler = 2, aks.Autoscaler{Enabled: true, Min: ptr.To(1), Max: ptr.To(2)}
		},
		"setting that is unknown":         scaled(ptr.To(3), ptr.To(9), "scan=10s"),
		"setting of the wrong kind":       scaled(ptr.To(3), ptr.To(9), "ignore-daemonsets-utilization=maybe"),
		"settings without autoscaler":     func(o *aks.ClusterOptions) { o.Nodes.Profile = map[string]string{"scan-interval": "10s"} },
		"Azure RBAC without Entra":        identity(aks.IdentityOptions{Entra: ptr.To(false), AzureRBAC: ptr.To(true)}),
		"no local accounts without Entra": identity(aks.IdentityOptions{Entra: ptr.To(false), NoLocalAccounts: ptr.To(true)}),
		"administrators without Entra":    identity(aks.IdentityOptions{Entra: ptr.To(false), AdminGroups: []string{groupID}}),
		"administrators by name":          identity(aks.IdentityOptions{AdminGroups: []string{"admins"}}),
		"service principal":               identity(aks.IdentityOptions{ServicePrincipal: groupID}),
		"identity that is none":           identity(aks.IdentityOptions{Assigned: "nodes"}),
		"dns prefix":                      func(o *aks.ClusterOptions) { o.DNSPrefix = "-models" },
		"dns prefix too long":             func(o *aks.ClusterOptions) { o.DNSPrefix = strings.Repeat("m", 55) },
		"dns prefix and subdomain": func(o *aks.ClusterOptions) {
			o.DNSPrefix, o.API = "models", aks.APIOptions{Private: true, PrivateDNSZone: zoneID, FQDNSubdomain: "scoring"}
		},
		"tag of ours":            func(o *aks.ClusterOptions) { o.Tags = map[string]string{"AML-Operation": "x"} },
		"tag that Azure refuses": func(o *aks.ClusterOptions) { o.Tags = map[string]string{"a/b": "x"} },
		"too many tags":          func(o *aks.ClusterOptions) { o.Tags = manyTags },
		"vCPUs that are not in use": func(o *aks.ClusterOptions) {
			o.Nodes.Count, o.Nodes.VMSize = 3, "Standard_M8-2ms"
		},
	}
}

// All that is refused is in one file: what people read is reviewed side by side.
func TestRefusesOfEachRow(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	cases := refusals()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		o := asked()
		cases[name](&o)
		_, _, err := o.Build(known())
		if err == nil {
			t.Errorf("%s: not refused", name)
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) > 1 {
			t.Errorf("%s: one mistake is told in %d lines:\n%v", name, len(lines), err)
		}
		fmt.Fprintf(&said, "%s:\n  %s\n", name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	golden.Assert(t, filepath.Join("testdata", "refused.txt"), said.String())
}

func TestTellsAllFindingsAtOnce(t *testing.T) {
	t.Parallel()
	o := asked()
	o.Nodes.Count, o.Nodes.VMSize = 2, "Standard_D4s_v5"
	o.Network.LoadBalancerSKU, o.Network.ServiceCIDR = "basic", "10.0.0.0"
	o.Identity.ServicePrincipal = groupID
	_, _, err := o.Build(known())
	if err == nil {
		t.Fatal("not refused")
	}
	for _, flag := range []string{"--load-balancer-sku", "--service-cidr", "--service-principal", "--agent-count"} {
		if !strings.Contains(err.Error(), flag) {
			t.Errorf("%s is not told of in:\n%v", flag, err)
		}
	}
	if aks.ReasonOf(err) == aks.Quota {
		t.Error("it is not the capacity alone")
	}
}

// The exit code of a cluster that is only too small is another.
func TestTooSmallIsAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	o := asked()
	o.Nodes.Count = 2
	_, _, err := o.Build(known())
	const want = "the cluster has 2×4=8 vCPUs in 2 nodes; FastProd needs at least 12 vCPUs and 3 nodes: " +
		"use --agent-count 3, a larger --vm-size, or --cluster-purpose DevTest; --skip-capacity-check makes it all the same"
	if err == nil || err.Error() != want || aks.ReasonOf(err) != aks.Quota {
		t.Errorf("got %v, want %s", err, want)
	}
	for name, test := range map[string]change{
		"DevTest":               func(o *aks.ClusterOptions) { o.Purpose = endpoint.DevTest },
		"--skip-capacity-check": func(o *aks.ClusterOptions) { o.SkipCapacityCheck = true },
		"--vm-size auto":        func(o *aks.ClusterOptions) { o.Nodes.VMSize = aks.AutoVMSize },
		"a GPU pool beside it":  func(o *aks.ClusterOptions) { o.GPU.VMSize = "Standard_NC4as_T4_v3" },
	} {
		other := o
		test(&other)
		if _, _, err := other.Build(known()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where Azure was not asked, names are what there is to go by.
func TestWithoutFacts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change change
		want   string // in the error; empty for none
	}{
		"enough by its name":  {func(*aks.ClusterOptions) {}, ""},
		"any version":         {func(o *aks.ClusterOptions) { o.KubernetesVersion = "1.17.3" }, ""},
		"too few":             {func(o *aks.ClusterOptions) { o.Nodes.Count = 2 }, "2×4=8 vCPUs in 2 nodes"},
		"too few, in a guess": {func(o *aks.ClusterOptions) { o.Nodes.Count = 2 }, "estimated"},
		"no size":             {func(o *aks.ClusterOptions) { o.Nodes.VMSize = "large" }, "is no VM size"},
		"no location":         {func(o *aks.ClusterOptions) { o.Location = "" }, "--location is missing"},
		"GPU size":            {func(o *aks.ClusterOptions) { o.GPU.VMSize = "Standard_NC4as_T4_v3" }, ""},
		"size without GPU":    {func(o *aks.ClusterOptions) { o.GPU.VMSize = "Standard_D4s_v5" }, "has no GPU"},
		"too small a size":    {func(o *aks.ClusterOptions) { o.Nodes.VMSize = "Standard_D1_v2" }, "too small"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := asked()
			test.change(&o)
			_, _, err := o.Build(aks.Facts{})
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
