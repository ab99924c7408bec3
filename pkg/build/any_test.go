// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// made is a builder whose build ends with err.
type made struct {
	name string
	err  error
}

func (m made) Name() string { return m.name }

func (m made) Build(context.Context, Request) (Result, error) {
	return Result{}, m.err
}

func TestAnyBuilder(t *testing.T) {
	t.Parallel()
	lacks := func(name string) error { return &UnavailableError{Builder: name, Reason: "it is old"} }
	absent := func(name string) Open { return func(context.Context) (Builder, error) { return nil, lacks(name) } }
	there := func(m made) Open { return func(context.Context) (Builder, error) { return m, nil } }
	broken := errors.New("the settings are wrong")
	step := &StepError{Step: "RUN false", Code: 1}
	for name, c := range map[string]struct {
		builders    []Open
		ends        bool
		want, began string
		told        string
	}{
		"the first that is there": {builders: []Open{absent("a"), there(made{name: "b"}), there(made{name: "c"})}, began: "b",
			told: "a cannot build: it is old"},
		"one that finds out late": {builders: []Open{there(made{name: "a", err: lacks("a")}), there(made{name: "b"})},
			began: "a b", told: "a cannot build: it is old"},
		"none": {builders: []Open{absent("a"), there(made{name: "b", err: lacks("b")})}, began: "b",
			told: "a cannot build: it is old", want: "a cannot build: it is old; b cannot build: it is old"},
		"no builder":           {want: "no builder for env: name one"},
		"the only one":         {builders: []Open{absent("a")}, want: "a cannot build: it is old"},
		"a step that fails":    {builders: []Open{there(made{name: "a", err: step}), there(made{name: "b"})}, began: "a", want: step.Error()},
		"settings are wrong":   {builders: []Open{func(context.Context) (Builder, error) { return nil, broken }, there(made{name: "b"})}, want: broken.Error()},
		"ended while it looks": {builders: []Open{absent("a"), there(made{name: "b"})}, ends: true, want: "the build of env was ended: interrupted"},
		"ended while it builds": {builders: []Open{there(made{name: "a", err: lacks("a")}), there(made{name: "b"})}, ends: true,
			began: "a", want: "the build of env was ended: interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			if c.ends {
				end(errors.New("interrupted"))
			}
			var began, told []string
			_, err := Any(ctx, Request{Name: "env", Log: func(line string) { told = append(told, line) }},
				func(b Builder) { began = append(began, b.Name()) }, c.builders...)
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if got := strings.Join(began, " "); got != c.began {
				t.Errorf("began %s, want %s", got, c.began)
			}
			if got := strings.Join(told, "\n"); got != c.told {
				t.Errorf("told %s, want %s", got, c.told)
			}
			if unavailable := errors.As(err, new(*UnavailableError)); unavailable != strings.HasPrefix(c.want, "a cannot") {
				t.Errorf("%v is unavailable: %v", err, unavailable)
			}
		})
	}
}
