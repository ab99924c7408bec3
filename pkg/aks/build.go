// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// The tags by which clusters of this program are known.
const (
	TagManagedBy = "managed-by"
	TagPurpose   = "aml-cluster-purpose"
	ManagedBy    = "kubectl-aml"
)

// findings are what is to be said of options: all of it, not only the first.
type findings struct {
	warnings []string
	refused  []error
}

func (f *findings) refuse(format string, args ...any) {
	f.refused = append(f.refused, fmt.Errorf(format, args...))
}

func (f *findings) warn(format string, args ...any) {
	f.warnings = append(f.warnings, fmt.Sprintf(format, args...))
}

// Build is the cluster that is asked of Azure, and what people should know of it.
// The error joins everything that is refused, each with the flag it is about;
// one with the reason Quota is about the capacity alone. Nothing is asked of
// anybody: facts that are not known are not checked.
func (o ClusterOptions) Build(facts Facts) (acs.ManagedCluster, []string, error) {
	o = o.completed(facts)
	f := &findings{}
	cluster := acs.ManagedCluster{
		Location: ptr.To(o.Location),
		Identity: o.Identity.identity(f),
		SKU:      &acs.ManagedClusterSKU{Name: ptr.To(acs.ManagedClusterSKUNameBase), Tier: ptr.To(o.tier())},
		Tags:     o.tags(f),
		Properties: &acs.ManagedClusterProperties{
			EnableRBAC:             ptr.To(true),
			KubernetesVersion:      o.version(facts, f),
			DNSPrefix:              o.dnsPrefix(f),
			FqdnSubdomain:          optional(o.API.FQDNSubdomain),
			AgentPoolProfiles:      o.pools(facts, f),
			AutoScalerProfile:      o.Nodes.profile(f),
			NetworkProfile:         o.Network.profile(f),
			APIServerAccessProfile: o.API.profile(f),
			AADProfile:             o.Identity.entra(f),
			DisableLocalAccounts:   ptr.To(*o.Identity.NoLocalAccounts),
			OidcIssuerProfile:      &acs.ManagedClusterOIDCIssuerProfile{Enabled: ptr.To(!o.Identity.NoWorkloadIdentity)},
			SecurityProfile: &acs.ManagedClusterSecurityProfile{
				WorkloadIdentity: &acs.ManagedClusterSecurityProfileWorkloadIdentity{
					Enabled: ptr.To(!o.Identity.NoWorkloadIdentity)},
			},
			IngressProfile: o.ingress(),
		},
	}
	o.names(f)
	small := o.enough(facts, f)
	switch {
	case len(f.refused) > 0 && small != nil:
		f.refuse("%w", errors.New(small.Error())) // without the reason: the rest has another
		fallthrough
	case len(f.refused) > 0:
		return acs.ManagedCluster{}, f.warnings, errors.Join(f.refused...)
	case small != nil:
		return acs.ManagedCluster{}, f.warnings, small
	}
	return cluster, f.warnings, nil
}

// names checks what the cluster and its place are called.
func (o ClusterOptions) names(f *findings) {
	// As az checks it.
	if !regexp.MustCompile(`^[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?$`).MatchString(o.Target.Name) {
		f.refuse("--cluster-name %q: write up to 63 letters, digits, - and _, with a letter or digit at both ends",
			o.Target.Name)
	}
	if o.Target.ResourceGroup == "" {
		f.refuse("--resource-group is missing: name the resource group that the cluster is made in")
	}
	if strings.Contains(o.Registry, "/") {
		checkID(f, "--attach-acr", o.Registry, registries)
	}
	if o.Location == "" {
		f.refuse("--location is missing: name the region, such as eastus")
	}
	if o.Purpose != endpoint.FastProd && o.Purpose != endpoint.DevTest {
		f.refuse("--cluster-purpose %q: write FastProd or DevTest", o.Purpose)
	}
}

// tier is the one with an uptime promise for production.
func (o ClusterOptions) tier() acs.ManagedClusterSKUTier {
	if o.Purpose == endpoint.FastProd {
		return acs.ManagedClusterSKUTierStandard
	}
	return acs.ManagedClusterSKUTierFree
}

