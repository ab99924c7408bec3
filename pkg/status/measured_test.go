// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// The ends are where the measured share is just 1.96 standard deviations off,
// found by bisection.
func TestWilsonIntervals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		part, all float64
		want      Share
	}{
		"a fifth of a hundred":  {20, 100, Share{Percent: 20, Low: 13.337, High: 28.883}},
		"a fifth of thousands":  {2000, 10000, Share{Percent: 20, Low: 19.228, High: 20.795}},
		"none of ten":           {0, 10, Share{Percent: 0, Low: 0, High: 27.753}},
		"all of ten":            {10, 10, Share{Percent: 100, Low: 72.247, High: 100}},
		"one of one":            {1, 1, Share{Percent: 100, Low: 20.655, High: 100}},
		"none of many millions": {0, 1e9, Share{}},
	} {
		if got := interval(c.part, c.all, shown); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// What is shown is rounded, the smallest share that can be set is not: ten in
// ten millions are as many as there should be.
func TestTheSmallestShareIsNotDoubted(t *testing.T) {
	t.Parallel()
	const set, requests = 0.0001, 1e7
	for got, want := range map[float64]bool{0: false, 10: false, 60: true} {
		if doubted := (Counts{Requests: got}).doubt(Counts{Requests: requests}, set); doubted != want {
			t.Errorf("%v of %v requests at %v %%: doubted is %v, want %v", got, requests, set, doubted, want)
		}
	}
}

func TestQuantilesAreInterpolatedAsPrometheusDoes(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		q     float64
		times map[float64]float64
		want  float64
		ok    bool
	}{
		"nothing counted":                {0.5, map[float64]float64{1: 0, inf: 0}, 0, false},
		"no intervals":                   {0.5, nil, 0, false},
		"from 0 on in the first":         {0.5, map[float64]float64{10: 4, 20: 0, inf: 0}, 5, true},
		"between two ends":               {0.5, map[float64]float64{10: 1, 20: 2, 40: 1, inf: 0}, 15, true},
		"at an end":                      {0.5, map[float64]float64{10: 2, 20: 2}, 10, true},
		"over empty intervals":           {0.99, map[float64]float64{1: 50, 2: 0, 4: 0, 8: 50}, 7.92, true},
		"beyond the last end":            {0.99, map[float64]float64{10: 1, 60000: 1, inf: 98}, 60000, true},
		"one answer":                     {0.99, map[float64]float64{5: 1}, 4.95, true},
		"all beyond the only finite end": {0.5, map[float64]float64{10: 0, inf: 3}, 10, true},
	} {
		if got, ok := quantile(c.q, c.times); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %v; want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

// counted are so many requests of blue and green over ten seconds, all answered
// within 10 ms.
func counted(blue, green float64) *Traffic {
	counts := func(n float64) Counts {
		return Counts{Requests: n, Answers: n, Times: map[float64]float64{10: n}}
	}
	return &Traffic{Seconds: 10, Versions: map[string]Counts{"blue": counts(blue), "green": counts(green)}}
}

func TestMeasured(t *testing.T) {
	t.Parallel()
	traffic := counted(800, 200)
	green := traffic.Versions["green"]
	green.Errors = 50
	traffic.Versions["green"] = green
	traffic.Queues = map[string]Queue{"blue": {Waiting: 3, Running: 4}, "green": {Running: 1}}
	tree := fixture(t, "ready").Endpoint(sentiment(), noon(), Options{Traffic: traffic})
	assertJSON(t, tree.Measured, `{"requests":1000,"requestsPerSecond":100,"p50Ms":5,"p99Ms":9.9,"5xxPercent":5,"queued":3,"running":5}`)
	assertJSON(t, tree.Versions[0].Measured, `{"requests":800,"requestsPerSecond":80,"share":{"percent":80,"low":77.408,"high":82.362},`+
		`"p50Ms":5,"p99Ms":9.9,"5xxPercent":0,"queued":3,"running":4}`)
	assertJSON(t, tree.Versions[1].Measured, `{"requests":200,"requestsPerSecond":20,"share":{"percent":20,"low":17.638,"high":22.592},`+
		`"p50Ms":5,"p99Ms":9.9,"5xxPercent":25,"queued":0,"running":1}`)
	if tree.Seconds != 10 {
		t.Errorf("measured over %v s", tree.Seconds)
	}
}

func TestWhatCannotBeToldIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		traffic Traffic
		want    string
	}{
		"nothing was counted yet": {Traffic{Queues: map[string]Queue{"green": {Waiting: 1}}}, `{"queued":1,"running":0}`},
		"no requests":             {Traffic{Seconds: 2}, `{"requests":0,"requestsPerSecond":0}`},
		"only the other's": {Traffic{Seconds: 2, Versions: map[string]Counts{"blue": {Requests: 10, Answers: 10}}},
			`{"requests":0,"requestsPerSecond":0,"share":{"percent":0,"low":0,"high":27.753}}`},
		"no replica, asked for by name": {Traffic{Seconds: 2, Versions: map[string]Counts{"green": {Named: 4, Answers: 4, Errors: 4}}},
			`{"requests":0,"requestsPerSecond":0,"5xxPercent":100}`},
	} {
		tree := fixture(t, "ready").Endpoint(sentiment(), noon(), Options{Traffic: &c.traffic})
		t.Log(name)
		assertJSON(t, tree.Versions[1].Measured, c.want)
	}
	if tree := fixture(t, "ready").Endpoint(sentiment(), noon(), Options{}); tree.Measured != nil || tree.Versions[0].Measured != nil {
		t.Error("something is measured though nobody was asked")
	}
}

