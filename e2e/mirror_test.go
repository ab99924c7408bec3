// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"math"
	"strings"
	"testing"
)

// TestCallersStayAndCopiesSlowNobody moves a version from 10 to 20 % of 1,000
// callers, and sends copies of all requests to one that hangs.
func TestCallersStayAndCopiesSlowNobody(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	s.echo("green", "grass")
	s.echo("red", "stuck")
	c, key := s.client(), bearer(s.key("echo"))
	const callers = 1000
	ask := func() report {
		t.Helper()
		return c.send(s.url("echo"), callers, key, "-body={}", "-callers=x-user").allOK(t)
	}
	s.ok("traffic", "set", "echo", "green=10", "--sticky-by", "header:x-user")
	before := ask()
	if again := ask(); before.moved(t, again, "nobody") != 0 {
		t.Error("callers had another version the second time")
	}
	s.ok("traffic", "set", "echo", "green=20")
	moved := before.moved(t, ask(), "green")
	t.Logf("green had %d of %d callers at 10 %%, %d more at 20 %%", before.Versions["green"], callers, moved)
	// 100 are wanted of each; 5 times the standard deviation of a hash.
	for _, got := range []int{before.Versions["green"], moved} {
		if math.Abs(float64(got)-100) > 5*math.Sqrt(callers*0.1*0.9) {
			t.Errorf("%d callers, not about 100", got)
		}
	}

	s.ok("traffic", "mirror", "echo", "red=100")
	got := s.ok("traffic", "get", "echo")
	if !strings.Contains(got.out, "MIRROR") || !strings.Contains(got.err, "x-user") {
		t.Errorf("traffic get says\n%s%s", got.out, got.err)
	}
	copied := ask()
	if copied.Versions["red"] != 0 || copied.Millis >= 30_000 {
		t.Errorf("with a mirrored version that hangs: %v, the slowest after %d ms", copied.Versions, copied.Millis)
	}
	if !strings.Contains(s.ok("logs", "echo", "--version", "red", "--tail", "-1").out, "model stuck was asked") {
		t.Error("the mirrored version got no copy")
	}
	t.Logf("slowest answer: %d ms without copies, %d ms with a mirrored version that hangs", before.Millis, copied.Millis)
}

// moved counts the callers who have another version later, and ends the test
// for one that did not go to the version given.
func (r report) moved(t *testing.T, later report, to string) int {
	t.Helper()
	moved := 0
	for caller, version := range later.Callers {
		if was := r.Callers[caller]; was != version {
			moved++
			if version != to {
				t.Errorf("%s went from %s to %s", caller, was, version)
			}
		}
	}
	if len(later.Callers) != len(r.Callers) {
		t.Errorf("%d callers and then %d", len(r.Callers), len(later.Callers))
	}
	return moved
}
