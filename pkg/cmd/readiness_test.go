// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// What runs is ready at once in these; only the routers are behind.
func TestAChangeIsThroughWhenNoRouterSendsToTheReplicasOfBefore(t *testing.T) {
	t.Parallel()
	const (
		waits = "all is ready, routers still send requests of version green to 10.9.9.9 of the revision before\n"
		late  = "note: all is ready, but the routers diabetes-router-0 still send requests of version green to 10.9.9.9 of " +
			"the revision before: they stop when DNS has these addresses no more\n"
	)
	for name, c := range map[string]struct {
		looks, left int
		args        string
		says        []string
	}{
		"the routers know":           {0, 0, "--version-name green", nil},
		"they know a moment on":      {5, 0, "--version-name green", nil},
		"they know later":            {100, 0, "--version-name green", []string{waits}},
		"they go on":                 {math.MaxInt, math.MaxInt, "--version-name green", []string{waits, late}},
		"nobody waits":               {5, 5, "--version-name green --wait=false", nil},
		"the version is not changed": {5, 4, "--version-name blue", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := twoVersions(t)
			start := time.Unix(1800000000, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.clock = &moments{FakeClock: clocktesting.NewFakeClock(start), start: start, ctx: ctx, happen: func(int) {}}
			p.set(func(p *pods) { p.before["green"] = c.looks })
			r := w.fine(w.run(append([]string{"restart", "diabetes"}, strings.Fields(c.args)...)...))
			if r.out != "endpoint/diabetes restarted\n" {
				t.Errorf("it answered %s", r.out)
			}
			said := ""
			for line := range strings.Lines(r.err) {
				if strings.Contains(line, "of the revision before") {
					said += line
				}
			}
			if said != strings.Join(c.says, "") {
				t.Errorf("it said %q, want %q", said, c.says)
			}
			p.set(func(p *pods) {
				if left := p.before["green"]; left != c.left && c.left != math.MaxInt {
					t.Errorf("%d of %d looks are left, want %d", left, c.looks, c.left)
				}
			})
		})
	}
}

// What keeps several versions waiting is one and the same, and so is the wait for it.
func TestVersionsAreWaitedForAtOnce(t *testing.T) {
	t.Parallel()
	w, p := twoVersions(t)
	start := time.Unix(1800000000, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	clock := &moments{FakeClock: clocktesting.NewFakeClock(start), start: start, ctx: ctx, happen: func(int) {}}
	w.clock = clock
	p.set(func(p *pods) { p.before["blue"], p.before["green"] = math.MaxInt, math.MaxInt })
	r := w.fine(w.run("restart", "diabetes"))
	const late = "note: all is ready, but the routers diabetes-router-0 still send requests of versions blue, green to " +
		"10.9.9.9 of the revision before: they stop when DNS has these addresses no more\n"
	if !strings.HasSuffix(r.err, late) || strings.Count(r.err, "note: ") != 1 {
		t.Errorf("it said %s", r.err)
	}
	if took := clock.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}
