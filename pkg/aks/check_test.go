// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
)

func TestChecksOfACluster(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*aks.Cluster)
		want   string
	}{
		"well":     {func(*aks.Cluster) {}, "ok ok ok ok"},
		"failed":   {func(c *aks.Cluster) { c.State = "Failed" }, "failed ok ok ok see why: az aks show --ids /subscriptions/s/"},
		"updating": {func(c *aks.Cluster) { c.State = "Upgrading" }, "warning ok ok ok Azure is at work on the cluster"},
		"stopped":  {func(c *aks.Cluster) { c.Power = "Stopped" }, "ok failed ok ok az aks start --ids /subscriptions/s/"},
		"no power": {func(c *aks.Cluster) { c.Power = "" }, "ok unknown ok ok try again"},
		"a basic load balancer": {func(c *aks.Cluster) { c.LoadBalancerSKU = "basic" },
			"ok ok warning ok have az aks update --load-balancer-sku standard"},
		"an availability set": {func(c *aks.Cluster) { c.Pools[1].Kind = "AvailabilitySet" }, "ok ok ok warning move to scale sets"},
		"a pool that failed":  {func(c *aks.Cluster) { c.Pools[0].State = "Failed" }, "ok ok ok failed see why: az aks nodepool list -g rg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := aks.Cluster{Target: aks.Target{Subscription: "s", ResourceGroup: "rg", Name: "fraud"}, State: "Succeeded",
				Power: "Running", LoadBalancerSKU: "standard", Pools: []aks.Pool{{Name: "system"}, {Name: "gpu"}}}
			test.change(&c)
			var got []string
			remedy := ""
			for _, check := range c.Checks() {
				got = append(got, string(check.Verdict))
				remedy += check.Remedy
				if check.Finding == "" {
					t.Errorf("%s has no finding", check.Check)
				}
			}
			if said := strings.TrimSpace(fmt.Sprint(strings.Join(got, " "), " ", remedy)); !strings.HasPrefix(said, test.want) {
				t.Errorf("says %q, want %q", said, test.want)
			}
		})
	}
}
