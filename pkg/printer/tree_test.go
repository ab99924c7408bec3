// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

func ready(name string) status.Workload {
	v := status.Verdict{State: status.Ready}
	return status.Workload{Deployment: name, Desired: 1, Ready: 1, Verdict: v, Sets: []status.Set{{
		Name: name + "-5d8f", Desired: 1, Ready: 1, Verdict: v,
		Pods: []status.Pod{{Name: name + "-5d8f-x2x4", Ready: true, Verdict: v}},
	}}}
}

func TestTreeShowsWhereTheTrafficGoesAndWhatIsWrong(t *testing.T) {
	t.Parallel()
	crash := status.Verdict{State: status.Failed, Reason: "CrashLoopBackOff",
		Message: "container scoring ended with exit code 3: FileNotFoundError: model.pkl"}
	green := ready("diabetes-green")
	green.Ready, green.Verdict = 0, crash
	green.Sets[0].Ready, green.Sets[0].Verdict = 0, crash
	green.Sets[0].Pods[0] = status.Pod{Name: "diabetes-green-5d8f-x2x4", Restarts: 3, Verdict: crash}
	green.Notes = []string{"no pod is ready: its share of 20 % goes to blue"}
	tree := status.Tree{
		Namespace: "models", Endpoint: "diabetes", Verdict: crash, Router: ready("diabetes-router"),
		Versions: []status.Version{
			{Name: "blue", Default: true, Effective: 80, Actual: 100, Workload: ready("diabetes-blue")},
			{Name: "green", Declared: 20, Effective: 20, Workload: green},
		},
		Notes: []string{"the routers run different configurations: a change is on its way"},
	}
	var out bytes.Buffer
	if err := printer.Tree(&out, tree, printer.TreeOptions{}); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/tree.txt", out.String())
}

func TestTreeShowsTheRouteInTheRoutersPlace(t *testing.T) {
	t.Parallel()
	refused := status.Verdict{State: status.Failed, Reason: "NotAllowedByListeners",
		Message: "Gateway models/front does not take the HTTPRoute: Accepted is False (NotAllowedByListeners): no"}
	var out bytes.Buffer
	if err := printer.Tree(&out, status.Tree{
		Namespace: "models", Endpoint: "diabetes", Verdict: refused,
		Route:    &status.Route{Gateway: "models/front", Verdict: refused},
		Versions: []status.Version{{Name: "blue", Default: true, Effective: 100, Workload: ready("diabetes-blue")}},
	}, printer.TreeOptions{}); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/tree-route.txt", out.String())
}

func TestListingsInEveryFormat(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	list := []printer.Endpoint{{
		Name: "diabetes", Namespace: "models", Revision: 3, State: "deployed", Default: "blue", Auth: "key",
		Purpose: "DevTest", ScoringPath: printer.ScoringPath("diabetes"), Updated: now.Add(-90 * time.Minute),
		Versions: []printer.Version{
			{Name: "blue", Endpoint: "diabetes", Effective: 79.5, Default: true, Ready: 2, Desired: 2, Image: "r/b@sha256:1"},
			{Name: "green", Endpoint: "diabetes", Declared: 20.5, Effective: 20.5, Control: true, Ready: 0, Desired: 1,
				Image: "r/g@sha256:2", Accelerator: "nvidia:1"},
		},
	}}
	for _, format := range []printer.Format{printer.Table, printer.Wide, printer.JSON, printer.YAML, printer.Name} {
		var out, errOut bytes.Buffer
		for _, l := range []printer.Listing{printer.Endpoints(list, now, true), printer.VersionTable(list[0].Versions)} {
			if err := l.Print(&out, &errOut, format); err != nil {
				t.Fatal(err)
			}
		}
		if errOut.Len() > 0 {
			t.Errorf("%s: talks: %s", format, errOut.String())
		}
		golden.Assert(t, "testdata/listing."+string(format)+".txt", out.String())
	}
}

func TestAnEmptyTableIsToldApartFromTheAnswer(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	if err := printer.Endpoints(nil, time.Time{}, false).Print(&out, &errOut, printer.Table); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 || errOut.String() != "No endpoints found.\n" {
		t.Errorf("answer %q, talk %q", out.String(), errOut.String())
	}
}
