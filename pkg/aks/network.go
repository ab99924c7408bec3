// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

// defaultServiceCIDR is AKS's, 10.0.0.0/16.
func defaultServiceCIDR() netip.Prefix { return netip.MustParsePrefix("10.0.0.0/16") }

// profile is the cluster's network.
func (n NetworkOptions) profile(f *findings) *acs.NetworkProfile {
	if n.DockerBridgeCIDR != "" {
		if _, err := netip.ParsePrefix(n.DockerBridgeCIDR); err != nil {
			f.refuse("--docker-bridge-cidr %q is no range: write one such as 172.17.0.1/16", n.DockerBridgeCIDR)
		}
		f.warn("--docker-bridge-cidr is not used: nodes run containerd and have no Docker bridge")
	}
	if sku := n.LoadBalancerSKU; sku != "" && !strings.EqualFold(sku, "standard") {
		f.refuse("--load-balancer-sku %s: AKS has only standard since the basic one was retired on 30 September 2025; "+
			"see aka.ms/aks/basic-lb-upgrade", sku)
	}
	p := &acs.NetworkProfile{LoadBalancerSKU: ptr.To(acs.LoadBalancerSKUStandard)}
	n.plugin(p, f)
	n.services(p, f)
	n.outbound(p, f)
	return p
}

func (n NetworkOptions) plugin(p *acs.NetworkProfile, f *findings) {
	p.NetworkPlugin = oneOf(f, "--network-plugin", n.Plugin, acs.PossibleNetworkPluginValues())
	p.NetworkPluginMode = oneOf(f, "--network-plugin-mode", n.PluginMode, acs.PossibleNetworkPluginModeValues())
	p.NetworkDataplane = oneOf(f, "--network-dataplane", n.Dataplane, acs.PossibleNetworkDataplaneValues())
	if n.Plugin == string(acs.NetworkPluginKubenet) {
		f.warn("--network-plugin kubenet is retired on 31 March 2028: azure with the mode overlay takes its place")
	}
	if n.Plugin != string(acs.NetworkPluginAzure) && n.PluginMode != "" {
		f.refuse("--network-plugin-mode %s: only the plugin azure has modes", n.PluginMode)
	}
	if n.Plugin != string(acs.NetworkPluginAzure) && n.Dataplane == string(acs.NetworkDataplaneCilium) {
		f.refuse("--network-dataplane cilium: only the plugin azure has it")
	}
}

// services are the addresses of the cluster's Services. An address for DNS is
// made up for a range that comes without one, as az's users expect from v1.
func (n NetworkOptions) services(p *acs.NetworkProfile, f *findings) {
	if n.ServiceCIDR == "" && n.DNSServiceIP == "" {
		return
	}
	services := defaultServiceCIDR()
	if n.ServiceCIDR != "" {
		var err error
		services, err = netip.ParsePrefix(n.ServiceCIDR)
		if err != nil || !services.Addr().Is4() || services != services.Masked() || services.Bits() > 27 {
			f.refuse("--service-cidr %q: write the first address of an IPv4 range of 32 addresses or more, such as 10.0.0.0/16",
				n.ServiceCIDR)
			return
		}
		p.ServiceCidr = ptr.To(services.String())
	}
	if n.DNSServiceIP == "" {
		dns := services.Addr()
		for range 10 {
			dns = dns.Next()
		}
		p.DNSServiceIP = ptr.To(dns.String())
		f.warn("the cluster's DNS gets the address %s of --service-cidr: name another with --dns-service-ip", dns)
		return
	}
	dns, err := netip.ParseAddr(n.DNSServiceIP)
	switch {
	case err != nil:
		f.refuse("--dns-service-ip %q is no address", n.DNSServiceIP)
	case !services.Contains(dns):
		f.refuse("--dns-service-ip %s is outside of --service-cidr %s", dns, services)
	case dns == services.Addr() || dns == services.Addr().Next():
		f.refuse("--dns-service-ip %s: the first addresses of --service-cidr are the range's own and Kubernetes': "+
			"write a later one", dns)
	}
	p.DNSServiceIP = ptr.To(n.DNSServiceIP)
}

