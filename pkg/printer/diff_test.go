// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer_test

import (
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

func TestADiffSpeaksFirstAndShowsThen(t *testing.T) {
	t.Parallel()
	d := printer.Diff{
		Endpoint: "echo", Revision: 7, Differs: true,
		Summary: []string{"traffic: blue goes from 90 % to 60 %, green goes from 10 % to 40 %", "no pod restarts"},
		ByHand: []drift.Change{
			{Object: "Deployment/echo-blue", Message: "deployment echo-blue has 5 replicas where revision 7 says 2", Then: "it is set back"},
			{Object: "PodDisruptionBudget/echo-blue", Message: "poddisruptionbudget echo-blue is gone", Then: "it is made again"},
			{Object: "Deployment/echo-grey", Message: "deployment echo-grey is not in revision 7", Then: "it stays"},
		},
		Objects: []drift.Difference{
			{Object: "ConfigMap/echo-router", Action: drift.Changed, Diff: "--- live\n+++ proposed\n@@ -1 +1 @@\n-a\n+b\n"},
			{Object: "Deployment/echo-blue", Action: drift.Changed, ByHand: true, Diff: "--- live\n+++ proposed\n@@ -1 +1 @@\n-5\n+2\n same\n"},
			{Object: "Deployment/echo-grey", Action: drift.Left, ByHand: true},
			{Object: "PodDisruptionBudget/echo-blue", Action: drift.Created, ByHand: true, Diff: "--- live\n+++ proposed\n@@ -0,0 +1 @@\n+a\n"},
		},
	}
	var text strings.Builder
	for _, colour := range []bool{false, true} {
		if err := d.Write(&text, colour); err != nil {
			t.Fatal(err)
		}
	}
	if err := (printer.Diff{Endpoint: "echo"}).Write(&text, true); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/diff.txt", strings.ReplaceAll(text.String(), "\x1b", "ESC"))
}
