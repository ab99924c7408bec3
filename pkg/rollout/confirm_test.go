// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

const (
	wantedHash = "wanted"
	oldHash    = "old"
)

// router is a router of a play.
type router struct {
	name string
	// from and until are the rounds, counted from 1, in which it runs; until 0
	// is for ever. It is ready from the round ready on.
	from, until, ready int
	// delivered is the number of the touch that brings it the wanted
	// configuration, 0 none; takes is the time it then needs.
	delivered int
	takes     time.Duration
	// err is what it answers with instead of a configuration.
	err error

	touches []time.Time
}

// play is an endpoint whose routers come and go round by round. Its time passes
// only while Confirm waits.
type play struct {
	*clocktesting.FakeClock
	routers  []*router
	round    int
	listErr  func(round int) error
	touchErr error
	values   []string
	lines    []string
}

func newPlay(routers ...*router) *play {
	return &play{FakeClock: clocktesting.NewFakeClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)), routers: routers}
}

func (p *play) After(d time.Duration) <-chan time.Time {
	p.Step(d)
	passed := make(chan time.Time, 1)
	passed <- p.Now()
	return passed
}

func (p *play) Pods(context.Context) ([]rollout.Pod, error) {
	p.round++
	if p.listErr != nil {
		if err := p.listErr(p.round); err != nil {
			return nil, err
		}
	}
	var pods []rollout.Pod
	for _, r := range p.routers {
		if p.round >= r.from && (r.until == 0 || p.round <= r.until) {
			pods = append(pods, rollout.Pod{Name: r.name, UID: r.name, Ready: p.round >= r.ready})
		}
	}
	return pods, nil
}

func (p *play) Touch(_ context.Context, pod, value string) error {
	if p.touchErr != nil {
		return p.touchErr
	}
	p.values = append(p.values, value)
	r := p.find(pod)
	r.touches = append(r.touches, p.Now())
	return nil
}

func (p *play) Config(_ context.Context, pod string) (rollout.Config, error) {
	r := p.find(pod)
	if r.err != nil {
		return rollout.Config{}, r.err
	}
	hash := oldHash
	if n := r.delivered; n > 0 && len(r.touches) >= n && p.Since(r.touches[n-1]) >= r.takes {
		hash = wantedHash
	}
	return rollout.Config{Hash: hash}, nil
}

func (p *play) find(name string) *router {
	i := slices.IndexFunc(p.routers, func(r *router) bool { return r.name == name })
	return p.routers[i]
}

func (p *play) confirm(ctx context.Context, timeout time.Duration) (took time.Duration, err error) {
	start := p.Now()
	err = rollout.Confirm(ctx, rollout.ConfirmOptions{
		Routers: p, Hash: wantedHash, Clock: p, Timeout: timeout,
		Report: func(line string) { p.lines = append(p.lines, line) },
	})
	return p.Since(start), err
}

