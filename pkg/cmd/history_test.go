// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
)

// dated takes the times, and what of an image differs from run to run, out of an
// answer.
func (w *world) dated(text string) string {
	text = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(w.plain(text), "2026-05-04T12:00:00Z")
	return regexp.MustCompile(`sha256:[0-9a-f]{12}\b`).ReplaceAllString(text, "SHORT")
}

func TestHistoryTellsWhatEachRevisionChanged(t *testing.T) {
	t.Parallel()
	w := rolledOut(t)
	w.cluster.Refuse = func(string, string) error { return errors.New("quota exceeded") }
	if r := w.deploy("blue", "--no-rollback", "--accelerator", "nvidia:1", "--traffic", "30", "--default"); r.code != 1 {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	w.cluster.Refuse = nil
	w.fine(w.run("undo", "diabetes", "--wait=false"))
	w.fine(w.run(strings.Fields("traffic set diabetes green=45.5 --wait=false")...))
	w.edit("diabetes", "limiter.image", "haproxy:1")
	for args, want := range map[string]string{
		"history diabetes": `REVISION   UPDATED                STATUS       BY         CHART   TRAFFIC                  CHANGE
1          2026-05-04T12:00:00Z   superseded   ada@desk   0.1.0   blue=100%                version blue added
2          2026-05-04T12:00:00Z   superseded   ada@desk   0.1.0   blue=80%,green=20%       version green added; traffic blue=100% → blue=80%,green=20%
3          2026-05-04T12:00:00Z   superseded   ada@desk   0.1.0   blue=80%,green=20%       version blue: replicas 1 → 1 to 10 at 70%; maxConcurrentRequests 1 → 4
4          2026-05-04T12:00:00Z   failed       ada@desk   0.1.0   blue=80%,green=20%       version blue: accelerator none → nvidia:1; replicas 1 to 10 at 70% → 1; maxConcurrentRequests 4 → 1
5          2026-05-04T12:00:00Z   superseded   ada@desk   0.1.0   blue=80%,green=20%       version blue: replicas 1 to 10 at 70% → 1; maxConcurrentRequests 4 → 1
6          2026-05-04T12:00:00Z   superseded   ada@desk   0.1.0   blue=54.5%,green=45.5%   traffic blue=80%,green=20% → blue=54.5%,green=45.5%
7          2026-05-04T12:00:00Z   deployed     ada@desk   0.1.0   blue=54.5%,green=45.5%   limiter.image docker.io/library/haproxy:3.2-alpine → haproxy:1
`,
		"history diabetes -o name --max 2": "revision/6\nrevision/7\n",
	} {
		if got := w.dated(w.fine(w.run(strings.Fields(args)...)).out); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", args, got, want)
		}
	}
}

func TestHistoryOfOneRevisionTellsAllOfIt(t *testing.T) {
	t.Parallel()
	w := rolledOut(t)
	told, values, _ := strings.Cut(w.dated(w.fine(w.run("history", "diabetes", "--revision", "2")).out), "Values:\n")
	want := `endpoint/diabetes with revision 2
Updated:     2026-05-04T12:00:00Z
Status:      superseded
By:          ada@desk
Chart:       0.1.0
Description: deploy green
Changes:
  version green added
  traffic blue=100% → blue=80%,green=20%
Versions:
  NAME    DECLARED   EFFECTIVE   ROLE      CPU    MEMORY   ACCELERATOR   IMAGE
  blue    0%         80%         default   100m   512Mi    <none>        REGISTRY/diabetes@DIGEST
  green   20%        20%         <none>    100m   512Mi    <none>        REGISTRY/diabetes@DIGEST
`
	if told != want {
		t.Errorf("got\n%s\nwant\n%s", told, want)
	}
	for _, line := range []string{"  defaultVersion: blue\n", "      description: for patients\n", "      traffic: 20\n"} {
		if !strings.Contains(values, line) {
			t.Errorf("%q is not in\n%s", line, values)
		}
	}
	var detail struct {
		Revision int                            `json:"revision"`
		Traffic  map[string]float64             `json:"effectiveTraffic"`
		Changes  []struct{ Field, Text string } `json:"changes"`
		Versions []struct{ Name string }        `json:"versions"`
		Values   map[string]any                 `json:"values"`
	}
	text := w.fine(w.run("history", "diabetes", "--revision", "2", "-o", "json")).out
	if err := json.Unmarshal([]byte(text), &detail); err != nil {
		t.Fatal(err)
	}
	if detail.Revision != 2 || detail.Traffic["green"] != 20 || len(detail.Changes) != 2 ||
		detail.Changes[0].Text != "version green added" || len(detail.Versions) != 2 || detail.Values["defaultVersion"] != "blue" {
		t.Errorf("got %s", text)
	}
}

func TestHistoryKeepsTheValuesOfVariablesToItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.edit("diabetes", "versions.blue.env", map[string]any{"TOKEN": "hush"})
	for _, format := range []string{"", "json", "yaml"} {
		r := w.fine(w.run("history", "diabetes", "--revision", "2", "-o", format))
		if strings.Contains(r.out, "hush") || !strings.Contains(r.out, "TOKEN") || !strings.Contains(r.out, "***") {
			t.Errorf("-o %s: got %s", format, r.out)
		}
	}
}

func TestWhatHistoryRefusesIsTold(t *testing.T) {
	t.Parallel()
	w := rolledOut(t)
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"history iris":                  {1, `no endpoint "iris" in namespace "models": see kubectl aml get endpoints -n models`},
		"history diabetes --revision 9": {1, `endpoint "diabetes" has no revision 9: there is 1, 2, 3`},
		"history diabetes --max -1":     {2, `--revision and --max are numbers from 1`},
	} {
		if r := w.run(strings.Fields(args)...); r.code != want.code || r.err != "error: "+want.says+"\n" || r.out != "" {
			t.Errorf("%s: exit code %d, %q", args, r.code, r.err)
		}
	}
}
