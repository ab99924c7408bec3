// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"slices"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// What restarts pods ends with an exclamation mark here.
func TestChangesTellOfEveryValue(t *testing.T) {
	t.Parallel()
	type v = *chart.VersionValues
	for name, c := range map[string]struct {
		change func(*chart.Values, v)
		want   []string
	}{
		"nothing": {func(*chart.Values, v) {}, nil},
		"what an endpoint models comes first": {func(all *chart.Values, v v) {
			all.Router.Image, v.Traffic = "envoy:2", 30
		}, []string{"traffic blue=80%,green=20% → blue=70%,green=30%", "router.image envoy:1 → envoy:2!"}},
		"of a version": {func(_ *chart.Values, v v) {
			v.NodeSelector, v.Command = map[string]string{"gpu": "a"}, []string{"run", "it"}
			v.Resources.Requests["ephemeral-storage"] = "1Gi"
		}, []string{`version green: command none → ["run","it"]!`, "version green: nodeSelector.gpu none → a!",
			"version green: resources.requests.ephemeral-storage none → 1Gi!"}},
		"a version more says nothing else": {func(all *chart.Values, _ v) {
			all.Versions["red"] = chart.VersionValues{Command: []string{"run"}}
		}, []string{"version red added", "traffic blue=80%,green=20% → blue=80%,green=20%,red=0%"}},
		"a version less says nothing else": {func(all *chart.Values, _ v) {
			delete(all.Versions, "blue")
			all.DefaultVersion = "green"
		}, []string{"version blue removed", "traffic blue=80%,green=20% → green=100%", "default blue → green"}},
		"routers only": {func(all *chart.Values, _ v) {
			all.Router.Service.Type, all.Router.Replicas = "LoadBalancer", 3
		}, []string{"router.replicas 0 → 3", "router.service.type ClusterIP → LoadBalancer"}},
		"the limiter": {func(all *chart.Values, _ v) { all.Limiter.Image = "haproxy:2" },
			[]string{"limiter.image haproxy:1 → haproxy:2!"}},
	} {
		before, after := compared(t), compared(t)
		green := after.Versions["green"]
		c.change(&after, &green)
		after.Versions["green"] = green
		changes, err := chart.Changes(before, after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			line := c.String()
			if c.Restarts {
				line += "!"
			}
			got = append(got, line)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
}

func compared(t *testing.T) chart.Values {
	t.Helper()
	version := map[string]any{"image": "registry.example/diabetes:1", "tolerations": []any{map[string]any{"key": "a"}}}
	v, err := chart.ParseValues(map[string]any{
		"defaultVersion": "blue", "router": map[string]any{"image": "envoy:1"},
		"limiter":  map[string]any{"image": "haproxy:1"},
		"versions": map[string]any{"blue": version, "green": map[string]any{"image": "i:1", "traffic": 20}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