// maxOutboundIPs of a NAT gateway and of a load balancer: the limits of Azure.
const (
	maxNATGatewayIPs   = 16
	maxLoadBalancerIPs = 100
)

// outbound is how the nodes reach what is outside.
func (n NetworkOptions) outbound(p *acs.NetworkProfile, f *findings) {
	p.OutboundType = oneOf(f, "--outbound-type", n.OutboundType, acs.PossibleOutboundTypeValues())
	kind := acs.OutboundType(n.OutboundType)
	switch own := n.ownSubnet(); {
	case (kind == acs.OutboundTypeUserDefinedRouting || kind == acs.OutboundTypeUserAssignedNATGateway) && !own:
		f.refuse("--outbound-type %s is set up on a subnet of your own: name it with --vnet-subnet-id", kind)
	case kind == acs.OutboundTypeManagedNATGateway && own:
		f.refuse("--outbound-type %s is for a network that AKS makes: leave out the subnet, or write %s", kind,
			acs.OutboundTypeUserAssignedNATGateway)
	}
	if ips := n.NATGatewayIPs; ips != 0 {
		if ips < 1 || ips > maxNATGatewayIPs || kind != acs.OutboundTypeManagedNATGateway {
			f.refuse("--nat-gateway-managed-outbound-ip-count %d: write 1 to %d, with --outbound-type %s", ips,
				maxNATGatewayIPs, acs.OutboundTypeManagedNATGateway)
		}
		p.NatGatewayProfile = &acs.ManagedClusterNATGatewayProfile{
			ManagedOutboundIPProfile: &acs.ManagedClusterManagedOutboundIPProfile{Count: small(ips)}}
	}
	if ips := n.LoadBalancerIPs; ips != 0 {
		if ips < 1 || ips > maxLoadBalancerIPs || kind != acs.OutboundTypeLoadBalancer {
			f.refuse("--load-balancer-managed-outbound-ip-count %d: write 1 to %d, with --outbound-type %s", ips,
				maxLoadBalancerIPs, acs.OutboundTypeLoadBalancer)
		}
		p.LoadBalancerProfile = &acs.ManagedClusterLoadBalancerProfile{
			ManagedOutboundIPs: &acs.ManagedClusterLoadBalancerProfileManagedOutboundIPs{Count: small(ips)}}
	}
}

func (n NetworkOptions) ownSubnet() bool { return n.SubnetID != "" || n.Subnet != "" }

// subnet is the id of the nodes' subnet, nil for the one that AKS makes.
func (n NetworkOptions) subnet(t Target, f *findings) *string {
	given := 0
	for _, part := range []string{n.VNetResourceGroup, n.VNet, n.Subnet} {
		if part != "" {
			given++
		}
	}
	id := n.SubnetID
	switch {
	case given > 0 && id != "":
		f.refuse("--vnet-subnet-id and --vnet-name are two names for one thing: leave one out")
		return nil
	case given == 0 && id == "":
		return nil
	case given > 0 && given < 3:
		f.refuse("--vnet-resourcegroup-name, --vnet-name and --subnet-name name the subnet together: give all three")
		return nil
	case given > 0:
		id = "/subscriptions/" + t.Subscription + "/resourceGroups/" + n.VNetResourceGroup +
			"/providers/Microsoft.Network/virtualNetworks/" + n.VNet + "/subnets/" + n.Subnet
	}
	checkID(f, "--vnet-subnet-id", id, "Microsoft.Network/virtualNetworks/subnets")
	return &id
}

// SubnetID is the id of the subnet of one's own that the nodes are in; empty for
// the one that AKS makes.
func (o ClusterOptions) SubnetID() string { return value(o.Network.subnet(o.Target, &findings{})) }

// checkID refuses an id that is not of the kind of resource.
func checkID(f *findings, flag, id, kind string) {
	parsed, err := arm.ParseResourceID(id)
	if err != nil || !strings.EqualFold(parsed.ResourceType.String(), kind) {
		f.refuse("%s %q is no id of a %s: write it as az shows it, /subscriptions/…", flag, id, kind)
	}
}

