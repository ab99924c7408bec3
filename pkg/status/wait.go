// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	// lookEvery is the most time between two looks, and how long a failure has to
	// last. lookRest is the least.
	lookEvery = time.Second
	lookRest  = 100 * time.Millisecond
	// speakEvery is the time after which is said that the wait goes on.
	speakEvery = 30 * time.Second
)

// WaitOptions say what to wait for.
type WaitOptions struct {
	Client kubernetes.Interface
	// Clock is the real one if nil.
	Clock               clock.Clock
	Namespace, Endpoint string
	// Router and Versions are what to wait for.
	Router   bool
	Versions []string
	// SchedulingGrace is as in Options.
	SchedulingGrace time.Duration
	// Timeout ends the wait with a *TimeoutError; 0 leaves that to the context
	// and to what is waited for.
	Timeout time.Duration
	// Report is called with a line whenever what is waited for changes, and
	// every 30 s; it may be nil.
	Report func(line string)
}

// Wait returns nil once all that is waited for is ready: the change is observed
// and as many pods as wanted run it and are available. Old pods may still be
// draining then.
//
// It looks once a second, and when Deployments or pods of the endpoint change. Who
// may not watch them is told a little later.
//
// It ends with a *FailedError as soon as all looks of a second have found that the
// same will not come without a change; with a *TimeoutError if the Timeout or the
// context's deadline passes first; with the context's error if it is cancelled; and
// with the API server's if that does not allow to look.
func Wait(ctx context.Context, o WaitOptions) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	w := waiter{WaitOptions: o, start: o.Clock.Now(), said: map[string]string{},
		changes: newChanges(o.Client, o.Clock, o.Namespace, o.Endpoint)}
	w.spoke = w.start
	ctx, cancel := context.WithCancel(ctx)
	defer w.changes.hearing.Wait()
	defer cancel()
	for {
		w.began = o.Clock.Now()
		done, err := w.look(ctx)
		if err != nil || done {
			return err
		}
		w.heartbeat()
		if o.Timeout > 0 && o.Clock.Since(w.start) >= o.Timeout {
			return w.timeout()
		}
		if w.rest(ctx, o.Clock.Since(w.began)); ctx.Err() != nil {
			return w.ended(ctx)
		}
	}
}

// waiter is what Wait remembers from look to look.
type waiter struct {
	WaitOptions
	start, spoke time.Time
	// began is when the last look did.
	began time.Time
	// said is the last line on each object, pending those not ready, in order.
	said    map[string]string
	pending []string
	// failure is what the last looks found failed, failing since when they do;
	// zero if the last look found nothing failed.
	failure finding
	failing time.Time
	// trouble is the error of the last look.
	trouble error
	changes *changes
}

// finding is the verdict on one object.
type finding struct {
	object  string
	verdict Verdict
}

// look asks the cluster once. It returns true if all is ready.
func (w *waiter) look(ctx context.Context) (bool, error) {
	snapshot, err := collectPods(ctx, w.Client, w.Namespace, w.Endpoint)
	if err != nil {
		return false, w.excuse(ctx, err)
	}
	w.trouble = nil
	findings := w.findings(snapshot)
	w.report(findings)
	for _, f := range findings {
		if f.verdict.State == Failed {
			return false, w.fail(ctx, f)
		}
	}
	w.failing = time.Time{}
	return len(w.pending) == 0, nil
}

// rest returns when it is time for the next look, or ctx ends: a second after a
// look or the first sight of a failure, or when something has changed. At least as
// much time passes as the look took, or a second, so that many changes do not become
// one long question.
func (w *waiter) rest(ctx context.Context, took time.Duration) {
	w.changes.follow(ctx)
	due := lookEvery
	if !w.failing.IsZero() {
		due -= w.Clock.Since(w.failing)
	}
	least := min(max(lookRest, took), lookEvery)
	select {
	case <-ctx.Done():
		return
	case <-w.Clock.After(least):
	}
	if due <= least {
		return
	}
	select {
	case <-ctx.Done():
	case <-w.changes.happened:
	case <-w.Clock.After(due - least):
	}
}

func (w *waiter) findings(s Snapshot) []finding {
	now, o := w.Clock.Now(), Options{SchedulingGrace: w.SchedulingGrace}
	var all []finding
	if w.Router {
		all = append(all, finding{RouterObject, s.workload("", now, o).Verdict})
	}
	for _, name := range w.Versions {
		all = append(all, finding{VersionObject(name), s.workload(name, now, o).Verdict})
	}
	return all
}

// report tells of the objects whose line is another than in the look before.
func (w *waiter) report(findings []finding) {
	w.pending = w.pending[:0]
	for _, f := range findings {
		line := f.object + ": " + f.verdict.Message
		if f.verdict.State != Ready {
			w.pending = append(w.pending, line)
		}
		if w.said[f.object] != line {
			w.said[f.object] = line
			w.say(line)
		}
	}
}

func (w *waiter) heartbeat() {
	if w.Clock.Since(w.spoke) < speakEvery {
		return
	}
	waited := w.Clock.Since(w.start).Round(time.Second)
	for _, line := range w.pending {
		w.say(fmt.Sprintf("%s (after %s)", line, waited))
	}
	if w.trouble != nil {
		w.say(fmt.Sprintf("cannot ask the cluster: %v (after %s)", w.trouble, waited))
	}
}

func (w *waiter) say(line string) {
	w.spoke = w.Clock.Now()
	w.Report(line)
}

// fail ends the wait if all looks have found the same failure since one that ended a
// second before this one began: what a slow look finds may be as old as its beginning.
func (w *waiter) fail(ctx context.Context, f finding) error {
	same := w.failure.object == f.object && w.failure.verdict.Reason == f.verdict.Reason
	if w.failing.IsZero() || !same {
		w.failing = w.Clock.Now()
	}
	w.failure = f
	if w.began.Sub(w.failing) < lookEvery {
		return nil
	}
	lines := lastLines(ctx, w.Client, w.Namespace, f.verdict)
	return &FailedError{
		Object: f.object, Reason: f.verdict.Reason,
		Message: withCause(f.verdict.Message, cause(lines)),
		Pod:     f.verdict.Pod, Container: f.verdict.Container,
		Logs: lines[max(0, len(lines)-LogLines):],
	}
}

// withCause adds the exception that ended a container, unless it is told already.
func withCause(message, exception string) string {
	if strings.Contains(message, exception) {
		return message
	}
	return sentence(message, exception)
}

// excuse decides whether the wait goes on after a look that failed: it does
// for what may pass, such as an API server that restarts.
func (w *waiter) excuse(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return w.ended(ctx)
	}
	if strings.Contains(err.Error(), noTimeLeft) {
		return nil
	}
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) {
		return err
	}
	if w.trouble == nil {
		w.say(fmt.Sprintf("cannot ask the cluster, trying again: %v", err))
	}
	w.trouble, w.failing = err, time.Time{}
	return nil
}

// noTimeLeft is how client-go's own rate limit says that the wait ends before the next
// request may be sent (https://pkg.go.dev/golang.org/x/time/rate#Limiter.Wait). The
// cluster has not failed then.
const noTimeLeft = "would exceed context deadline"

func (w *waiter) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return w.timeout()
	}
	return ctx.Err()
}

func (w *waiter) timeout() error {
	return &TimeoutError{After: w.Clock.Since(w.start), Waiting: w.pending, Cause: w.trouble}
}
