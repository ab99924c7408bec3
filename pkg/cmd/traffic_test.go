// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCopiesAndCallersWhoStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.mustDeploy("green")
	w.mustDeploy("red", "--traffic", "10")
	const none = "VERSION   DECLARED   EFFECTIVE   ROLE\nblue      0%         90%         default\n" +
		"green     0%         0%          <none>\nred       10%        10%         <none>\n"
	const copies = "VERSION   DECLARED   EFFECTIVE   ROLE      MIRROR\nblue      0%         90%         default   0%\n" +
		"green     0%         0%          <none>    12.5%\nred       10%        10%         <none>    0%\n"
	for _, step := range []struct {
		command, out, err string
		code              int
	}{
		{command: "traffic mirror diabetes green=12.5 --wait=false", out: "endpoint/diabetes mirror set\n"},
		{command: "traffic mirror diabetes green=12.5 --wait=false", out: "endpoint/diabetes unchanged\n"},
		{command: "traffic get diabetes", out: copies},
		{command: "traffic mirror diabetes red=5", code: 1, err: `version "red" answers requests itself and cannot get copies`},
		{command: "traffic mirror diabetes purple=5", code: 1, err: `"purple" is not a version of endpoint "diabetes"`},
		{command: "traffic mirror diabetes", code: 2, err: "nothing to set: write VERSION=PERCENT, or --off"},
		{command: "traffic mirror diabetes green=5 --off", code: 2, err: "--off ends all copies: write it alone"},
		{command: "traffic set diabetes --sticky-by header:X-User --wait=false", out: "endpoint/diabetes traffic set\n"},
		{command: "traffic get diabetes", out: copies, err: "Callers keep their version by the header x-user.\n"},
		{command: "traffic mirror diabetes --off --wait=false", out: "endpoint/diabetes mirror set\n"},
		{command: "traffic get diabetes", out: none, err: "Callers keep their version by the header x-user.\n"},
		{command: "traffic set diabetes red=10 --sticky-by none --wait=false", out: "endpoint/diabetes traffic set\n"},
		{command: "traffic get diabetes", out: none},
		{command: "traffic set diabetes --sticky-by cookie:a", code: 2, err: "write header:NAME, or none"},
		{command: "traffic set diabetes --sticky-by header:authorization", code: 2, err: "cannot be told apart by the header"},
	} {
		r := w.run(strings.Fields(step.command)...)
		if r.code != step.code || r.out != step.out || !strings.Contains(r.err, step.err) {
			t.Errorf("%s: exit code %d\n%s%s\nwant %d\n%s%s", step.command, r.code, r.out, r.err, step.code, step.out, step.err)
		}
	}
}

func TestTheJSONOfTrafficTellsCopiesAndCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.mustDeploy("green")
	w.run("traffic", "mirror", "diabetes", "green=5", "--wait=false")
	w.run("traffic", "set", "diabetes", "--sticky-by", "header:x-user", "--wait=false")
	var told struct {
		StickyBy string `json:"stickyBy"`
		Items    []struct {
			Name   string  `json:"name"`
			Mirror float64 `json:"mirrorPercentage"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(w.run("traffic", "get", "diabetes", "-o", "json").out), &told); err != nil {
		t.Fatal(err)
	}
	if told.StickyBy != "header:x-user" || len(told.Items) != 2 || told.Items[1].Mirror != 5 || told.Items[0].Mirror != 0 {
		t.Errorf("got %+v", told)
	}
}
