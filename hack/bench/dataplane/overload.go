// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
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
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tat 0.5x\tat 2x\tgoal\t")
	row := func(name string, goal string, met bool, figure func(load.Result) string) {
		verdict := ""
		if goal != "" {
			verdict = map[bool]string{true: "met", false: "MISSED"}[met]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, figure(half), figure(twice), goal, verdict)
	}
	const busy = http.StatusServiceUnavailable
	share := func(status int) func(load.Result) string {
		return func(r load.Result) string {
			return fmt.Sprintf("%.1f %%", 100*float64(r.Answers[status].Count)/float64(r.Sent))
		}
	}
	row("requests", "", true, func(r load.Result) string { return fmt.Sprint(r.Sent) })
	row("answered", "", true, share(http.StatusOK))
	row("refused (503)", "", true, share(busy))
	accounted := func(r load.Result) int { return r.Answers[http.StatusOK].Count + r.Answers[busy].Count }
	row("answered or refused", "100 %", accounted(half) == half.Sent && accounted(twice) == twice.Sent,
		func(r load.Result) string { return fmt.Sprintf("%.3f %%", 100*float64(accounted(r))/float64(r.Sent)) })
	row("answered/s of capacity", "", true, func(r load.Result) string {
		return fmt.Sprintf("%.2f", float64(r.Answers[http.StatusOK].Count)/r.Elapsed.Seconds()/capacity)
	})
	within := queueWait + takes + margin
	row("answered: slowest / (queue wait + "+(takes+margin).String()+")", "<= 1",
		twice.Answers[http.StatusOK].Most <= within, func(r load.Result) string {
			return ratio(r.Answers[http.StatusOK].Most, within)
		})
	row("refused: P99 / (queue wait + "+margin.String()+")", "<= 1", twice.Answers[busy].P99 <= queueWait+margin,
		func(r load.Result) string { return ratio(r.Answers[busy].P99, queueWait+margin) })
	return w.Flush()
}

func ratio(got, want time.Duration) string {
	if got == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%s)", float64(got)/float64(want), got.Round(time.Millisecond))
}
