// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"testing"

	"k8s.io/client-go/kubernetes/fake"
)

// A gateway that a user asks for is no run's any more, and no sweep takes it away.
func TestAGatewayIsARunsUntilAUserAsksForIt(t *testing.T) {
	c := &Cluster{client: fake.NewClientset()}
	for _, step := range []struct {
		asks  string
		stays bool
		of    string
	}{{"", true, ""}, {thisRun, false, thisRun}, {otherRun, true, thisRun}, {"", true, ""}, {otherRun, true, ""}} {
		stays, err := c.gatewayStays(t.Context(), step.asks)
		if err != nil || stays != step.stays {
			t.Fatalf("asked by %q it stays: %v, %v", step.asks, stays, err)
		}
		if of, err := c.gatewayRun(t.Context()); err != nil || of != step.of {
			t.Fatalf("asked by %q it is of %q, %v", step.asks, of, err)
		}
	}
}
