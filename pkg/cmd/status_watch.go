// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// lookLimit bounds one look, so that a cluster that hangs is one that does not
// answer.
const lookLimit = 15 * time.Second

// driftEvery is the time between two looks at what was changed by hand, which
// asks for all objects.
const driftEvery = 15 * time.Second

// watcher looks at an endpoint again and again.
type watcher struct {
	o *options
	s *Session
	watchOptions
	name string
	view view

	window rollout.Window
	// split is the split that the routers run and that is being measured.
	split map[string]float64
	// drift is what was changed by hand, as seen at the time asked, of a revision.
	drift        []drift.Change
	driftUnknown error
	asked        time.Time
	revision     int
}

// view is where a watch is shown.
type view interface {
	// show shows what was seen, trouble why nothing could be seen this time.
	show(t status.Tree) error
	trouble(err error) error
	// wait returns after d, or when ctx ends.
	wait(ctx context.Context, d time.Duration)
	// close leaves the view as a reader should find it.
	close() error
}

func newWatcher(o *options, s *Session, name string, f printer.Format, w watchOptions) *watcher {
	return &watcher{o: o, s: s, name: name, watchOptions: w, view: o.view(f, w),
		window: rollout.Window{Length: w.window}}
}

// run shows the endpoint until the context ends, which is how a user leaves, or
// until it is deleted: neither is an error. Nor is it one that the cluster does
// not answer, once it did.
func (w *watcher) run(ctx context.Context) (err error) {
	defer func() {
		if closed := w.view.close(); err == nil {
			err = closed
		}
	}()
	for seen := false; ; {
		tree, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !seen:
			return err
		case errors.Is(err, release.ErrNotFound):
			return w.deleted()
		case err != nil:
			err = w.view.trouble(err)
		default:
			seen, err = true, w.view.show(tree)
		}
		if err != nil {
			return err
		}
		w.view.wait(ctx, w.interval)
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (w *watcher) deleted() error {
	err := w.view.close()
	w.view = nowhere{}
	w.o.tell("endpoint %q is deleted: there is nothing more to watch", w.name)
	return err
}

// look sees and measures once. Without the right to measure, a note says so.
func (w *watcher) look(ctx context.Context) (status.Tree, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	seen, err := w.s.look(ctx, w.name)
	if err != nil {
		return status.Tree{}, err
	}
	if seen.route != nil {
		tree := seen.tree(w.o.Clock.Now(), nil)
		tree.Time = w.o.Clock.Now()
		tree.Notes = append(tree.Notes, "the gateway counts the requests, not the endpoint: nothing is measured here")
		return tree, nil
	}
	// The split is known before the counters are read: what was sent by another
	// one is not in the sum.
	w.expect(seen.tree(w.o.Clock.Now(), nil))
	traffic, note, err := w.measure(ctx, seen.Default)
	if err != nil {
		return status.Tree{}, err
	}
	now := w.o.Clock.Now()
	tree := seen.tree(now, traffic)
	tree.Time = now
	if note != "" {
		tree.Notes = append(tree.Notes, note)
	}
	w.compare(ctx, seen.release, now)
	tree.Drift = w.drift
	if w.driftUnknown != nil {
		tree.Notes = append(tree.Notes,
			fmt.Sprintf("whether somebody changed the objects by hand is not known: %v", w.driftUnknown))
	}
	if seen.unknown != nil {
		tree.Notes = append(tree.Notes, fmt.Sprintf("what the routers run is not known: %v", seen.unknown))
	}
	return tree, nil
}

// compare looks again at what was changed by hand, if it is time to.
func (w *watcher) compare(ctx context.Context, r release.Release, now time.Time) {
	if r.Revision == w.revision && now.Sub(w.asked) < driftEvery {
		return
	}
	w.drift, w.driftUnknown = w.s.drift(ctx, r)
	w.asked, w.revision = now, r.Revision
}

// expect begins to count anew when the routers split otherwise than before: an
// interval is about one split.
func (w *watcher) expect(t status.Tree) {
	split := map[string]float64{}
	for _, v := range t.Versions {
		split[v.Name] = math.Round(v.Actual*1e4) / 1e4 // in millionths, as routers draw
	}
	if !maps.Equal(split, w.split) {
		w.window.Reset()
	}
	w.split = split
}

// measure adds what the pods have counted. It returns nil and a note if they may
// not be asked.
func (w *watcher) measure(ctx context.Context, fallback string) (*status.Traffic, string, error) {
	r, err := rollout.ReadMetrics(ctx, w.s.Kube, w.s.Namespace, w.name, w.o.Clock)
	switch {
	case apierrors.IsForbidden(err):
		return nil, "nothing is measured: that takes the right to get pods/proxy in namespace " + w.s.Namespace, nil
	case err != nil:
		return nil, "", err
	}
	w.window.Add(r, fallback)
	sum := w.window.Sum()
	t := &status.Traffic{Seconds: sum.Seconds, Versions: map[string]status.Counts{}, Queues: map[string]status.Queue{}}
	for name, c := range sum.Versions {
		t.Versions[name] = status.Counts(c)
	}
	for name, q := range r.Queues {
		t.Queues[name] = status.Queue(q)
	}
	if len(r.Silent) > 0 {
		return t, "these pods do not tell what they count: " + strings.Join(r.Silent, ", "), nil
	}
	return t, "", nil
}
