// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package load sends the same HTTP request many times over kept connections and tells how long the answers took:
// as fast as they come, or at a rate that does not wait for them.
package load

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Plan is what to send.
type Plan struct {
	// URL is asked with POST and Body, over plain HTTP/1.1.
	URL    string
	Body   string
	Header http.Header
	// Connections is how many requests there may be at once.
	Connections int
	// Rate is how many requests are due each second, whatever became of those before. An answer's time counts from
	// when its request was due, so what waits for a connection is counted too. With 0, each connection sends its
	// next request when it has the answer to the last.
	Rate float64
	// For is how long requests are sent; the answers to all of them are waited for.
	For time.Duration
	// Seen, if there is one, is told each answer. Several connections call it at once.
	Seen func(Answer)
}

// Answer is what came back for one request.
type Answer struct {
	// Status is 0 when there was no answer, for the reason in Err.
	Status int
	Err    error
	// Version is the version of the model that answered.
	Version string
	// Done is when the answer was there, Took how long after the request was due.
	Done time.Time
	Took time.Duration
}

// VersionHeader names the version in an answer.
const VersionHeader = "azureml-model-deployment"

// Run sends what the plan says, until its time or the context is over, and waits for the answers. It fails for a plan
// that cannot be followed; requests that fail are counted.
func Run(ctx context.Context, c clock.PassiveClock, plan Plan) (Result, error) {
	target, err := url.Parse(plan.URL)
	if err != nil {
		return Result{}, err
	}
	if target.Scheme != "http" || plan.Connections < 1 {
		return Result{}, errors.New("a plan needs an http:// address and at least one connection")
	}
	start := c.Now()
	due := rate(ctx, c, start, plan)
	gathered := make([][]Answer, plan.Connections)
	var workers sync.WaitGroup
	for i := range gathered {
		workers.Go(func() {
			one := connection{address: target.Host, request: request(target, plan), clock: c}
			defer one.close()
			for at := range due {
				answer := one.ask(at)
				gathered[i] = append(gathered[i], answer)
				if plan.Seen != nil {
					plan.Seen(answer)
				}
			}
		})
	}
	workers.Wait()
	return summarise(gathered, c.Since(start)), nil
}

// rate yields the times at which requests are due, as many as the plan wants.
func rate(ctx context.Context, c clock.PassiveClock, start time.Time, plan Plan) func(func(time.Time) bool) {
	end := start.Add(plan.For)
	if plan.Rate <= 0 {
		return func(yield func(time.Time) bool) {
			for now := c.Now(); now.Before(end) && ctx.Err() == nil && yield(now); now = c.Now() {
				continue
			}
		}
	}
	count := int(plan.Rate * plan.For.Seconds())
	waiting := make(chan time.Time, count)
	go func() {
		// A thread of its own sleeps more exactly than Go's timers.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(waiting)
		for i := range count {
			at := start.Add(time.Duration(float64(i) / plan.Rate * float64(time.Second)))
			if early := at.Sub(c.Now()); early > 0 {
				pause(early)
			}
			if ctx.Err() != nil {
				return
			}
			waiting <- at
		}
	}()
	return func(yield func(time.Time) bool) {
		for at := range waiting {
			if !yield(at) {
				return
			}
		}
	}
}
