// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// Checks says of what Azure tells about a cluster whether endpoints can be
// deployed and served there. The order is always the same.
func (c Cluster) Checks() []compute.Check {
	return []compute.Check{c.checkState(), c.checkPower(), c.checkBalancer(), c.checkPools()}
}

func (c Cluster) checkState() compute.Check {
	row := compute.Check{Check: "azure-state", Verdict: compute.Good, Finding: c.State}
	switch {
	case c.failed():
		row.Verdict, row.Remedy = compute.Bad, "see why: az aks show --ids "+c.ID()+
			"; az aks update --ids "+c.ID()+" lets Azure mend it"
	case !c.settled():
		row.Verdict, row.Remedy = compute.Warning, "Azure is at work on the cluster: check again when it is done"
	}
	return row
}

func (c Cluster) checkPower() compute.Check {
	row := compute.Check{Check: "azure-power", Verdict: compute.Good, Finding: c.Power}
	switch {
	case strings.EqualFold(c.Power, "Stopped"):
		row.Verdict, row.Remedy = compute.Bad, "az aks start --ids "+c.ID()
	case c.Power == "":
		row.Verdict, row.Finding, row.Remedy = compute.Unsure, "not known: Azure does not tell", "try again"
	}
	return row
}

// checkBalancer and checkPools are about what AKS dropped on 30 September 2025.
func (c Cluster) checkBalancer() compute.Check {
	row := compute.Check{Check: "azure-load-balancer", Verdict: compute.Good, Finding: c.LoadBalancerSKU}
	switch c.LoadBalancerSKU {
	case "basic":
		row.Verdict, row.Finding = compute.Warning, "basic, which AKS has not supported since 30 September 2025"
		row.Remedy = "have az aks update --load-balancer-sku standard migrate it"
	case "":
		row.Finding = "none"
	}
	return row
}

func (c Cluster) checkPools() compute.Check {
	row := compute.Check{Check: "azure-node-pools", Verdict: compute.Good}
	var names, old, broken []string
	for _, p := range c.Pools {
		names = append(names, p.Name)
		if strings.EqualFold(p.Kind, "AvailabilitySet") {
			old = append(old, p.Name)
		}
		if strings.EqualFold(p.State, StateFailed) {
			broken = append(broken, p.Name)
		}
	}
	switch {
	case len(broken) > 0:
		row.Verdict, row.Finding = compute.Bad, "Azure failed to bring about "+strings.Join(broken, ", ")
		row.Remedy = "see why: az aks nodepool list -g " + c.ResourceGroup + " --cluster-name " + c.Name
	case len(old) > 0:
		row.Verdict, row.Finding = compute.Warning, "availability sets, which AKS has not supported since "+
			"30 September 2025: "+strings.Join(old, ", ")
		row.Remedy = "move to scale sets, in pools or a cluster made anew"
	default:
		row.Finding = strings.Join(names, ", ")
	}
	return row
}