// maxRanges is AKS's limit for a cluster.
const maxRanges = 200

// profile is how the API server is reached; nil for AKS's default.
func (a APIOptions) profile(f *findings) *acs.ManagedClusterAPIServerAccessProfile {
	a.check(f)
	if !a.Private && len(a.AuthorizedIPRanges) == 0 {
		return nil
	}
	p := &acs.ManagedClusterAPIServerAccessProfile{
		PrivateDNSZone: optional(a.PrivateDNSZone), EnablePrivateClusterPublicFQDN: a.PublicFQDN}
	if a.Private {
		p.EnablePrivateCluster = ptr.To(true)
		f.warn("the cluster is private: only machines in its network, or in one that is peered with it, " +
			"can attach and deploy")
		return p
	}
	for _, r := range a.AuthorizedIPRanges {
		checkRange(f, r, len(a.AuthorizedIPRanges))
		p.AuthorizedIPRanges = append(p.AuthorizedIPRanges, ptr.To(r))
	}
	if len(a.AuthorizedIPRanges) > maxRanges {
		f.refuse("--api-server-authorized-ip-ranges: %d are too many, AKS takes %d", len(a.AuthorizedIPRanges), maxRanges)
	}
	f.warn("only --api-server-authorized-ip-ranges reach the API server: the address of whoever attaches and deploys " +
		"has to be in them, and they take up to 2 minutes to be in force")
	return p
}

func (a APIOptions) check(f *findings) {
	if a.Private && len(a.AuthorizedIPRanges) > 0 {
		f.refuse("--api-server-authorized-ip-ranges are for a public API server: leave them or --enable-private-cluster out")
	}
	if !a.Private && (a.PrivateDNSZone != "" || a.FQDNSubdomain != "" || a.PublicFQDN != nil) {
		f.refuse("--private-dns-zone, --fqdn-subdomain and --enable-public-fqdn are of a private cluster: " +
			"write --enable-private-cluster too")
		return
	}
	zone := a.PrivateDNSZone
	own := !slices.Contains([]string{"", "system", "none"}, zone)
	if own {
		checkID(f, "--private-dns-zone", zone, "Microsoft.Network/privateDnsZones")
	}
	if zone == "none" && a.PublicFQDN != nil && !*a.PublicFQDN {
		f.refuse("--disable-public-fqdn with --private-dns-zone none leaves the API server without a name: leave one out")
	}
	if a.FQDNSubdomain != "" && !own {
		f.refuse("--fqdn-subdomain is a name in a zone of your own: name that with --private-dns-zone ID")
	}
}

// checkRange refuses what AKS refuses as a range of who may ask the API server.
func checkRange(f *findings, text string, of int) {
	r, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
		r, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	const flag = "--api-server-authorized-ip-ranges"
	switch {
	case err != nil || !r.Addr().Is4():
		f.refuse("%s %q is no IPv4 range: write one such as 198.51.100.0/24", flag, text)
	case r != r.Masked():
		f.refuse("%s %s does not start at the first address of its range: write %s", flag, text, r.Masked())
	case r.Addr().IsUnspecified() && (r.Bits() != 32 || of > 1):
		f.refuse("%s %s: to let only Azure itself in write 0.0.0.0/32 alone; to let everybody in leave the flag out",
			flag, text)
	case !r.Addr().IsUnspecified() && !global(r.Addr()):
		f.refuse("%s %s is no range of public addresses: the API server sees callers by their public ones", flag, text)
	}
}

func global(a netip.Addr) bool {
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598, of carriers
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// oneOf is the value, checked against those that the SDK knows; nil if it is empty.
func oneOf[T ~string](f *findings, flag, value string, known []T) *T {
	if value == "" {
		return nil
	}
	if !slices.Contains(known, T(value)) {
		names := make([]string, len(known))
		for i, k := range known {
			names[i] = string(k)
		}
		f.refuse("%s %q is not known: write one of %s", flag, value, strings.Join(names, ", "))
	}
	return ptr.To(T(value))
}

// small is a number that was checked to fit.
func small(n int) *int32 {
	return ptr.To(int32(min(max(n, 0), 1<<20)))
}
