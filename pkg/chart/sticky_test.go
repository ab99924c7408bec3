// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// partForm is a line of the routers' script: a cluster, and where its part ends.
var partForm = regexp.MustCompile(`\{"([-a-z0-9]+)(?:_or_default)?", (\d+)\},`)

// partsOf renders values and returns how the routers part the callers.
func partsOf(t *testing.T, v chart.Values) []endpoint.Range {
	t.Helper()
	tree, err := v.Map()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := chart.Render(tree, chart.RenderOptions{Name: "sentiment", Namespace: "ml"})
	if err != nil {
		t.Fatal(err)
	}
	text := manifest.String()
	if header := `handle:headers():get("x-user")`; !strings.Contains(text, header) {
		t.Fatalf("the routers do not ask for the header: no %s", header)
	}
	var parts []endpoint.Range
	for _, found := range partForm.FindAllStringSubmatch(text, -1) {
		until, err := strconv.Atoi(found[2])
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, endpoint.Range{Version: found[1], Until: until})
	}
	return parts
}

// TestRoutersPartCallersAsTheModelDoes holds the chart's template and
// pkg/endpoint together: with the model's ranges over several splits, and
// without ranges or with those of another split.
func TestRoutersPartCallersAsTheModelDoes(t *testing.T) {
	t.Parallel()
	values, err := chart.ParseValues(map[string]any{"defaultVersion": "v-c", "versions": map[string]any{
		"v-a": map[string]any{"image": "i"}, "v-b": map[string]any{"image": "i"},
		"v-c": map[string]any{"image": "i"}, "v-d": map[string]any{"image": "i"}}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := values.Endpoint("sentiment").SetSticky("x-user")
	if err != nil {
		t.Fatal(err)
	}
	last := e.Sticky.Ranges
	for _, split := range []map[string]float64{
		{"v-a": 10}, {"v-a": 20, "v-b": 33.3333}, {"v-b": 33.3334, "v-d": 0.0001}, {"v-a": 50, "v-b": 50},
		{"v-d": 100}, {"v-a": 1, "v-b": 2, "v-c": 3, "v-d": 4},
	} {
		if e, err = e.SetTraffic(split); err != nil {
			t.Fatal(err)
		}
		first := e
		first.Sticky.Ranges = nil
		if first, err = first.SetTraffic(split); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ given, want []endpoint.Range }{
			"the model's ranges":        {e.Sticky.Ranges, e.Sticky.Ranges},
			"none":                      {nil, first.Sticky.Ranges},
			"those of the split before": {last, first.Sticky.Ranges},
			"some that go back": {[]endpoint.Range{{Version: "v-a", Until: 500_000}, {Version: "v-c", Until: 400_000},
				{Version: "v-c", Until: endpoint.WholeRange}}, first.Sticky.Ranges},
		} {
			given := e
			given.Sticky.Ranges = c.given
			if got := partsOf(t, values.With(given, chart.VersionValues{})); !slices.Equal(got, c.want) {
				t.Errorf("split %v, given %s:\ngot  %v\nwant %v", split, name, got, c.want)
			}
		}
		last = e.Sticky.Ranges
	}
}
