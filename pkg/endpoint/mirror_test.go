// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func mirrored(t *testing.T) endpoint.Endpoint {
	t.Helper()
	e, err := of("blue", map[string]float64{"blue": 0, "green": 20, "red": 0}).SetMirror(map[string]float64{"red": 10})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMirrorRefusesWhatAnswersRequestsItself(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		of   map[string]float64
		want string
	}{
		"a_version_with_traffic": {map[string]float64{"green": 10}, `version "green" answers requests itself`},
		"the_default_version":    {map[string]float64{"blue": 10}, `version "blue" answers requests itself`},
		"an_unknown_version":     {map[string]float64{"pink": 10}, `there is blue, green, red`},
		"more_than_everything":   {map[string]float64{"red": 101}, "not a percentile"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := mirrored(t)
			after, err := before.SetMirror(c.of)
			if err == nil || !strings.Contains(err.Error(), c.want) || after.Versions["red"].Mirror != 10 {
				t.Errorf("got %v, %v, want an error with %q", after.Versions["red"].Mirror, err, c.want)
			}
		})
	}
}

func TestAVersionThatGetsTrafficGetsNoCopiesAnyMore(t *testing.T) {
	t.Parallel()
	share := 5.0
	e := mirrored(t)
	changes := map[string]func() (endpoint.Endpoint, error){
		"by_set":     func() (endpoint.Endpoint, error) { return e.SetTraffic(map[string]float64{"red": 5}) },
		"by_default": func() (endpoint.Endpoint, error) { return e.SetDefault("red") },
		"by_put": func() (endpoint.Endpoint, error) {
			return e.Put("red", version(0), endpoint.Placement{Traffic: &share})
		},
		"by_promotion": func() (endpoint.Endpoint, error) { next, _, err := e.Promote("red"); return next, err },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, err := change()
			if err != nil || next.Versions["red"].Mirror != 0 || e.Versions["red"].Mirror != 10 {
				t.Errorf("got %v, %v; before %v", next.Versions["red"].Mirror, err, e.Versions["red"].Mirror)
			}
		})
	}
}

func TestAVersionKeepsItsCopiesWhenItIsReplaced(t *testing.T) {
	t.Parallel()
	next, err := mirrored(t).Put("red", version(0), endpoint.Placement{})
	if err != nil || next.Versions["red"].Mirror != 10 {
		t.Errorf("got %v, %v", next.Versions["red"].Mirror, err)
	}
}