// maxTags is how many tags a resource can have, ours included.
const maxTags = 50

func (o ClusterOptions) tags(f *findings) map[string]*string {
	tags := map[string]*string{TagManagedBy: ptr.To(ManagedBy), TagPurpose: ptr.To(string(o.Purpose))}
	for key, text := range o.Tags {
		// Azure does not tell the case of names apart.
		ours := slices.ContainsFunc([]string{TagManagedBy, TagPurpose, tagOperation},
			func(t string) bool { return strings.EqualFold(t, key) })
		switch {
		case ours:
			f.refuse("--tags %s: this tag is kubectl-aml's own: write another name", key)
		case key == "" || len(key) > 512 || len(text) > 256 || strings.ContainsAny(key, `<>%&\?/`):
			f.refuse("--tags %s=%s: write a name of up to 512 characters without < > %% & \\ ? /, and a value of up to 256",
				key, text)
		}
		tags[key] = ptr.To(text)
	}
	if len(o.Tags) > maxTags-3 {
		f.refuse("--tags: %d are too many: a cluster has %d, of which kubectl-aml uses 3", len(o.Tags), maxTags)
	}
	return tags
}

// version checks the version of Kubernetes against those that there are.
func (o ClusterOptions) version(facts Facts, f *findings) *string {
	v := strings.TrimPrefix(o.KubernetesVersion, "v")
	if v == "" {
		return nil
	}
	if !regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`).MatchString(v) {
		f.refuse("--kubernetes-version %q: write it as 1.36 or 1.36.2", o.KubernetesVersion)
		return &v
	}
	offered := func(have string) bool { return have == v || strings.HasPrefix(have, v+".") }
	if facts.Versions != nil && !slices.ContainsFunc(facts.Versions, offered) {
		f.refuse("--kubernetes-version %s: %s has %s", v, o.Location, strings.Join(facts.Versions, ", "))
	}
	return &v
}

// dnsPrefix is the one given, or made of the names as az makes it.
func (o ClusterOptions) dnsPrefix(f *findings) *string {
	prefix := o.DNSPrefix
	switch {
	case prefix != "" && o.API.FQDNSubdomain != "":
		f.refuse("--dns-name-prefix and --fqdn-subdomain are two names for one thing: leave one out")
		return nil
	case o.API.FQDNSubdomain != "":
		return nil
	case prefix == "":
		prefix = defaultDNSPrefix(o.Target)
	}
	// As Azure checks it.
	if !regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]{0,52}[A-Za-z0-9])?$`).MatchString(prefix) {
		f.refuse("--dns-name-prefix %q: write up to 54 letters, digits and -, with a letter or digit at both ends", prefix)
	}
	return &prefix
}

func defaultDNSPrefix(t Target) string {
	plain := func(text string, most int) string {
		text = regexp.MustCompile(`[^A-Za-z0-9-]`).ReplaceAllString(text, "")
		return text[:min(len(text), most)]
	}
	name := plain(t.Name, 10)
	if name == "" || name[0] < 'A' {
		name = "a" + name[:min(len(name), 9)]
	}
	return strings.Trim(name+"-"+plain(t.ResourceGroup, 16)+"-"+plain(t.Subscription, 6), "-")
}

// ingress asks for AKS's own controller of the Gateway API.
func (o ClusterOptions) ingress() *acs.ManagedClusterIngressProfile {
	if !o.GatewayAPI {
		return nil
	}
	return &acs.ManagedClusterIngressProfile{
		GatewayAPI: &acs.ManagedClusterIngressProfileGatewayConfiguration{
			Installation: ptr.To(acs.ManagedGatewayTypeStandard)},
		WebAppRouting: &acs.ManagedClusterIngressProfileWebAppRouting{
			GatewayAPIImplementations: &acs.ManagedClusterWebAppRoutingGatewayAPIImplementations{
				AppRoutingIstio: &acs.ManagedClusterAppRoutingIstio{Mode: ptr.To(acs.GatewayAPIIstioEnabledEnabled)},
			},
		},
	}
}

// optional is nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
