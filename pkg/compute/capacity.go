// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// What Azure ML v1 asked of a cluster for production: see
// how-to-create-attach-kubernetes.md of its documents.
const (
	MinCPUs  = 12
	MinNodes = 3
)

// Capacity is what the nodes of a cluster have.
type Capacity struct {
	Nodes, CPUs int
	// MaxNodes and MaxCPUs are what an autoscaler may bring them to; 0 without one.
	MaxNodes, MaxCPUs int
	// Shape tells the sum, as in "2×4"; it may be empty.
	Shape string
}

// Enough compares the capacity with what the purpose asks for: nothing for
// DevTest; MinCPUs vCPUs and MinNodes nodes for FastProd. What an autoscaler can
// bring is worth a warning only. The error does not say what to do next.
func (c Capacity) Enough(purpose endpoint.Purpose) (warning string, err error) {
	enough := func(nodes, cpus int) bool { return nodes >= MinNodes && cpus >= MinCPUs }
	if purpose == endpoint.DevTest {
		if c.CPUs < 2 && c.MaxCPUs < 2 {
			return fmt.Sprintf("the cluster has %s: Azure ML recommends 2 at least for DevTest", plural(c.CPUs, "vCPU")), nil
		}
		return "", nil
	}
	sum := plural(c.CPUs, "vCPU")
	if c.Shape != "" {
		sum = c.Shape + "=" + sum
	}
	short := fmt.Sprintf("the cluster has %s in %s; %s needs at least %d vCPUs and %d nodes",
		sum, plural(c.Nodes, "node"), purpose, MinCPUs, MinNodes)
	switch {
	case enough(c.Nodes, c.CPUs):
		return "", nil
	case enough(c.MaxNodes, c.MaxCPUs):
		return short + ": it only has them after the autoscaler has added nodes", nil
	}
	return "", fmt.Errorf("%s", short)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Measure adds up the nodes that can take replicas: those that are Ready, not
// cordoned and not kept for the control plane. CPUs are whole ones that they have,
// whatever else runs there.
func Measure(nodes []corev1.Node) Capacity {
	var c Capacity
	shapes := map[int]int{}
	var order []int
	for _, n := range nodes {
		if !takesReplicas(n) {
			continue
		}
		cpus := int(n.Status.Capacity.Cpu().MilliValue() / 1000)
		c.Nodes++
		c.CPUs += cpus
		if shapes[cpus]++; shapes[cpus] == 1 {
			order = append(order, cpus)
		}
	}
	slices.Sort(order)
	var told []string
	for _, cpus := range order {
		told = append(told, fmt.Sprintf("%d×%d", shapes[cpus], cpus))
	}
	c.Shape = strings.Join(told, "+")
	return c
}

func takesReplicas(n corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		control := t.Key == "node-role.kubernetes.io/control-plane" || t.Key == "node-role.kubernetes.io/master"
		if control && t.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	return ready && !n.Spec.Unschedulable
}
