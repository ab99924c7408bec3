// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// createFlags say what a cluster of AKS is like. Those of v1 have v1's names.
type createFlags struct {
	attachment
	cluster                aks.ClusterOptions
	clusterName            string
	noPublicFQDN, noDriver bool
	given                  *pflag.FlagSet
}

// aliases are az's names of flags, and ours.
func aliases() map[string]string {
	return map[string]string{"node-count": "agent-count", "node-vm-size": "vm-size", "zone-name": "private-dns-zone"}
}

func (f *createFlags) add(c *cobra.Command) {
	f.given = c.Flags()
	f.attachment.add(c)
	f.addCluster(c)
	f.addNodes(c)
	f.addNetwork(c)
	f.addAPI(c)
	f.addIdentity(c)
	f.given.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(cmp.Or(aliases()[name], name))
	})
}

func (f *createFlags) addCluster(c *cobra.Command) {
	s, o := c.Flags(), &f.cluster
	s.StringVar(&o.Target.ResourceGroup, "resource-group", "", "Resource group that the cluster is made in")
	s.StringVar(&f.clusterName, "cluster-name", "", "Name of the cluster in Azure; that of the compute if not given")
	s.StringVar(&o.Location, "location", "", "Region, such as eastus; that of the resource group if not given")
	s.StringVar(&o.KubernetesVersion, "kubernetes-version", "",
		"Version of Kubernetes, as 1.36 or 1.36.2: compute versions shows them; AKS's default if not given")
	s.StringVar(&o.DNSPrefix, "dns-name-prefix", "",
		"Beginning of the API server's host name; made of the names if not given")
	s.StringToStringVar(&o.Tags, "tags", nil, "Tags of the cluster, NAME=VALUE,…")
	s.StringVar(&o.Registry, "attach-acr", "", "Name or id of the Azure Container Registry that the nodes may pull from")
	s.BoolVar(&o.GatewayAPI, "enable-gateway-api", false, "Have AKS run a controller of the Gateway API")
	short(c, "resource-group", "g")
	short(c, "location", "l")
	short(c, "kubernetes-version", "k")
}

func (f *createFlags) addNodes(c *cobra.Command) {
	s, n, g := c.Flags(), &f.cluster.Nodes, &f.cluster.GPU
	s.IntVar(&n.Count, "agent-count", 0, "Number of nodes, also --node-count; 3 if not given, 1 for DevTest")
	s.StringVar(&n.VMSize, "vm-size", aks.DefaultVMSize, "Size of the nodes, also --node-vm-size; "+
		aks.AutoVMSize+" leaves it to AKS")
	s.BoolVar(&n.Autoscaler.Enabled, "enable-cluster-autoscaler", false, "Let AKS add and remove nodes between the bounds")
	n.Autoscaler.Min, n.Autoscaler.Max = new(int), new(int)
	s.IntVar(n.Autoscaler.Min, "min-count", 0, "Fewest nodes of the autoscaler")
	s.IntVar(n.Autoscaler.Max, "max-count", 0, "Most nodes of the autoscaler")
	s.StringToStringVar(&n.Profile, "cluster-autoscaler-profile", nil,
		"Settings of the autoscaler, such as scan-interval=30s")
	s.StringVar(&g.VMSize, "gpu-node-vm-size", "", "Size of the nodes of a second pool, with GPUs")
	s.IntVar(&g.Count, "gpu-node-count", 0, "Number of nodes with GPUs; 1 if not given")
	s.StringVar(&g.Driver, "gpu-driver", "", "install or none: whether AKS installs the GPUs' driver")
	s.StringVar(&g.Instance, "gpu-instance-profile", "",
		"Slices that each GPU is cut into: MIG1g, MIG2g, MIG3g, MIG4g or MIG7g")
	s.BoolVar(&f.noDriver, "skip-gpu-driver-install", false, "The same as --gpu-driver none")
	short(c, "agent-count", "a", "c")
	short(c, "vm-size", "s")
}

func (f *createFlags) addNetwork(c *cobra.Command) {
	s, n := c.Flags(), &f.cluster.Network
	s.StringVar(&n.VNetResourceGroup, "vnet-resourcegroup-name", "", "Resource group of the nodes' virtual network")
	s.StringVar(&n.VNet, "vnet-name", "", "Virtual network of the nodes")
	s.StringVar(&n.Subnet, "subnet-name", "", "Subnet of the nodes in it")
	s.StringVar(&n.SubnetID, "vnet-subnet-id", "", "Id of the nodes' subnet, in place of the three names")
	s.StringVar(&n.ServiceCIDR, "service-cidr", "", "Range of the Services' addresses, such as 10.0.0.0/16")
	s.StringVar(&n.DNSServiceIP, "dns-service-ip", "", "Address of the cluster's DNS in it")
	s.StringVar(&n.DockerBridgeCIDR, "docker-bridge-cidr", "", "Taken and not used: there is no Docker on nodes any more")
	s.StringVar(&n.Plugin, "network-plugin", "azure", "azure, kubenet or none")
	s.StringVar(&n.PluginMode, "network-plugin-mode", "", "overlay, which the plugin azure has if this is not given")
	s.StringVar(&n.Dataplane, "network-dataplane", "", "azure or cilium")
	s.StringVar(&n.LoadBalancerSKU, "load-balancer-sku", "standard", "standard: there is no other any more")
	s.StringVar(&n.OutboundType, "outbound-type", "loadBalancer",
		"How nodes get out: loadBalancer, userDefinedRouting, managedNATGateway, userAssignedNATGateway or none")
	s.IntVar(&n.NATGatewayIPs, "nat-gateway-managed-outbound-ip-count", 0, "Addresses of the NAT gateway, 1 to 16")
	s.IntVar(&n.LoadBalancerIPs, "load-balancer-managed-outbound-ip-count", 0,
		"Addresses of the load balancer to get out by, 1 to 100")
}

