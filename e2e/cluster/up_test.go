// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// TestCluster makes sure of the end-to-end tests' cluster, and that nothing of
// it gets out of the machine.
func TestCluster(t *testing.T) {
	if os.Getenv("AML_E2E") == "" {
		t.Skip("needs a cluster: set AML_E2E=1")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	c, err := cluster.Up(ctx, cluster.Options{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("nothing_leaves_the_machine", func(t *testing.T) {
		if err := c.AssertContained(ctx); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("the_nodes_can_be_asked", func(t *testing.T) {
		for _, node := range c.Nodes() {
			if _, err := c.NodeExec(ctx, node, "crictl", "--version"); err == nil {
				t.Logf("%s has crictl", node)
			}
			if out, err := c.NodeExec(ctx, node, "hostname"); err != nil || out != node {
				t.Fatalf("hostname of %s = %q, %v", node, out, err)
			}
		}
	})
}
