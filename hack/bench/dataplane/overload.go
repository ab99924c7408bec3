// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
	"github.com/kubectl-aml/kubectl-aml/hack/bench/table"
)

// The endpoint that is overloaded.
const (
	replicas  = 4
	takes     = 50 * time.Millisecond
	queueWait = 500 * time.Millisecond
	margin    = 50 * time.Millisecond
)

// Overload sends twice as many requests as an endpoint can answer, and prints what became of each of them. Each
// replica takes one at a time. It fails where the run cannot be made; never for a figure.
func Overload(ctx context.Context, o Options) error {
	l, done, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	s, err := l.endpoint(ctx)
	if err != nil {
		return err
	}
	capacity := float64(replicas) / takes.Seconds()
	var results []load.Result
	for _, times := range []float64{0.5, 2} {
		plan := load.Plan{Connections: 256, Rate: times * capacity, For: 4 * o.For}
		fmt.Fprintf(o.Talk, "overload: %.0f requests/s for %s\n", plan.Rate, plan.For)
		result, err := l.load(ctx, s, plan)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	return reportOverload(o, capacity, results[0], results[1])
}

// endpoint starts the overloaded endpoint: a router, and a limiter before each of the replicas.
func (l *lab) endpoint(ctx context.Context) (setup, error) {
	manifest, err := render(fmt.Sprintf("{defaultVersion: blue, versions: {blue: {image: i, maxConcurrentRequests: 1, "+
		"maxQueueWaitMs: %d, scoringTimeoutMs: 5000}}}", queueWait.Milliseconds()))
	if err != nil {
		return setup{}, err
	}
	versions := make([]string, replicas)
	for i := range versions {
		versions[i] = "blue"
	}
	apps, err := l.backends(takes, versions...)
	if err != nil {
		return setup{}, err
	}
	var limiters []int
	for _, app := range apps {
		port, _, err := l.limiter(ctx, manifest, "blue", app)
		if err != nil {
			return setup{}, err
		}
		limiters = append(limiters, port)
	}
	return l.router(ctx, "overloaded", manifest, map[string][]int{"blue": limiters})
}

// reportOverload prints the two runs side by side.
func reportOverload(o Options, capacity float64, half, twice load.Result) error {
	fmt.Fprintf(o.Out, "\nOverload: %d replicas that take one request of %s at a time: %.0f requests/s. "+
		"A request may queue for %s.\n\n", replicas, takes, capacity, queueWait)
	const busy = http.StatusServiceUnavailable
	count := func(status int) func(load.Result) float64 {
		return func(r load.Result) float64 { return 100 * float64(r.Answers[status].Count) / float64(r.Sent) }
	}
	accounted := func(r load.Result) float64 { return count(http.StatusOK)(r) + count(busy)(r) }
	slowest := func(r load.Result) float64 {
		return float64(r.Answers[http.StatusOK].Most) / float64(queueWait+takes+margin)
	}
	refusal := func(r load.Result) float64 { return float64(r.Answers[busy].P99) / float64(queueWait+margin) }
	return table.Print(o.Out, func(w io.Writer) {
		row := func(name, format string, figure func(load.Result) float64, met ...bool) {
			fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\t", name, figure(half), figure(twice))
			if len(met) > 0 {
				fmt.Fprint(w, map[bool]string{true: "met", false: "MISSED"}[met[0]])
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, "\tat 0.5x\tat 2x\tgoal")
		row("requests", "%.0f", func(r load.Result) float64 { return float64(r.Sent) })
		row("answered", "%.1f %%", count(http.StatusOK))
		row("refused (503)", "%.1f %%", count(busy))
		row("answered or refused: 100 %", "%.3f %%", accounted, answeredAll(half) && answeredAll(twice))
		row("answered, of what the replicas can do", "%.2f", func(r load.Result) float64 {
			return float64(r.Answers[http.StatusOK].Count) / r.Elapsed.Seconds() / capacity
		})
		row(fmt.Sprintf("answered: slowest / (queue wait + %s + %s) <= 1", takes, margin), "%.2f", slowest,
			slowest(half) <= 1 && slowest(twice) <= 1)
		row(fmt.Sprintf("refused: P99 / (queue wait + %s) <= 1", margin), "%.2f", refusal,
			refusal(half) <= 1 && refusal(twice) <= 1)
	})
}

// answeredAll tells whether each request got a score or was refused as busy.
func answeredAll(r load.Result) bool {
	return r.Answers[http.StatusOK].Count+r.Answers[http.StatusServiceUnavailable].Count == r.Sent
}
