// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/charts"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// What the struct lacks would be lost when a release is written again; what
// the file lacks could not be documented.
func TestValuesMirrorTheFilesOfTheChart(t *testing.T) {
	t.Parallel()
	for file, typed := range map[string]any{
		"inference/values.yaml":                 chart.Values{},
		"inference/files/version-defaults.yaml": chart.VersionValues{},
	} {
		text, err := charts.FS.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		compareKeys(t, file, tree, reflect.TypeOf(typed))
	}
}

func compareKeys(t *testing.T, path string, tree map[string]any, typed reflect.Type) {
	t.Helper()
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(typed) {
		if !f.Anonymous {
			fields[f.Tag.Get("json")] = f.Type
		}
	}
	in, of := slices.Sorted(maps.Keys(tree)), slices.Sorted(maps.Keys(fields))
	if !slices.Equal(in, of) {
		t.Errorf("%s has %v, %s has %v", path, in, typed, of)
		return
	}
	for name, field := range fields {
		if below, ok := tree[name].(map[string]any); ok && field.Kind() == reflect.Struct {
			compareKeys(t, path+"."+name, below, field)
		}
	}
}

func TestAnEndpointSurvivesTheWayThroughValues(t *testing.T) {
	t.Parallel()
	want := endpoint.Endpoint{
		Name: "diabetes", About: about("endpoint"), Purpose: endpoint.FastProd, Default: "blue", Control: "green",
		Auth: endpoint.Auth{Mode: endpoint.AuthKey, ExistingSecret: "diabetes-keys"},
		Sticky: endpoint.Sticky{Header: "x-user", Ranges: []endpoint.Range{
			{Version: "green", Until: 205_000}, {Version: "blue", Until: endpoint.WholeRange}}},
		Versions: map[string]endpoint.Version{
			"blue": {
				About: about("blue"), Models: []string{"diabetes:1"},
				Traffic: 79.5, Image: "registry.example/diabetes@sha256:0", ModelImage: "registry.example/diabetes@sha256:1",
				EntryScript:     "src/score.py",
				SourceDirectory: "src", ModelDir: "/var/azureml-app/azureml-models/diabetes/1",
				Env:         map[string]string{"LEVEL": "3"},
				Workers:     2,
				Resources:   endpoint.Resources{CPU: "100m", CPULimit: "1", Memory: "512Mi", MemoryLimit: "1Gi"},
				Accelerator: endpoint.Accelerator{Type: "nvidia", Count: 2},
				Scaling:     endpoint.Scaling{Replicas: 3},
				Limits: endpoint.Limits{MaxConcurrentRequests: 2, MaxQueueWait: 250 * time.Millisecond,
					ScoringTimeout: 90 * time.Second},
				Probes: endpoint.Probes{StartupTimeout: 15 * time.Minute, Liveness: endpoint.Liveness{
					InitialDelaySeconds: 1, PeriodSeconds: 2, TimeoutSeconds: 3, SuccessThreshold: 1, FailureThreshold: 4}},
			},
			"green": {
				About:  endpoint.About{Tags: map[string]string{}, Properties: map[string]string{}},
				Models: []string{}, Env: map[string]string{}, Workers: 1,
				Resources: endpoint.Resources{CPU: "1", Memory: "1Gi"}, Scaling: endpoint.Scaling{Replicas: 1, Autoscale: &endpoint.Autoscale{
					MinReplicas: 2, MaxReplicas: 5, TargetUtilization: 60}},
			},
		},
	}
	fresh, err := chart.FreshVersion()
	if err != nil {
		t.Fatal(err)
	}
	m, err := mustParse(t, nil).With(want, fresh).Map()
	if err != nil {
		t.Fatal(err)
	}
	if got := mustParse(t, m).Endpoint("diabetes"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", show(t, got), show(t, want))
	}
}

func about(what string) endpoint.About {
	return endpoint.About{Description: "the " + what, Tags: map[string]string{"of": what},
		Properties: map[string]string{"run": what}}
}

func TestWhatAnEndpointDoesNotModelStaysAsItIs(t *testing.T) {
	t.Parallel()
	before := mustParse(t, map[string]any{
		"router": map[string]any{"image": "registry.example/envoy:1", "service": map[string]any{"type": "LoadBalancer"}},
		"versions": map[string]any{"blue": map[string]any{"image": "one", "workers": 4,
			"nodeSelector": map[string]any{"disk": "fast"}}},
	})
	after := before.With(before.Endpoint("diabetes"), chart.VersionValues{})
	if !reflect.DeepEqual(after, before) {
		t.Errorf("got\n%s\nwant\n%s", show(t, after), show(t, before))
	}
}

func TestParseValuesFillsInWhatAVersionLeavesOut(t *testing.T) {
	t.Parallel()
	v := mustParse(t, map[string]any{"versions": map[string]any{"blue": map[string]any{"image": "one",
		"probes": map[string]any{"startupTimeoutSeconds": 30}}}}).Versions["blue"]
	if v.ScoringTimeoutMs != 60000 || v.Probes.StartupTimeoutSeconds != 30 || v.Probes.Liveness.PeriodSeconds != 10 {
		t.Errorf("got %+v", v)
	}
}

func TestParseValuesRefusesWhatItWouldLose(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]any{
		"an unknown key":              {"mirror": map[string]any{}},
		"an unknown key of a version": {"versions": map[string]any{"blue": map[string]any{"trafic": 20}}},
	} {
		_, err := chart.ParseValues(values)
		if err == nil || !strings.Contains(err.Error(), "this kubectl-aml does not know them") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustParse(t *testing.T, values map[string]any) chart.Values {
	t.Helper()
	v, err := chart.ParseValues(values)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func show(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
