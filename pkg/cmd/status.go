// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// leastInterval keeps a watch from asking all pods without pause.
const leastInterval = 500 * time.Millisecond

func newStatus(o *options) *cobra.Command {
	var (
		watch  bool
		output string
		w      = watchOptions{interval: 2 * time.Second, window: 30 * time.Second}
	)
	c := &cobra.Command{
		Use:   "status ENDPOINT",
		Short: "Show how an endpoint is: its router or route, versions, replicas and traffic",
		Long: "Show how an endpoint is: its router or route, versions, replicas and traffic.\n\n" +
			"With --watch it goes on and measures: in place on a terminal, elsewhere when a state, a share that\n" +
			"is set or a note changes, and once a --window for the numbers. ACTUAL is then the share of the\n" +
			"requests that a version got, with the interval that holds the true share 95 times in 100; an\n" +
			"exclamation mark says that it is surely not the share that is set. P50 and P99 are the times of\n" +
			"the routers' histograms, interpolated as histogram_quantile of Prometheus does it; routers tell\n" +
			"them up to 5 seconds late. QUEUE are the requests that wait for a replica at the moment.",
		Example: "  kubectl aml status diabetes\n" +
			"  kubectl aml status diabetes -w\n" +
			"  kubectl aml status diabetes -w -o json | jq '.versions[] | {name, measured}'",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			format, err := printer.ParseFormat(output, printer.JSON, printer.YAML)
			if err != nil {
				return usageError{err}
			}
			if err := w.check(watch, c.Flags().Changed("interval") || c.Flags().Changed("window")); err != nil {
				return usageError{err}
			}
			s, err := o.connect()
			if err != nil {
				return err
			}
			if watch {
				return newWatcher(o, s, args[0], format, w).run(c.Context())
			}
			return o.status(c.Context(), s, args[0], format)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "Go on until interrupted, and measure the traffic")
	c.Flags().DurationVar(&w.interval, "interval", w.interval, "Time between two looks of --watch")
	c.Flags().DurationVar(&w.window, "window", w.window, "How far back --watch measures")
	c.Flags().StringVarP(&output, "output", "o", "",
		"Output format. One of: json, yaml. With --watch, json is a line a look")
	return c
}

// watchOptions are the flags of --watch.
type watchOptions struct{ interval, window time.Duration }

func (w watchOptions) check(watch, given bool) error {
	switch {
	case given && !watch:
		return fmt.Errorf("--interval and --window are about watching: add --watch")
	case w.interval < leastInterval:
		return fmt.Errorf("--interval is %s: write %s or more", w.interval, leastInterval)
	case w.window < w.interval:
		return fmt.Errorf("--window is %s, shorter than --interval: write %s or more", w.window, w.interval)
	}
	return nil
}

// status looks once and writes what it sees.
func (o *options) status(ctx context.Context, s *Session, name string, f printer.Format) error {
	sight, err := s.look(ctx, name)
	if err != nil {
		return err
	}
	if sight.unknown != nil {
		o.tell("note: what the routers run is not known: %v", sight.unknown)
	}
	tree := sight.tree(o.Clock.Now(), nil)
	if tree.Drift, err = s.drift(ctx, sight.release); err != nil {
		o.tell("note: whether somebody changed the objects by hand is not known: %v", err)
	}
	switch f {
	case printer.JSON:
		return printer.WriteJSON(o.Streams.Out, tree)
	case printer.YAML:
		return printer.WriteYAML(o.Streams.Out, tree)
	case printer.Table, printer.Wide, printer.Name:
	}
	return printer.Tree(o.Streams.Out, tree, printer.TreeOptions{})
}

// drift is what was changed by hand since the revision r, which is in force.
// Nothing is told while a newer one is at work, or has left what it did: it is
// not known who changed what.
func (s *Session) drift(ctx context.Context, r release.Release) ([]drift.Change, error) {
	if r.Later != "" {
		return nil, nil
	}
	objects, err := s.Releases.Objects(ctx, r)
	return drift.ByHand(objects, r.Revision, false), err
}

// sight is what was seen of an endpoint in one look.
type sight struct {
	deployed
	snapshot status.Snapshot
	routers  []status.Router
	// route is nil for an endpoint that has routers.
	route *status.Route
	// unknown is why it is not known what the routers run.
	unknown error
}

// look asks the cluster once how an endpoint is.
func (s *Session) look(ctx context.Context, name string) (sight, error) {
	d, err := s.endpoint(ctx, name)
	if err != nil {
		return sight{}, err
	}
	seen := sight{deployed: d, route: s.routeOf(ctx, d)}
	if seen.snapshot, err = status.Collect(ctx, s.Kube, s.Namespace, name); err != nil {
		return sight{}, err
	}
	seen.routers, seen.unknown = s.routers(ctx, name)
	return seen, nil
}

// tree is the view of what was seen, with what was measured if that is not nil.
func (s sight) tree(now time.Time, traffic *status.Traffic) status.Tree {
	return s.snapshot.Endpoint(s.Endpoint, now, status.Options{Routers: s.routers, Route: s.route, Traffic: traffic})
}

// routers are the configurations that the ready routers say they run.
func (s *Session) routers(ctx context.Context, name string) ([]status.Router, error) {
	running, err := rollout.Running(ctx, rollout.NewRouters(s.Kube, s.Namespace, name))
	if err != nil {
		return nil, err
	}
	var routers []status.Router
	for _, r := range running {
		if r.Ready && r.Err == nil {
			routers = append(routers, status.Router{Pod: r.Pod, Hash: r.Hash, Default: r.Default, Weights: r.Weights})
		}
	}
	return routers, nil
}
