// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"fmt"

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
