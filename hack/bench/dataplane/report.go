// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// spread is what several rounds told: their median, the least and the most.
type spread struct{ median, least, most float64 }

// over takes a figure from each round.
func over(rounds int, figure func(round int) float64) spread {
	values := make([]float64, rounds)
	for round := range rounds {
		values[round] = figure(round)
	}
	slices.Sort(values)
	return spread{median: (values[(rounds-1)/2] + values[rounds/2]) / 2, least: values[0], most: values[rounds-1]}
}

// String is "MEDIAN (LEAST..MOST)".
func (s spread) String() string {
	digits := 2
	if s.median >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f (%.*f..%.*f)", digits, s.median, digits, s.least, digits, s.most)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// table are the figures of all setups, round by round.
type table map[string][]figures

// addedP50 is what a setup adds to the median of the backend alone, in ms.
func (t table) addedP50(name string, round int) float64 {
	return milliseconds(t[name][round].p50 - t[directName][round].p50)
}

func (t table) addedP99(name string, round int) float64 {
	return milliseconds(t[name][round].p99 - t[directName][round].p99)
}

// perCore is how many requests one processor would take if it did nothing else.
func (t table) perCore(name string, round int) float64 {
	return float64(time.Second) / float64(t[name][round].cpu)
}

// report prints what was measured, and then how it compares with what is wanted.
func report(o Options, setups []setup, all table) error {
	fmt.Fprintf(o.Out, "\nData plane: medians of %d rounds of %s (least..most). Times at %d requests/s, added to those of "+
		"the backend\nalone; requests/s and processor time with %d connections that never wait.\n\n",
		o.Rounds, o.For, steadyRate, busyConnections)
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tP50 ms\tP99 ms\trequests/s\tCPU us/request\trequests/s per core")
	for _, s := range setups {
		all.row(w, s, o.Rounds)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(o.Out)
	return all.goals(o.Out, o.Rounds)
}

func (t table) row(w io.Writer, s setup, rounds int) {
	perSecond := over(rounds, func(i int) float64 { return t[s.name][i].perSecond })
	if s.name == directName {
		p50 := over(rounds, func(i int) float64 { return milliseconds(t[s.name][i].p50) })
		p99 := over(rounds, func(i int) float64 { return milliseconds(t[s.name][i].p99) })
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\t\n", s.name, p50, p99, perSecond)
		return
	}
	fmt.Fprintf(w, "%s\t+%s\t+%s\t%s\t%s\t%s\n", s.name,
		over(rounds, func(i int) float64 { return t.addedP50(s.name, i) }),
		over(rounds, func(i int) float64 { return t.addedP99(s.name, i) }), perSecond,
		over(rounds, func(i int) float64 { return float64(t[s.name][i].cpu) / float64(time.Microsecond) }),
		over(rounds, func(i int) float64 { return t.perCore(s.name, i) }))
}

// goals compares, in each round, ours with what others need for the same work.
func (t table) goals(out io.Writer, rounds int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ratio\tmedian (least..most)\tgoal\t")
	row := func(name string, wanted func(float64) bool, goal string, figure func(i int) float64) {
		ratio := over(rounds, figure)
		met := "met"
		if !wanted(ratio.median) {
			met = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, ratio, goal, met)
	}
	atMost := func(goal float64) func(float64) bool { return func(got float64) bool { return got <= goal } }
	atLeast := func(goal float64) func(float64) bool { return func(got float64) bool { return got >= goal } }
	added := func(i int) float64 { return t.addedP50(envoyName, i) + t.addedP50(haproxyName, i) }
	row("added P50: router + limiter / (envoy + haproxy)", atMost(1.3), "<= 1.3", func(i int) float64 {
		return t.addedP50(pairName, i) / added(i)
	})
	row("requests/s per core: router / envoy", atLeast(0.8), ">= 0.8", func(i int) float64 {
		return t.perCore(routerName, i) / t.perCore(envoyName, i)
	})
	row("requests/s per core: router + limiter / (envoy + haproxy)", atLeast(0.8), ">= 0.8", func(i int) float64 {
		both := float64(t[envoyName][i].cpu + t[haproxyName][i].cpu)
		return both / float64(t[pairName][i].cpu)
	})
	for _, peer := range []string{traefikName, caddyName} {
		row("requests/s per core: router + limiter / "+peer, atLeast(1), ">= 1", func(i int) float64 {
			return t.perCore(pairName, i) / t.perCore(peer, i)
		})
		row("requests/s: router + limiter / "+peer, atLeast(1), ">= 1", func(i int) float64 {
			return t[pairName][i].perSecond / t[peer][i].perSecond
		})
	}
	return w.Flush()
}
