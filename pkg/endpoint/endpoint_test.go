// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func version(traffic float64) endpoint.Version {
	return endpoint.Version{
		Traffic: traffic, Image: "registry.example/diabetes@sha256:0",
		Resources: endpoint.Resources{CPU: "100m", Memory: "512Mi"},
		Scaling:   endpoint.Scaling{Replicas: 1},
		Limits: endpoint.Limits{MaxConcurrentRequests: 1, MaxQueueWait: 500 * time.Millisecond,
			ScoringTimeout: time.Minute},
		Probes: endpoint.Probes{StartupTimeout: time.Minute, Liveness: endpoint.Liveness{
			PeriodSeconds: 10, TimeoutSeconds: 2, SuccessThreshold: 1, FailureThreshold: 3}},
	}
}

func of(defaultVersion string, traffic map[string]float64) endpoint.Endpoint {
	e := endpoint.Endpoint{Name: "diabetes", Purpose: endpoint.DevTest, Auth: endpoint.Auth{Mode: endpoint.AuthKey},
		Default: defaultVersion, Versions: map[string]endpoint.Version{}}
	for name, p := range traffic {
		e.Versions[name] = version(p)
	}
	return e
}

func TestEffective(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		defaultVersion string
		declared, want map[string]float64
	}{
		"the_only_version_gets_all":        {"blue", map[string]float64{"blue": 20}, map[string]float64{"blue": 100}},
		"the_default_gets_what_is_left":    {"blue", map[string]float64{"blue": 20, "green": 10}, map[string]float64{"blue": 90, "green": 10}},
		"a_new_default_takes_the_rest":     {"green", map[string]float64{"blue": 20, "green": 40}, map[string]float64{"blue": 20, "green": 80}},
		"a_full_split_leaves_nothing_over": {"blue", map[string]float64{"blue": 30, "green": 70}, map[string]float64{"blue": 30, "green": 70}},
		"fractions_are_kept":               {"blue", map[string]float64{"blue": 0, "green": 0.1, "red": 0.2}, map[string]float64{"blue": 99.7, "green": 0.1, "red": 0.2}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := of(c.defaultVersion, c.declared).Effective(); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	two := of("blue", map[string]float64{"blue": 80, "green": 20})
	six := of("v-1", map[string]float64{"v-1": 0, "v-2": 0, "v-3": 0, "v-4": 0, "v-5": 0, "v-6": 0})
	set := func(e endpoint.Endpoint, p map[string]float64) error { _, err := e.SetTraffic(p); return err }
	put := func(e endpoint.Endpoint, name string, p endpoint.Placement) error {
		_, err := e.Put(name, version(0), p)
		return err
	}
	remove := func(e endpoint.Endpoint, name string) error { _, err := e.DeleteVersion(name); return err }
	mounted := func(dir string) error {
		e := of("blue", map[string]float64{"blue": 0})
		v := e.Versions["blue"]
		v.ModelImage, v.ModelDir = "registry.example/diabetes@sha256:1", dir
		e.Versions["blue"] = v
		return e.Validate()
	}
	if err := mounted(endpoint.ModelsRoot + "/bert/1"); err != nil {
		t.Errorf("a model that is mounted: %v", err)
	}
	over, share := 90.0, 12.34567
	cases := map[string]struct {
		err  error
		want string
	}{
		"traffic_over_100": {put(two, "red", endpoint.Placement{Traffic: &over}),
			`traffic of endpoint "diabetes" sums to 190: lower a version first, 100 is all there is (now blue=80 green=20 red=90)`},
		"traffic_over_100_by_set": {set(two, map[string]float64{"blue": 60, "green": 41}), "sums to 101"},
		"models_elsewhere": {mounted("/var/azureml-app/azureml-models-2"),
			`version "blue": model directory "/var/azureml-app/azureml-models-2" is not in the model image, which is mounted at ` +
				"/var/azureml-app/azureml-models: write that folder, or the one of a model in it"},
		"negative_traffic": {set(two, map[string]float64{"green": -5}), "not a percentile"},
		"too_fine_traffic": {put(two, "red", endpoint.Placement{Traffic: &share}), "at most four decimals"},
		"unknown_version": {set(two, map[string]float64{"red": 5}),
			`"red" is not a version of endpoint "diabetes": there is blue, green`},
		"seventh_version":       {put(six, "v-7", endpoint.Placement{}), "the most there can be"},
		"short_version_name":    {put(two, "v1", endpoint.Placement{}), `version name "v1" is not valid`},
		"reserved_version_name": {put(two, "router", endpoint.Placement{}), `version name "router" is taken`},
		"deleting_an_unknown":   {remove(two, "red"), `"red" is not a version`},
		"deleting_the_last": {remove(of("blue", map[string]float64{"blue": 0}), "blue"),
			`version "blue" is the last of endpoint "diabetes": use kubectl aml delete endpoint diabetes`},
		"deleting_the_default_of_many": {remove(six, "v-1"), `make another the default first`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", c.err, c.want)
			}
		})
	}
}