func assertJSON(t *testing.T, v any, want string) {
	t.Helper()
	got, err := json.Marshal(v)
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestASplitThatIsNotWhatIsSetIsDoubted(t *testing.T) {
	t.Parallel()
	named := counted(800, 400)
	green := named.Versions["green"]
	green.Named = 200
	named.Versions["green"] = green
	skewed := counted(800, 600)
	green = skewed.Versions["green"]
	green.Named = 100
	skewed.Versions["green"] = green
	for name, c := range map[string]struct {
		traffic *Traffic
		fixture string
		change  func(*endpoint.Endpoint)
		doubted []string
		notes   []string
	}{
		"as it is set":                    {traffic: counted(800, 200)},
		"off as it is one time in twenty": {traffic: counted(770, 230)},
		"too few": {traffic: counted(900, 100), doubted: []string{"blue", "green"}, notes: []string{
			"gets more of the requests than the 80 % that is set", "gets less of the requests than the 20 % that is set"}},
		"as it is set, without those that ask by name": {traffic: named},
		"also without those that ask by name": {traffic: skewed, doubted: []string{"blue", "green"}, notes: []string{
			"gets less of the requests than the 80 % that is set, also without those that ask for a version by name",
			"gets more of the requests than the 20 % that is set, also without those that ask for a version by name"}},
		"green is down and a note says so": {traffic: counted(1000, 0), fixture: "starting",
			notes: []string{"no pod is ready: its share of 20 % goes to blue"}},
		"callers stay with a version": {traffic: counted(900, 100),
			change: func(e *endpoint.Endpoint) { e.Sticky.Header = "x-user" },
			notes:  []string{"callers stay with a version by the header x-user: few callers with many requests move the measured shares"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, from := sentiment(), c.fixture
			if c.change != nil {
				c.change(&e)
			}
			if from == "" {
				from = "ready"
			}
			tree := fixture(t, from).Endpoint(e, noon(), Options{Traffic: c.traffic})
			notes, doubted := tree.Notes, []string(nil)
			for _, v := range tree.Versions {
				notes = append(notes, v.Notes...)
				if v.Measured.Share.Doubted {
					doubted = append(doubted, v.Name)
				}
			}
			if !slices.Equal(doubted, c.doubted) || !slices.Equal(notes, c.notes) {
				t.Errorf("doubted are %q with notes %q, want %q with %q", doubted, notes, c.doubted, c.notes)
			}
		})
	}
}
