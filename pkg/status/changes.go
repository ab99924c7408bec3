// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

// watchAgain is the time after which a watch that was refused is tried again.
const watchAgain = 5 * time.Second

// changes tells when it is worth to look at an endpoint before the next second.
// What is there is read by lists alone: so a watch that is refused, breaks off or
// never says anything costs nobody more than that second.
type changes struct {
	// happened holds a value if Deployments or pods may have changed since it was
	// taken last.
	happened chan struct{}
	clock    clock.Clock
	options  metav1.ListOptions
	watches  []*watching
	// hearing are the watches that are open or about to be.
	hearing sync.WaitGroup
}

// watching is the watch of one kind.
type watching struct {
	start func(context.Context, metav1.ListOptions) (watch.Interface, error)
	tried time.Time
	open  atomic.Bool
}

func newChanges(client kubernetes.Interface, c clock.Clock, namespace, endpoint string) *changes {
	return &changes{
		happened: make(chan struct{}, 1), clock: c,
		options: metav1.ListOptions{LabelSelector: labels.Set{instanceLabel: endpoint}.String()},
		watches: []*watching{
			{start: client.AppsV1().Deployments(namespace).Watch},
			{start: client.CoreV1().Pods(namespace).Watch},
		},
	}
}

// follow begins to watch what is not watched, or not any more, until ctx ends. It
// does not wait for that: a proxy in between may hold the answer back.
func (c *changes) follow(ctx context.Context) {
	now := c.clock.Now()
	for _, w := range c.watches {
		if w.open.Load() || !w.tried.IsZero() && now.Sub(w.tried) < watchAgain {
			continue
		}
		w.tried = now
		w.open.Store(true)
		c.hearing.Go(func() {
			defer w.open.Store(false)
			c.hear(ctx, w.start)
		})
	}
}

// hear returns when the watch is over. One begins with all that is there, so
// nothing is missed between two.
func (c *changes) hear(
	ctx context.Context, start func(context.Context, metav1.ListOptions) (watch.Interface, error),
) {
	w, err := start(ctx, c.options)
	if err != nil {
		return
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, open := <-w.ResultChan():
			if !open || event.Type == watch.Error {
				return
			}
			select {
			case c.happened <- struct{}{}:
			default:
			}
		}
	}
}