func (f *createFlags) addAPI(c *cobra.Command) {
	s, a := c.Flags(), &f.cluster.API
	a.PublicFQDN = new(bool)
	s.BoolVar(&a.Private, "enable-private-cluster", false, "Let the API server be reached from inside the network only")
	s.StringVar(&a.PrivateDNSZone, "private-dns-zone", "", "Zone of a private cluster's name: system, none or an id")
	s.StringVar(&a.FQDNSubdomain, "fqdn-subdomain", "", "Name of a private cluster in a zone of your own")
	s.BoolVar(a.PublicFQDN, "enable-public-fqdn", false, "Give a private cluster a public name, too")
	s.BoolVar(&f.noPublicFQDN, "disable-public-fqdn", false, "Give a private cluster no public name")
	s.StringSliceVar(&a.AuthorizedIPRanges, "api-server-authorized-ip-ranges", nil,
		"The only ranges that reach a public API server, such as 198.51.100.0/24")
}

func (f *createFlags) addIdentity(c *cobra.Command) {
	s, i := c.Flags(), &f.cluster.Identity
	i.Entra, i.AzureRBAC, i.NoLocalAccounts = new(bool), new(bool), new(bool)
	s.BoolVar(i.Entra, "enable-aad", false, "Sign people in with Entra; on for FastProd if not given")
	s.BoolVar(i.AzureRBAC, "enable-azure-rbac", false,
		"Let Azure's roles decide who may do what; on for FastProd if not given")
	s.BoolVar(i.NoLocalAccounts, "disable-local-accounts", false,
		"Have no certificates beside Entra; on for FastProd if not given")
	s.StringSliceVar(&i.AdminGroups, "aad-admin-group-object-ids", nil, "Object ids of Entra's groups of administrators")
	s.Bool("enable-workload-identity", true, "Let pods act as identities of Azure")
	s.StringVar(&i.Assigned, "assign-identity", "", "Id of the cluster's identity; AKS makes one if not given")
	s.StringVar(&i.ServicePrincipal, "service-principal", "", "Refused: identities took the place of service principals")
}

// options are what the flags say, without the subscription.
func (f *createFlags) options(name string) (aks.ClusterOptions, error) {
	a, err := f.read(name, compute.AKS)
	if err != nil {
		return aks.ClusterOptions{}, err
	}
	o := f.cluster
	o.Purpose, o.SkipCapacityCheck = a.Purpose, f.skipCapacity
	o.Target.Name = cmp.Or(f.clusterName, name)
	workloads, err := f.given.GetBool("enable-workload-identity")
	o.Identity.NoWorkloadIdentity = !workloads
	for flag, to := range map[string]**int{"min-count": &o.Nodes.Autoscaler.Min, "max-count": &o.Nodes.Autoscaler.Max} {
		if !f.given.Changed(flag) {
			*to = nil
		}
	}
	for flag, to := range map[string]**bool{
		"enable-aad": &o.Identity.Entra, "enable-azure-rbac": &o.Identity.AzureRBAC,
		"disable-local-accounts": &o.Identity.NoLocalAccounts, "enable-public-fqdn": &o.API.PublicFQDN,
	} {
		if !f.given.Changed(flag) {
			*to = nil
		}
	}
	if err := errors.Join(err, f.opposites(&o), f.zeros()); err != nil {
		return o, usageError{errors.New(lines(err))}
	}
	return o, nil
}

// zeros refuses numbers that were written as 0, which the options take for not
// given.
func (f *createFlags) zeros() error {
	var wrong []error
	for _, flag := range []string{"agent-count", "gpu-node-count",
		"nat-gateway-managed-outbound-ip-count", "load-balancer-managed-outbound-ip-count"} {
		if n, err := f.given.GetInt(flag); err == nil && n == 0 && f.given.Changed(flag) {
			wrong = append(wrong, usageError{fmt.Errorf("--%s 0: write 1 or more", flag)})
		}
	}
	return errors.Join(wrong...)
}

// opposites takes in the flags that say another one the other way round.
func (f *createFlags) opposites(o *aks.ClusterOptions) error {
	var wrong []error
	if f.noPublicFQDN {
		if o.API.PublicFQDN != nil {
			wrong = append(wrong, usageError{errors.New("--enable-public-fqdn and --disable-public-fqdn: leave one out")})
		}
		off := false
		o.API.PublicFQDN = &off
	}
	if f.noDriver {
		if o.GPU.Driver != "" && o.GPU.Driver != "none" {
			wrong = append(wrong, usageError{errors.New("--gpu-driver and --skip-gpu-driver-install: leave one out")})
		}
		o.GPU.Driver = "none"
	}
	return errors.Join(wrong...)
}
