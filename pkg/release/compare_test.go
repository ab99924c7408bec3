// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"encoding/json"
	"slices"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// stored is a chart as it comes back from a record.
func stored(t *testing.T, c *helmchart.Chart) *helmchart.Chart {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	back := &helmchart.Chart{}
	if err := json.Unmarshal(raw, back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestDigestOfTheChartSurvivesStoring(t *testing.T) {
	t.Parallel()
	c, err := chart.Load()
	if err != nil {
		t.Fatal(err)
	}
	if digest(c) != digest(stored(t, c)) {
		t.Error("a stored chart looks like another one")
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*helmchart.Chart)
		same   bool
	}{
		"ignores_the_order_of_files": {func(c *helmchart.Chart) { slices.Reverse(c.Templates) }, true},
		"sees_a_template":            {func(c *helmchart.Chart) { c.Templates[0].Data = []byte("new") }, false},
		"sees_a_file":                {func(c *helmchart.Chart) { c.Files = []*helmchart.File{{Name: "x"}} }, false},
		"sees_the_values":            {func(c *helmchart.Chart) { c.Values = map[string]any{"a": 1} }, false},
		"sees_the_schema":            {func(c *helmchart.Chart) { c.Schema = []byte("{}") }, false},
		"sees_the_version":           {func(c *helmchart.Chart) { c.Metadata.Version = "9.9.9" }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was, is := newChart("1.0.0"), newChart("1.0.0")
			for _, c := range []*helmchart.Chart{was, is} {
				c.Templates = append(c.Templates, &helmchart.File{Name: "templates/other.yaml"})
			}
			tt.change(is)
			if same := digest(was) == digest(is); same != tt.same {
				t.Errorf("same: %t", same)
			}
		})
	}
}

func TestNewerChartIsDecidedByPrecedence(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		deployed, ours string
		refused        bool
	}{
		"same":                 {"1.2.0", "1.2.0", false},
		"ours_is_newer":        {"1.9.0", "1.10.0", false},
		"theirs_is_newer":      {"1.10.0", "1.9.0", true},
		"theirs_is_released":   {"1.0.0", "1.0.0-rc.1", true},
		"ours_is_released":     {"1.0.0-rc.1", "1.0.0", false},
		"theirs_is_no_version": {"latest", "1.0.0", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1"))
			at, err := (&session{Client: w.client, name: "iris"}).look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			at.inForce.Chart.Metadata.Version = tt.deployed
			if err := w.user("ann@laptop", newChart(tt.ours)).newer("iris", at); (err != nil) != tt.refused {
				t.Errorf("error is %v", err)
			}
		})
	}
}
