// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
)

// What is taken for an id is one: the id of what was read is read as the same.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		group + "/providers/Microsoft.ContainerService/managedClusters/scoring",
		"/subscriptions/s/resourcegroups/G/providers/microsoft.containerservice/managedclusters/N/",
		group + "/providers/Microsoft.Kubernetes/connectedClusters/arc", subnetID, "", "/", "//", "scoring",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		target, err := aks.ParseTarget(id)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %v", id, err)
			}
			return
		}
		again, err := aks.ParseTarget(target.ID())
		if err != nil || !again.Same(target) {
			t.Errorf("%q is read as %q, and that as %q: %v", id, target.ID(), again.ID(), err)
		}
	})
}

// An address for DNS that is asked of Azure is in the range of the Services.
func FuzzServiceAddresses(f *testing.F) {
	for _, seed := range [][2]string{
		{"10.0.0.0/16", "10.0.0.10"}, {"10.0.0.0/16", ""}, {"", "10.0.0.10"}, {"10.2.0.0/27", ""}, {"0.0.0.0/0", ""},
		{"255.255.255.224/27", ""}, {"fd00::/108", "fd00::a"}, {"10.0.0.1/16", "x"}, {"10.0.0.0/16", "::ffff:10.0.0.10"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, cidr, dns string) {
		o := asked()
		o.Network.ServiceCIDR, o.Network.DNSServiceIP = cidr, dns
		body, _, err := o.Build(aks.Facts{})
		if err != nil || cidr == "" && dns == "" {
			return
		}
		services := netip.MustParsePrefix("10.0.0.0/16")
		if got := body.Properties.NetworkProfile.ServiceCidr; got != nil {
			services = netip.MustParsePrefix(*got)
		}
		at, err := netip.ParseAddr(*body.Properties.NetworkProfile.DNSServiceIP)
		if err != nil || !at.Is4() || !services.Contains(at) || at == services.Addr() {
			t.Errorf("%q %q: DNS is at %v in %v: %v", cidr, dns, at, services, err)
		}
	})
}

// A range that may reach the API server is one of public addresses of v4.
func FuzzAuthorizedRanges(f *testing.F) {
	for _, seed := range []string{"198.51.100.0/24", "203.0.113.7", "0.0.0.0/32", "0.0.0.0/0", "10.0.0.0/8", "8.0.0.0/4", "::/0", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := asked()
		o.API.AuthorizedIPRanges = []string{text}
		if _, _, err := o.Build(aks.Facts{}); err != nil || text == "0.0.0.0/32" {
			return
		}
		r, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			r, err = netip.PrefixFrom(addr, 32), nil
		}
		private := netip.MustParsePrefix("10.0.0.0/8")
		if err != nil || r != r.Masked() || !r.Addr().Is4() || r.Overlaps(private) {
			t.Errorf("%q is taken: %v", text, err)
		}
	})
}

// A name of a size that is understood has vCPUs, and so many that a sum of them
// stays a number.
func FuzzEstimateSKU(f *testing.F) {
	for _, seed := range []string{
		"Standard_D4s_v5", "Standard_M8-2ms", "Standard_D3_v2", "Standard_DS14-4_v2", "Standard_NC24ads_A100_v4",
		"Standard_PB6s", "standard_d2ps_v5", "Standard_D0", "Standard_D99_v2", "Standard_", "Basic_A1", "auto", "Standard_D1_ 0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		sku, ok := aks.EstimateSKU(name)
		if ok && (sku.CPUs < 1 || sku.CPUs > 9999 || !sku.Estimated || sku.Name != name || strings.ContainsAny(name, "\n /")) {
			t.Errorf("%q: %+v", name, sku)
		}
	})
}

func TestEstimateSKU(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]aks.SKU{
		"Standard_D4s_v5":          {CPUs: 4},
		"Standard_D4ps_v5":         {CPUs: 4, Arm: true},
		"Standard_D3_v2":           {CPUs: 4},
		"Standard_DS14_v2":         {CPUs: 16},
		"Standard_DS14-4_v2":       {CPUs: 4},
		"Standard_M8-2ms":          {CPUs: 2},
		"Standard_NP10s":           {CPUs: 10},
		"Standard_NC4as_T4_v3":     {CPUs: 4},
		"Standard_NC24ads_A100_v4": {CPUs: 24},
		"standard_e16-8s_v5":       {CPUs: 8},
		"Standard_D9_v2":           {},
		"D4s_v5":                   {},
		"Standard_D":               {},
		"Standard_D0s_v5":          {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := want.CPUs > 0
			if known {
				want.Name, want.Estimated = name, true
			}
			if got, ok := aks.EstimateSKU(name); ok != known || got != want {
				t.Errorf("got %+v %v, want %+v", got, ok, want)
			}
		})
	}
}

// A taint that is asked of Azure is one that Kubernetes has.
func FuzzTaints(f *testing.F) {
	for _, seed := range []string{
		aks.GPUTaint, "sku=gpu:NoExecute", "a/b.c_d-e=1:PreferNoSchedule", "sku=gpu", "=gpu:NoSchedule", "sku=:NoSchedule",
		"sku=gpu:noschedule", "sku=gpu:NoSchedule\n", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pool, _, err := aks.PoolOptions{Name: "gpu", GPU: true, VMSize: "Standard_NC4as_T4_v3", Taints: []string{text}}.Build(aks.Facts{})
		if err != nil {
			return
		}
		key, rest, _ := strings.Cut(text, "=")
		value, effect, _ := strings.Cut(rest, ":")
		effects := []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
		if key == "" || value == "" || !slices.Contains(effects, effect) || strings.ContainsAny(text, " \n,") {
			t.Errorf("%q is taken", text)
		}
		taints := map[string]int{}
		for _, taint := range pool.Properties.NodeTaints {
			taints[*taint]++
		}
		if taints[text] != 1 || taints[aks.GPUTaint] != 1 {
			t.Errorf("%q: got %v", text, taints)
		}
	})
}
