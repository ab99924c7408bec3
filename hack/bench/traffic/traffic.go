// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package traffic measures how long it takes on a cluster from a command that changes the traffic until the last
// answer by the old split.
package traffic

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/utils/clock"
)

// Options say how to measure.
type Options struct {
	Clock clock.Clock
	// Plugin and Kubectl are programs, Helm is a program with its first arguments, Chart the chart's folder.
	Plugin, Kubectl string
	Helm            []string
	Chart           string
	// Changes is how often the plugin changes the traffic.
	Changes int
	// Kubelet asks for a change that waits for the kubelet too. That takes more than a minute.
	Kubelet bool
	// Out gets the table, Talk what goes on.
	Out, Talk io.Writer
}

// way is a way to change the traffic.
type way struct {
	name  string
	times int
	// change gives green its share, in percent.
	change func(ctx context.Context, green int) error
}

// Compare changes the traffic of an endpoint by the plugin and by Helm, under load, and prints the times. It fails
// where a command fails; never for a figure.
func Compare(ctx context.Context, o Options) error {
	fmt.Fprintln(o.Talk, "traffic: deploying an endpoint with two versions")
	s, done, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	unit, err := s.unit(ctx)
	if err != nil {
		return err
	}
	var rows []row
	green := 0
	for _, w := range s.ways() {
		r := row{name: w.name}
		for i := range w.times {
			fmt.Fprintf(o.Talk, "traffic: %s, %d of %d\n", w.name, i+1, w.times)
			green = 100 - green
			one, err := s.measure(ctx, w, green)
			if err != nil {
				return err
			}
			r.add(one)
		}
		rows = append(rows, r)
	}
	return report(o, unit, rows)
}

func (s *space) ways() []way {
	helm := func(restart bool) func(context.Context, int) error {
		return func(ctx context.Context, green int) error {
			_, err := s.run(ctx, s.Helm[0], append(s.Helm[1:len(s.Helm):len(s.Helm)], "upgrade", endpoint, s.Chart,
				"--reuse-values", "--wait", "--set", fmt.Sprintf("versions.green.traffic=%d", green),
				"--set", fmt.Sprintf("router.restartOnChange=%t", restart))...)
			return err
		}
	}
	ways := []way{{"kubectl aml traffic set", s.Changes, func(ctx context.Context, green int) error {
		_, err := s.run(ctx, s.Plugin, "traffic", "set", endpoint, fmt.Sprintf("green=%d", green))
		return err
	}}}
	if s.Kubelet {
		ways = append(ways, way{"helm upgrade, kubelet's pace", 1, helm(false)})
	}
	return append(ways, way{"helm upgrade, routers restart", 1, helm(true)})
}

// unit is how long kubectl takes to read one object. It also has Helm built before it is timed.
func (s *space) unit(ctx context.Context) (time.Duration, error) {
	if _, err := s.run(ctx, s.Helm[0], append(s.Helm[1:len(s.Helm):len(s.Helm)], "list")...); err != nil {
		return 0, err
	}
	var took []time.Duration
	for range 7 {
		start := s.Clock.Now()
		if _, err := s.run(ctx, s.Kubectl, "get", "configmap", endpoint+"-router"); err != nil {
			return 0, err
		}
		took = append(took, s.Clock.Since(start))
	}
	return median(took), nil
}
