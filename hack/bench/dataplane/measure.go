// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// Options say how to measure.
type Options struct {
	Clock clock.Clock
	// Self is this program, which is also the load and the backend.
	Self string
	// Cache is where engines are kept.
	Cache string
	// Rounds is how often everything is measured, For how long each time.
	Rounds int
	For    time.Duration
	// Out gets the tables, Talk what goes on.
	Out, Talk io.Writer
}

// The load: latencies are taken at a rate that any of the engines can take.
const (
	steadyRate        = 1000
	steadyConnections = 32
	busyConnections   = 16
)

// figures are what one round tells of a setup.
type figures struct {
	p50, p99 time.Duration
	// perSecond is how many requests it answered each second when they came as fast as they could.
	perSecond float64
	// cpu is the processor time of one of those requests.
	cpu time.Duration
}

// Compare measures router and limiter beside the other engines, in turns, so that all of them see the same machine,
// and prints the ratios. It fails where an engine is missing or does not do the same work; never for a figure.
func Compare(ctx context.Context, o Options) error {
	l, done, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	fmt.Fprintln(o.Talk, "data plane: starting the engines")
	setups, err := l.contenders(ctx)
	if err != nil {
		return err
	}
	for _, s := range setups {
		if err := l.check(ctx, s); err != nil {
			return err
		}
	}
	all := rounds{}
	for round := range o.Rounds {
		fmt.Fprintf(o.Talk, "data plane: round %d of %d\n", round+1, o.Rounds)
		for _, s := range setups {
			one, err := l.measure(ctx, s, o.For)
			if err != nil {
				return err
			}
			all[s.name] = append(all[s.name], one)
		}
	}
	return report(o, setups, all)
}

// The names in the tables.
const (
	directName  = "direct"
	envoyName   = "envoy"
	haproxyName = "haproxy"
	traefikName = "traefik"
	caddyName   = "caddy"
	routerName  = "router"
	limiterName = "limiter"
	pairName    = "router + limiter"
)

// contenders starts everything that is compared, all in front of the same two backends.
func (l *lab) contenders(ctx context.Context) ([]setup, error) {
	apps, err := l.backends(0, "blue", "green")
	if err != nil {
		return nil, err
	}
	setups := []setup{{name: directName, url: "http://" + address(apps[0]), open: true}}
	for _, p := range peers() {
		s, err := l.startPeer(ctx, p, apps[0], apps[1])
		if err != nil {
			return nil, err
		}
		setups = append(setups, s)
	}
	// As many at once as the load has, so that the limiter passes them on and does not queue.
	manifest, err := render(`{defaultVersion: blue, versions: {blue: {image: i, maxConcurrentRequests: 64},
		green: {image: i, traffic: 20, maxConcurrentRequests: 64}}}`)
	if err != nil {
		return nil, err
	}
	ours, err := l.ours(ctx, manifest, apps)
	return append(setups, ours...), err
}

// ours are the router alone, the limiter alone, and both as they are in a cluster: a limiter before each backend.
func (l *lab) ours(ctx context.Context, manifest chart.Manifest, apps []int) ([]setup, error) {
	router, err := l.router(ctx, routerName, manifest, map[string][]int{"blue": apps[:1], "green": apps[1:]})
	if err != nil {
		return nil, err
	}
	blue, blueProcess, err := l.limiter(ctx, manifest, "blue", apps[0])
	if err != nil {
		return nil, err
	}
	green, greenProcess, err := l.limiter(ctx, manifest, "green", apps[1])
	if err != nil {
		return nil, err
	}
	pair, err := l.router(ctx, pairName, manifest, map[string][]int{"blue": {blue}, "green": {green}})
	if err != nil {
		return nil, err
	}
	pair.processes = append(pair.processes, blueProcess, greenProcess)
	return []setup{
		router,
		{name: limiterName, url: "http://" + address(blue), processes: []*process{blueProcess}, open: true},
		pair,
	}, nil
}

// check asks whether a setup does the work that is compared: it refuses who has no key, takes both keys, and gives
// green its share. Chance fails it once in two million times.
func (l *lab) check(ctx context.Context, s setup) error {
	if s.open {
		return nil
	}
	ask := func(key string, span time.Duration) (load.Result, error) {
		return load.Run(ctx, l.clock, load.Plan{URL: s.url + path, Header: header(key), Body: "{}", Connections: 4,
			Rate: steadyRate, For: span})
	}
	if refused, err := ask("wrong", 10*time.Millisecond); err != nil || refused.Answers[http.StatusOK].Count > 0 {
		return fmt.Errorf("%s lets a wrong key in: %v, %w", s.name, refused.Answers, err)
	}
	green := 0
	for _, key := range []string{primary, secondary} {
		let, err := ask(key, time.Second/2)
		if err != nil {
			return err
		}
		if let.Answers[http.StatusOK].Count != let.Sent || let.Versions["blue"]+let.Versions["green"] != let.Sent {
			return fmt.Errorf("%s does not let a key in: %v from %v, %v", s.name, let.Answers, let.Versions, let.Errors)
		}
		green += let.Versions["green"]
	}
	// 5 standard deviations of 1,000 draws at 20 %.
	if green < 137 || green > 263 {
		return fmt.Errorf("%s gives %d of 1000 requests to green, not 200", s.name, green)
	}
	return nil
}

// measure measures one setup once.
func (l *lab) measure(ctx context.Context, s setup, span time.Duration) (figures, error) {
	if _, err := l.answered(ctx, s, load.Plan{Connections: busyConnections, For: span / 10}); err != nil {
		return figures{}, err
	}
	steady, err := l.answered(ctx, s, load.Plan{Connections: steadyConnections, Rate: steadyRate, For: span})
	if err != nil {
		return figures{}, err
	}
	var pids []int
	for _, process := range s.processes {
		pids = append(pids, process.pid)
	}
	before, err := cpu(pids...)
	if err != nil {
		return figures{}, err
	}
	busy, err := l.answered(ctx, s, load.Plan{Connections: busyConnections, For: span})
	if err != nil {
		return figures{}, err
	}
	after, err := cpu(pids...)
	if err != nil {
		return figures{}, err
	}
	times := steady.Answers[http.StatusOK]
	return figures{
		p50: times.P50, p99: times.P99, perSecond: busy.PerSecond(), cpu: (after - before) / time.Duration(busy.Sent),
	}, nil
}

// answered sends requests that all have to be answered.
func (l *lab) answered(ctx context.Context, s setup, plan load.Plan) (load.Result, error) {
	result, err := l.load(ctx, s, plan)
	if err != nil {
		return load.Result{}, err
	}
	if good := result.Answers[http.StatusOK].Count; good == 0 || good != result.Sent {
		return load.Result{}, fmt.Errorf("%s answered %d of %d requests with 200: %v, %v",
			s.name, good, result.Sent, result.Answers, result.Errors)
	}
	return result, nil
}
