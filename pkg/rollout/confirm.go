// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
)

const (
	// askEvery is the time between two rounds of asking the routers.
	askEvery = 100 * time.Millisecond
	// touchEvery is the time after which a router that was touched without
	// effect is touched again.
	touchEvery = 2 * time.Second
	// askLimit bounds how long one router may take to say what it runs.
	askLimit = 2 * time.Second
)

// DefaultConfirmTimeout is longer than a node takes to deliver a change in its
// own time, which was seen to be up to 90 s.
const DefaultConfirmTimeout = 2 * time.Minute

// ErrNoRouter says that no router is ready, so that there is none to confirm a
// change. Nothing is lost: a router reads the newest configuration when it
// starts.
var ErrNoRouter = errors.New("no router is ready")

// ConfirmOptions say what is to be confirmed by whom.
type ConfirmOptions struct {
	Routers Routers
	// Hash is that of the wanted configuration, as it stands in the annotation
	// of the endpoint's ConfigMap.
	Hash string
	// Timeout is DefaultConfirmTimeout if zero.
	Timeout time.Duration
	// Clock is the real one if nil.
	Clock clock.Clock
	// Report is called with a line about what holds the change up; it may be nil.
	Report func(line string)

	// limit is askLimit if zero.
	limit time.Duration
}

// Confirm returns nil once every ready router runs the wanted configuration. It
// makes the routers' nodes deliver it at once, and again after 2 seconds to
// those that still run another. Routers that start meanwhile have to confirm
// once they are ready; those that stop need not.
//
// It returns an error that wraps ErrNoRouter if no router is ready at the start,
// a *LagError if the time is up or the context ends first, and at once the API
// server's error if that forbids listing or asking the routers. Without the right to annotate
// them it waits for the kubelet to deliver the change in its own time.
func Confirm(ctx context.Context, o ConfirmOptions) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultConfirmTimeout
	}
	c := confirmation{ConfirmOptions: o, routers: map[string]*routerState{}}
	start := o.Clock.Now()
	for {
		done, err := c.round(ctx)
		if err != nil || done {
			return err
		}
		if o.Clock.Since(start) >= o.Timeout {
			return c.lag(context.DeadlineExceeded)
		}
		select {
		case <-ctx.Done():
			return c.lag(ctx.Err())
		case <-o.Clock.After(askEvery):
		}
	}
}

// confirmation is what Confirm remembers from round to round.
type confirmation struct {
	ConfirmOptions
	// routers are those seen, by UID; pods those of the last round.
	routers map[string]*routerState
	pods    []Pod
	// listed says that the routers were listed once, trouble is the error of
	// the last try.
	listed      bool
	trouble     error
	mayNotTouch bool
}

// routerState is what is known about one router.
type routerState struct {
	touched   time.Time
	confirmed bool
	// config is what it said last, err why it did not.
	config Config
	err    error
}

// round lists, touches and asks the routers once. It returns true if all ready
// ones run what is wanted.
func (c *confirmation) round(ctx context.Context) (bool, error) {
	pods, err := c.Routers.Pods(ctx)
	if err != nil && forbidden(err) {
		return false, err
	}
	if err != nil {
		c.trouble = err
		return false, nil
	}
	first := !c.listed
	c.pods, c.listed, c.trouble = pods, true, nil
	asked, confirmed := 0, 0
	for _, pod := range pods {
		state := c.state(pod)
		c.touch(ctx, pod, state)
		if !pod.Ready {
			continue
		}
		asked++
		if err := c.ask(ctx, pod, state); err != nil {
			return false, err
		}
		if state.confirmed {
			confirmed++
		}
	}
	if first && asked == 0 {
		return false, fmt.Errorf("%w: the configuration is taken up when one starts", ErrNoRouter)
	}
	return asked > 0 && confirmed == asked, nil
}

func (c *confirmation) state(pod Pod) *routerState {
	state, ok := c.routers[pod.UID]
	if !ok {
		state = &routerState{}
		c.routers[pod.UID] = state
	}
	return state
}

// touch touches a router that has not been or not lately. Pods that are not
// ready are touched too: they may have started with the files before.
func (c *confirmation) touch(ctx context.Context, pod Pod, state *routerState) {
	now := c.Clock.Now()
	if state.confirmed || c.mayNotTouch || !state.touched.IsZero() && now.Sub(state.touched) < touchEvery {
		return
	}
	state.touched = now
	err := c.Routers.Touch(ctx, pod.Name, fmt.Sprintf("%s-%d", c.Hash, now.UnixNano()))
	if err != nil && forbidden(err) {
		c.mayNotTouch = true
		c.Report(fmt.Sprintf("the routers take the change up within 90s and not at once: %v", err))
	}
}

// ask asks a router that has not confirmed yet. It returns only errors that
// asking again will not change.
func (c *confirmation) ask(ctx context.Context, pod Pod, state *routerState) error {
	if state.confirmed {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, cmp.Or(c.limit, askLimit))
	defer cancel()
	config, err := c.Routers.Config(limited, pod.Name)
	if ctx.Err() != nil {
		// What the router said before tells more than that it was cut off.
		return nil
	}
	state.config, state.err = config, err
	if state.err != nil && forbidden(state.err) {
		return state.err
	}
	state.confirmed = state.err == nil && state.config.Hash == c.Hash
	return nil
}

func (c *confirmation) lag(cause error) error {
	e := &LagError{Hash: c.Hash, Cause: cause}
	for _, pod := range c.pods {
		state := c.state(pod)
		if pod.Ready {
			e.Ready++
		}
		if pod.Ready && !state.confirmed {
			e.Lagging = append(e.Lagging, RouterConfig{Pod: pod.Name, Ready: true, Config: state.config, Err: state.err})
		}
	}
	if c.trouble != nil {
		e.Cause = errors.Join(e.Cause, c.trouble)
	}
	e.trouble = c.trouble
	return e
}

// LagError says that not all routers took a configuration up in time.
type LagError struct {
	// Hash is that of the wanted configuration.
	Hash string
	// Ready is how many routers are ready; Lagging are those of them that run
	// another configuration or did not say.
	Ready   int
	Lagging []RouterConfig
	// Cause is why the wait ended, with the error of listing the routers if the
	// last try failed.
	Cause error

	trouble error
}

// Error names the routers that lag and what they run, in one line.
func (e *LagError) Error() string {
	if e.trouble != nil {
		return fmt.Sprintf("not all routers confirmed configuration %s: %v", e.Hash, e.trouble)
	}
	if len(e.Lagging) == 0 {
		return fmt.Sprintf("no router confirmed configuration %s: none is ready any more", e.Hash)
	}
	lagging := make([]string, 0, len(e.Lagging))
	for _, r := range e.Lagging {
		switch {
		case r.Err != nil:
			lagging = append(lagging, fmt.Sprintf("%s did not answer: %v", r.Pod, r.Err))
		case r.Hash == "":
			lagging = append(lagging, fmt.Sprintf("%s was not asked yet", r.Pod))
		default:
			lagging = append(lagging, fmt.Sprintf("%s runs %s", r.Pod, r.Hash))
		}
	}
	return fmt.Sprintf("%d of %d routers do not run configuration %s: %s; nodes deliver it within 90s",
		len(e.Lagging), e.Ready, e.Hash, strings.Join(lagging, "; "))
}

// Unwrap returns why the wait ended.
func (e *LagError) Unwrap() error { return e.Cause }

func forbidden(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }
