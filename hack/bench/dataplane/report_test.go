// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

func TestOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		values []float64
		want   string
	}{
		"one_round":                {[]float64{1}, "1.00 (1.00..1.00)"},
		"an_odd_number_of_rounds":  {[]float64{3, -1, 2}, "2.00 (-1.00..3.00)"},
		"an_even_number_of_rounds": {[]float64{4, 1, 2, 3}, "2.50 (1.00..4.00)"},
		"no_figure":                {[]float64{math.NaN()}, "NaN (NaN..NaN)"},
		"a_round_without_a_figure": {[]float64{1, math.Inf(1), 2}, "1.50 (1.00..2.00)"},
		"large_figures":            {[]float64{1000.4, 99.5}, "550 (100..1000)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := over(len(test.values), func(i int) float64 { return test.values[i] }).String()
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	one := func(p50, p99 int, perSecond float64, cpu int) []figures {
		return []figures{{time.Duration(p50) * time.Microsecond, time.Duration(p99) * time.Microsecond, perSecond,
			time.Duration(cpu) * time.Microsecond}}
	}
	all := rounds{
		directName: one(200, 900, 40000, 0), envoyName: one(400, 1900, 12000, 80), haproxyName: one(300, 1400, 30000, 25),
		traefikName: one(500, 2900, 6000, 150), caddyName: one(500, 2900, 6000, 90), routerName: one(420, 1900, 11000, 90),
		limiterName: one(310, 1400, 25000, 35), pairName: one(600, 2400, 8000, 125),
	}
	var out strings.Builder
	setups := []setup{{name: directName}, {name: envoyName}, {name: pairName}}
	if err := report(Options{Rounds: 1, For: time.Second, Out: &out}, setups, all); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/compare.txt", out.String())
}

func TestReportOverload(t *testing.T) {
	t.Parallel()
	half := load.Result{Sent: 400, Elapsed: 10 * time.Second, Answers: map[int]load.Times{
		200: {Count: 400, P50: 51 * time.Millisecond, P99: 60 * time.Millisecond, Most: 90 * time.Millisecond}}}
	twice := load.Result{Sent: 1600, Elapsed: 10 * time.Second, Answers: map[int]load.Times{
		200: {Count: 840, P99: 560 * time.Millisecond, Most: 590 * time.Millisecond},
		503: {Count: 759, P99: 570 * time.Millisecond, Most: 580 * time.Millisecond},
		0:   {Count: 1}}}
	var out strings.Builder
	if err := reportOverload(Options{Out: &out}, 80, half, twice); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/overload.txt", out.String())
}