func TestConfirm(t *testing.T) {
	forbid := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
	cases := map[string]struct {
		play *play
		took time.Duration
		err  string
		// touches are how often each router was touched.
		touches []int
		lines   []string
	}{
		"returns_when_every_router_runs_it": {
			play: newPlay(&router{name: "a", delivered: 1, takes: 300 * time.Millisecond},
				&router{name: "b", delivered: 1, takes: 650 * time.Millisecond}),
			took: 700 * time.Millisecond, touches: []int{1, 1}},
		"touches_again_after_2_seconds_without_effect": {
			play: newPlay(&router{name: "a", delivered: 1}, &router{name: "b", delivered: 2}),
			took: 2 * time.Second, touches: []int{1, 2}},
		"does_not_wait_for_a_router_that_stops": {
			play: newPlay(&router{name: "a", delivered: 1}, &router{name: "b", until: 4}),
			took: 400 * time.Millisecond, touches: []int{1, 1}},
		"does_not_wait_for_a_router_that_is_not_ready": {
			play: newPlay(&router{name: "a", delivered: 1}, &router{name: "b", ready: 1000}),
			took: 0, touches: []int{1, 1}},
		"asks_a_router_that_becomes_ready_meanwhile": {
			play: newPlay(&router{name: "a", delivered: 1, takes: 500 * time.Millisecond},
				&router{name: "b", from: 3, ready: 5, delivered: 1, takes: 900 * time.Millisecond}),
			took: 1100 * time.Millisecond, touches: []int{1, 1}},
		"is_an_error_without_a_ready_router": {
			play: newPlay(&router{name: "a", ready: 2}),
			err:  "no router is ready: the configuration is taken up when one starts", touches: []int{1}},
		"names_the_routers_that_lag": {
			play: newPlay(&router{name: "a", delivered: 1}, &router{name: "b"},
				&router{name: "c", err: errors.New("connection refused")}),
			took: 5 * time.Second, touches: []int{1, 3, 3},
			err: "2 of 3 routers do not run configuration wanted: b runs old; c did not answer: connection refused; " +
				"nodes deliver it within 90s"},
		"tells_if_all_routers_have_gone": {
			play: newPlay(&router{name: "a", until: 1}),
			took: 5 * time.Second, touches: []int{1},
			err: "no router confirmed configuration wanted: none is ready any more"},
		"goes_on_when_listing_fails_once": {
			play: &play{FakeClock: newPlay().FakeClock, routers: []*router{{name: "a", delivered: 1}},
				listErr: func(round int) error {
					if round == 1 {
						return errors.New("connection refused")
					}
					return nil
				}},
			took: 100 * time.Millisecond, touches: []int{1}},
		"tells_why_it_could_not_list": {
			play: &play{FakeClock: newPlay().FakeClock, listErr: func(int) error { return errors.New("connection refused") }},
			took: 5 * time.Second, err: "not all routers confirmed configuration wanted: connection refused"},
		"ends_at_once_without_the_right_to_list": {
			play: &play{FakeClock: newPlay().FakeClock, listErr: func(int) error { return forbid }},
			err:  "pods is forbidden: no"},
		"ends_at_once_without_the_right_to_ask": {
			play: newPlay(&router{name: "a", err: forbid}), err: "pods is forbidden: no", touches: []int{1}},
		"waits_for_the_kubelet_without_the_right_to_touch": {
			play: &play{FakeClock: newPlay().FakeClock, routers: []*router{{name: "a"}}, touchErr: forbid},
			took: 5 * time.Second, touches: []int{0},
			err:   "1 of 1 routers do not run configuration wanted: a runs old; nodes deliver it within 90s",
			lines: []string{"the routers take the change up within 90s and not at once: pods is forbidden: no"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			took, err := c.play.confirm(t.Context(), 5*time.Second)
			if fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
				t.Errorf("got  %v\nwant %s", err, c.err)
			}
			if took != c.took {
				t.Errorf("took %s, want %s", took, c.took)
			}
			for i, want := range c.touches {
				if got := len(c.play.routers[i].touches); got != want {
					t.Errorf("touched router %s %d times, want %d", c.play.routers[i].name, got, want)
				}
			}
			if !slices.Equal(c.play.lines, c.lines) {
				t.Errorf("reported %q, want %q", c.play.lines, c.lines)
			}
		})
	}
}

func TestConfirmTouchesWithAnotherValueEachTime(t *testing.T) {
	p := newPlay(&router{name: "a"})
	_, err := p.confirm(t.Context(), 5*time.Second)
	var lag *rollout.LagError
	if !errors.As(err, &lag) || !errors.Is(err, context.DeadlineExceeded) || lag.Lagging[0].Hash != oldHash {
		t.Errorf("got %v, want that a runs %s", err, oldHash)
	}
	if len(p.values) != 3 || len(slices.Compact(slices.Sorted(slices.Values(p.values)))) != 3 ||
		!strings.HasPrefix(p.values[0], wantedHash+"-") {
		t.Errorf("touched with %q, want three values that start with the hash", p.values)
	}
}

func TestConfirmEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPlay(&router{name: "a"})
	p.listErr = func(round int) error {
		if round == 3 {
			cancel()
		}
		return nil
	}
	_, err := p.confirm(ctx, time.Hour)
	want := "1 of 1 routers do not run configuration wanted: a runs old; nodes deliver it within 90s"
	if !errors.Is(err, context.Canceled) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
