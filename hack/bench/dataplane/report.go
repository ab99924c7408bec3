// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/table"
)

// spread is what several rounds told: their median, the least and the most.
type spread struct{ median, least, most float64 }

// over takes a figure from each round. A ratio to what was lost in the noise is none: such rounds are left out.
func over(count int, figure func(round int) float64) spread {
	var values []float64
	for round := range count {
		if value := figure(round); !math.IsNaN(value) && !math.IsInf(value, 0) {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(values)
	n := len(values)
	return spread{median: (values[(n-1)/2] + values[n/2]) / 2, least: values[0], most: values[n-1]}
}

// String is "MEDIAN (LEAST..MOST)".
func (s spread) String() string {
	digits := 2
	if s.median >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f (%.*f..%.*f)", digits, s.median, digits, s.least, digits, s.most)
}

// signed is what was added, or saved.
func signed(s spread) string {
	if s.median < 0 {
		return s.String()
	}
	return "+" + s.String()
}

// ratio is NaN where there is nothing to compare with: an engine cannot take time away from the backend.
func ratio(of, to float64) float64 {
	if to <= 0 {
		return math.NaN()
	}
	return of / to
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rounds are the figures of all setups, round by round.
type rounds map[string][]figures

// addedP50 is what a setup adds to the median of the backend alone, in ms.
func (t rounds) addedP50(name string, round int) float64 {
	return milliseconds(t[name][round].p50 - t[directName][round].p50)
}

func (t rounds) addedP99(name string, round int) float64 {
	return milliseconds(t[name][round].p99 - t[directName][round].p99)
}

// perCore is how many requests one processor would take if it did nothing else.
func (t rounds) perCore(name string, round int) float64 {
	return float64(time.Second) / float64(t[name][round].cpu)
}

// report prints what was measured, and then how it compares with what is wanted.
func report(o Options, setups []setup, all rounds) error {
	fmt.Fprintf(o.Out, "\nData plane: medians of %d rounds of %s (least..most). Times at %d requests/s, added to those\n"+
		"of the backend alone; requests/s and processor time with %d connections that never wait.\n\n",
		o.Rounds, o.For, steadyRate, busyConnections)
	err := table.Print(o.Out, func(w io.Writer) {
		fmt.Fprintln(w, "\tP50 ms\tP99 ms\trequests/s\tCPU µs/request\trequests/s per core")
		for _, s := range setups {
			all.row(w, s, o.Rounds)
		}
		for _, name := range []string{routerName, pairName} {
			fmt.Fprintf(w, "\n%s /\tadded P50\tadded P99\trequests/s\trequests/s per core\n", name)
			for _, s := range setups {
				all.against(w, name, s.name, o.Rounds)
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(o.Out)
	return table.Print(o.Out, func(w io.Writer) { all.goals(w, o.Rounds) })
}

func (t rounds) row(w io.Writer, s setup, count int) {
	perSecond := over(count, func(i int) float64 { return t[s.name][i].perSecond })
	if s.name == directName {
		p50 := over(count, func(i int) float64 { return milliseconds(t[s.name][i].p50) })
		p99 := over(count, func(i int) float64 { return milliseconds(t[s.name][i].p99) })
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\t\n", s.name, p50, p99, perSecond)
		return
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.name,
		signed(over(count, func(i int) float64 { return t.addedP50(s.name, i) })),
		signed(over(count, func(i int) float64 { return t.addedP99(s.name, i) })), perSecond,
		over(count, func(i int) float64 { return float64(t[s.name][i].cpu) / float64(time.Microsecond) }),
		over(count, func(i int) float64 { return t.perCore(s.name, i) }))
}

// against compares one of ours with another, round by round.
func (t rounds) against(w io.Writer, name, other string, count int) {
	perSecond := over(count, func(i int) float64 { return t[name][i].perSecond / t[other][i].perSecond })
	switch other {
	case routerName, limiterName, pairName:
	case directName:
		fmt.Fprintf(w, "%s\t\t\t%s\t\n", other, perSecond)
	default:
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", other,
			over(count, func(i int) float64 { return ratio(t.addedP50(name, i), t.addedP50(other, i)) }),
			over(count, func(i int) float64 { return ratio(t.addedP99(name, i), t.addedP99(other, i)) }), perSecond,
			over(count, func(i int) float64 { return t.perCore(name, i) / t.perCore(other, i) }))
	}
}

// goals are what is wanted, of the router by itself and with the limiters on the same processor. In a cluster, the
// limiters have the processors of the pods that they are in.
func (t rounds) goals(w io.Writer, count int) {
	fmt.Fprintln(w, "goal\tmedian (least..most)\twanted\t")
	row := func(name, sign string, wanted float64, figure func(i int) float64) {
		got := over(count, figure)
		met := "met"
		if sign == "<=" && !(got.median <= wanted) || sign == ">=" && !(got.median >= wanted) {
			met = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s %.1f\t%s\n", name, got, sign, wanted, met)
	}
	row("added P50: router + limiter / (envoy + haproxy)", "<=", 1.3, func(i int) float64 {
		return ratio(t.addedP50(pairName, i), t.addedP50(envoyName, i)+t.addedP50(haproxyName, i))
	})
	for _, ours := range []string{routerName, pairName} {
		for _, peer := range []struct {
			name   string
			wanted float64
		}{{envoyName, 0.8}, {traefikName, 1}, {caddyName, 1}} {
			row("requests/s per core: "+ours+" / "+peer.name, ">=", peer.wanted, func(i int) float64 {
				return t.perCore(ours, i) / t.perCore(peer.name, i)
			})
		}
	}
}
