// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func sticky(t *testing.T, e endpoint.Endpoint) endpoint.Endpoint {
	t.Helper()
	e, err := e.SetSticky("x-user")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestCallersArePutInRanges(t *testing.T) {
	t.Parallel()
	split := func(e endpoint.Endpoint, p map[string]float64) endpoint.Endpoint {
		next, err := e.SetTraffic(p)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	start := sticky(t, of("blue", map[string]float64{"blue": 0, "green": 10, "red": 10}))
	without, err := start.DeleteVersion("green")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		of   endpoint.Endpoint
		want []endpoint.Range
	}{
		"the_default_version_takes_what_is_left": {start,
			[]endpoint.Range{{Version: "green", Until: 100_000}, {Version: "red", Until: 200_000}, {Version: "blue", Until: 1_000_000}}},
		"what_a_version_gains_comes_from_the_default_alone": {split(start, map[string]float64{"green": 20, "red": 10}),
			[]endpoint.Range{{Version: "green", Until: 100_000}, {Version: "red", Until: 200_000},
				{Version: "blue", Until: 900_000}, {Version: "green", Until: 1_000_000}}},
		"what_it_loses_goes_back": {split(split(start, map[string]float64{"green": 20, "red": 10}),
			map[string]float64{"green": 10, "red": 10}), start.Sticky.Ranges},
		"a_deleted_version_leaves_its_callers_to_the_default": {without,
			[]endpoint.Range{{Version: "blue", Until: 100_000}, {Version: "red", Until: 200_000}, {Version: "blue", Until: 1_000_000}}},
		"without_a_header_there_are_none": {of("blue", map[string]float64{"blue": 0, "green": 10}), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.of.Sticky.Ranges; !slices.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestParseStickyBy(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, header, refusal string }{
		"a_header_in_lower_case":         {text: "header:X-User", header: "x-user"},
		"none":                           {text: "none"},
		"no_kind":                        {text: "x-user", refusal: "write header:NAME, or none"},
		"a_cookie":                       {text: "cookie:user", refusal: "write header:NAME, or none"},
		"no_name":                        {text: "header:", refusal: `header name "" is not valid`},
		"a_name_with_a_space":            {text: "header:x user", refusal: "is not valid"},
		"the_key_of_all_callers":         {text: "header:Authorization", refusal: "cannot be told apart by the header authorization"},
		"the_header_that_asks_a_version": {text: "header:azureml-model-deployment", refusal: "cannot be told apart"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header, err := endpoint.ParseStickyBy(c.text)
			if header != c.header && c.refusal == "" || (err == nil) != (c.refusal == "") {
				t.Fatalf("got %q, %v", header, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("got %v, want %q in it", err, c.refusal)
			}
		})
	}
}

// checkRanges holds the ranges of an endpoint against its split, and that no
// more callers got another version than had to.
func checkRanges(t *rapid.T, before, after endpoint.Endpoint) {
	if after.Sticky.Header == "" {
		if after.Sticky.Ranges != nil {
			t.Fatalf("ranges without a header: %v", after.Sticky.Ranges)
		}
		return
	}
	was, is := flat(before.Sticky.Ranges), flat(after.Sticky.Ranges)
	shares, moved, gained := map[string]int{}, 0, 0
	callers := func(percent float64) int { return int(math.Round(percent * 100)) }
	for i, version := range is {
		shares[version]++
		if was != nil && was[i] != version {
			moved++
		}
	}
	for name, share := range after.Effective() {
		if shares[name] != callers(share) {
			t.Fatalf("version %s has %v of 10000 callers, not %v %%: %v", name, shares[name], share, after.Sticky.Ranges)
		}
		if was != nil {
			gained += max(callers(share)-callers(before.Effective()[name]), 0)
		}
	}
	if moved != gained {
		t.Fatalf("%d of 10000 callers moved where %d had to: %v to %v", moved, gained, before.Sticky.Ranges, after.Sticky.Ranges)
	}
}

// flat is the version of each of 10,000 callers.
func flat(ranges []endpoint.Range) []string {
	var versions []string
	for _, r := range ranges {
		for len(versions)*100 < r.Until {
			versions = append(versions, r.Version)
		}
	}
	return versions
}
