// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"strings"
	"testing"
	"time"
)

// What is undone is as it was: the objects byte for byte, who answers, and how
// many each. Requests that come all the while are all answered.
func TestUndoRestoresTheObjectsAndTheSplit(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	s.echo("green", "grass", "--traffic", "20")
	c, url, flags := s.client(), s.url("echo"), []string{bearer(s.key("echo")), "-body={}"}
	rendered := func() string { return s.ok("render", "echo").out }
	asBefore := func(after string) {
		t.Helper()
		s.everyRouterRuns("echo", map[string]float64{"blue": 80, "green": 20})
		r := c.send(url, 500, flags...).allOK(t)
		r.nearly(t, "green", 20)
		if sky, grass := r.Bodies[`{"model": "sky"}`], r.Bodies[`{"model": "grass"}`]; sky != r.Versions["blue"] ||
			grass != r.Versions["green"] || sky+grass != r.Sent {
			t.Errorf("after %s: answers %v do not agree with versions %v", after, r.Bodies, r.Versions)
		}
	}
	before := rendered()
	asBefore("the deployments")

	end := c.steady(url, 30, 10*time.Minute, flags...)
	for _, change := range []struct {
		name string
		args []string
		told string
	}{
		{"new code", s.echoArgs("blue", "sea"), "version blue: image "},
		{"new limits", append(s.echoArgs("blue", "sky"), "--deploy-config", "testdata/echo/narrow.json"),
			"version blue: maxConcurrentRequests "},
		{"new traffic", []string{"traffic", "set", "echo", "green=70"}, "blue=80%,green=20% → blue=30%,green=70%"},
		{"a deleted version", []string{"delete", "version", "echo", "green"}, "version green removed"},
	} {
		s.ok(change.args...)
		if rendered() == before {
			t.Errorf("%s: nothing has changed", change.name)
		}
		r := s.ok("undo", "echo")
		if after := rendered(); after != before {
			t.Errorf("%s undone: the objects are\n%s\nand were\n%s", change.name, after, before)
		}
		asBefore(change.name)
		history := strings.Split(strings.TrimSpace(s.ok("history", "echo", "--max", "2").out), "\n")
		if line := history[len(history)-2]; !strings.Contains(line, change.told) {
			t.Errorf("%s is told as %s", change.name, line)
		}
		t.Logf("%s undone in %s: %s", change.name, r.took.Round(time.Millisecond), strings.TrimSpace(r.out))
	}
	// As after a promotion: what is to be the default again is not there any more.
	revision := s.revision("echo")
	s.ok("traffic", "set", "echo", "--default", "green")
	s.ok("delete", "version", "echo", "blue")
	s.ok("undo", "echo", "--to-revision", revision)
	if after := rendered(); after != before {
		t.Errorf("a deleted default undone: the objects are\n%s\nand were\n%s", after, before)
	}
	asBefore("a deleted default")
	r := end().allOK(t)
	t.Logf("%d requests during six changes and five undos, all answered 200", r.Sent)
}

// revision is the number of the one in force.
func (s *space) revision(name string) string {
	s.t.Helper()
	lines := strings.Fields(s.ok("history", name, "--max", "1", "-o", "name").out)
	return strings.TrimPrefix(lines[0], "revision/")
}
