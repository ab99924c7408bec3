// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// doors are the routers of a play as callers meet them: before a router has
// what is wanted it admits "old", afterwards "new". Always it admits "other".
type doors struct {
	*play
	// keeps are routers that go on admitting "old" as well.
	keeps map[string]bool
}

func (d doors) Admits(ctx context.Context, pod string, keys ...string) ([]bool, error) {
	config, err := d.Config(ctx, pod)
	if err != nil {
		return nil, err
	}
	in := make([]bool, 0, len(keys))
	for _, key := range keys {
		have := config.Hash == wantedHash
		in = append(in, key == "other" || key == "new" && have || key == "old" && (!have || d.keeps[pod]))
	}
	return in, nil
}

func (d doors) confirmKeys(ctx context.Context, stale string, wanted func(context.Context) error) error {
	return rollout.ConfirmKeys(ctx, rollout.KeyOptions{Doors: d, Fresh: "new", Stale: stale, Wanted: wanted,
		Timeout: time.Minute, Clock: d.play, Report: func(line string) { d.lines = append(d.lines, line) }})
}

func TestKeysAreConfirmedByEveryRouter(t *testing.T) {
	t.Parallel()
	d := doors{play: newPlay(
		&router{name: "a", delivered: 1, takes: 300 * time.Millisecond},
		&router{name: "b", delivered: 2, takes: 500 * time.Millisecond},
		&router{name: "starting", ready: 1 << 30},
	)}
	start := d.Now()
	if err := d.confirmKeys(t.Context(), "old", nil); err != nil {
		t.Fatal(err)
	}
	if took := d.Since(start); took < 2500*time.Millisecond || took > 3*time.Second {
		t.Errorf("took %s", took)
	}
	for _, value := range d.values {
		if strings.Contains(value, "new") || strings.Contains(value, "old") {
			t.Errorf("a key stands in an annotation: %s", value)
		}
	}
}

func TestKeysThatAreNotConfirmed(t *testing.T) {
	t.Parallel()
	changed := errors.New("changed again")
	for name, c := range map[string]struct {
		doors  doors
		wanted func(context.Context) error
		is     error
		want   string
	}{
		"a router that keeps the old key": {
			doors: doors{play: newPlay(&router{name: "a", delivered: 1}, &router{name: "b", delivered: 1}),
				keeps: map[string]bool{"b": true}},
			is: context.DeadlineExceeded, want: "1 of 2 routers are not known to have the new keys: b; nodes deliver them within 90s",
		},
		"a router that does not answer": {
			doors: doors{play: newPlay(&router{name: "a", err: errors.New("gone")})},
			is:    context.DeadlineExceeded, want: "1 of 1 routers are not known to have the new keys: a did not answer: gone; " +
				"nodes deliver them within 90s",
		},
		"no router": {doors: doors{play: newPlay()}, is: rollout.ErrNoRouter, want: "no router is ready"},
		"keys that others have changed": {doors: doors{play: newPlay(&router{name: "a"})}, is: changed, want: "changed again",
			wanted: func(context.Context) error { return changed }},
	} {
		err := c.doors.confirmKeys(t.Context(), "old", c.wanted)
		if !errors.Is(err, c.is) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestWithoutAStaleKeyOnlyTheFreshOneCounts(t *testing.T) {
	t.Parallel()
	d := doors{play: newPlay(&router{name: "a", delivered: 1}), keeps: map[string]bool{"a": true}}
	if err := d.confirmKeys(t.Context(), "", nil); err != nil {
		t.Error(err)
	}
}
