// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package traffic

import (
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

func TestReport(t *testing.T) {
	t.Parallel()
	plugin, helm := row{name: "kubectl aml traffic set"}, row{name: "helm upgrade, routers restart"}
	for _, ms := range []int{900, 800, 1000} {
		took := time.Duration(ms) * time.Millisecond
		plugin.add(change{command: took, inForce: took / 2, sent: 100})
	}
	helm.add(change{command: 20 * time.Second, inForce: 9 * time.Second, sent: 900, lost: 1})
	var out strings.Builder
	if err := report(Options{Out: &out}, 300*time.Millisecond, []row{plugin, helm}); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/report.txt", out.String())
}