func TestPutKeepsTheTrafficOfAVersionItReplaces(t *testing.T) {
	t.Parallel()
	got, err := of("blue", map[string]float64{"blue": 80, "green": 20}).Put("green", version(0), endpoint.Placement{})
	if err != nil || got.Versions["green"].Traffic != 20 {
		t.Errorf("got %v, %v", got.Versions["green"].Traffic, err)
	}
}

func TestSetTrafficReplacesTheWholeSplit(t *testing.T) {
	t.Parallel()
	got, err := of("blue", map[string]float64{"blue": 10, "green": 20, "red": 30}).
		SetTraffic(map[string]float64{"red": 5})
	want := map[string]float64{"blue": 95, "green": 0, "red": 5}
	if err != nil || !maps.Equal(got.Effective(), want) {
		t.Errorf("got %v, %v, want %v", got.Effective(), err, want)
	}
}

func TestDeleteVersionMakesTheOneLeftTheDefault(t *testing.T) {
	t.Parallel()
	e := of("blue", map[string]float64{"blue": 80, "green": 20})
	e.Control = "blue"
	got, err := e.DeleteVersion("blue")
	if err != nil || got.Default != "green" || got.Control != "" || got.Effective()["green"] != 100 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPromoteGivesAVersionEverythingAndTellsWhoHadIt(t *testing.T) {
	t.Parallel()
	e := of("blue", map[string]float64{"blue": 10, "green": 20, "red": 5, "pink": 0})
	got, relieved, err := e.Promote("green")
	want := map[string]float64{"blue": 0, "green": 100, "red": 0, "pink": 0}
	if err != nil || got.Default != "green" || !maps.Equal(got.Effective(), want) || !slices.Equal(relieved, []string{"blue", "red"}) {
		t.Errorf("got %v, default %s, relieved %v, %v", got.Effective(), got.Default, relieved, err)
	}
	if _, _, err := e.Promote("white"); err == nil || !strings.Contains(err.Error(), `"white" is not a version`) {
		t.Errorf("a version that is not there: %v", err)
	}
}

// Whatever is asked of an endpoint, it stays valid, its shares sum to 100, and
// a refusal leaves it as it was.
func TestEveryReachableEndpointIsValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, err := endpoint.Endpoint{Name: "diabetes", Purpose: endpoint.DevTest,
			Auth: endpoint.Auth{Mode: endpoint.AuthKey}}.Put("one", version(0), endpoint.Placement{})
		if err != nil {
			t.Fatal(err)
		}
		names := rapid.SampledFrom([]string{"one", "two", "three", "four", "five", "six", "seven"})
		percentile := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-10, 11000).Draw(t, "p")) / 100 })
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			before, name, p := e.Clone(), names.Draw(t, "name"), percentile.Draw(t, "traffic")
			switch rapid.IntRange(0, 7).Draw(t, "verb") {
			case 0:
				e, err = e.Put(name, version(0), endpoint.Placement{Traffic: &p, Default: p > 50})
			case 1:
				e, err = e.SetTraffic(map[string]float64{name: p})
			case 2:
				e, err = e.DeleteVersion(name)
			case 3:
				e, err = e.SetDefault(name)
			case 4:
				e, _, err = e.Promote(name)
			case 5:
				e, err = e.SetControl(name)
			case 6:
				e, err = e.SetMirror(map[string]float64{name: p})
			case 7:
				e, err = e.SetSticky(rapid.SampledFrom([]string{"", "x-user", "x user"}).Draw(t, "header"))
			}
			checkReachable(t, before, e, err)
		}
	})
}

func checkReachable(t *rapid.T, before, after endpoint.Endpoint, refusal error) {
	if err := after.Validate(); err != nil {
		t.Fatalf("%v", err)
	}
	var sum float64
	for _, share := range after.Effective() {
		sum += share
	}
	if sum < 99.99999 || sum > 100.00001 {
		t.Fatalf("shares sum to %v: %v", sum, after.Effective())
	}
	if refusal != nil && !reflect.DeepEqual(before, after) {
		t.Fatalf("%v changed %v into %v", refusal, before, after)
	}
	checkRanges(t, before, after)
}
