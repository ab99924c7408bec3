// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// two are an endpoint's values with a version "blue" and a "green" at 20 %.
const two = `
router: {maxRequestBytes: 100000}
defaultVersion: blue
versions:
  blue: {image: i}
  green: {image: i, traffic: 20}
`

// TestEnvoyTakesEveryCase starts Envoy with each case of the golden tests that
// has a router: it validates the files that it watches only when it runs.
func TestEnvoyTakesEveryCase(t *testing.T) {
	files, err := filepath.Glob("../../pkg/chart/testdata/*.values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		values, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(values), "mode: gateway") {
			continue // it has no Envoy
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			rendered := render(t, string(values))
			slot := authSlot(t, primary, secondary)
			if none, open := rendered["auth-none.yaml"]; open {
				slot = map[string]string{"ecds.yaml": none}
			}
			pair, _ := certificate(t, 1)
			r := startRouterWith(t, newCluster(t), rendered, slot, pair)
			r.waitReady()
			if strings.Contains(r.said.String(), "rejected") || strings.Contains(r.said.String(), "deprecated") {
				t.Errorf("envoy said:\n%s", r.said)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, two)
	const api, key = "/api/v1/service/sentiment", "Bearer " + primary
	for name, test := range map[string]struct {
		method, path string
		headers      []string
		status       int
		version      string // that must answer; "" for the router itself, "any" for one of them
		body         string
		header       [2]string
	}{
		"liveness is open":           {method: "GET", path: "/healthz", status: 200, body: "Healthy"},
		"health of the root is open": {method: "GET", path: "/", status: 200, body: "Healthy"},
		"readiness is open":          {method: "GET", path: "/-/ready", status: 200, body: "ready"},
		"no key": {method: "POST", path: api + "/score", status: 401,
			body:   "missing or wrong key: send the header Authorization: Bearer KEY\n",
			header: [2]string{"Www-Authenticate", "Bearer"}},
		"wrong key":             {method: "POST", path: api + "/score", headers: []string{"Authorization", "Bearer no"}, status: 401},
		"key without word":      {method: "POST", path: api + "/score", headers: []string{"Authorization", primary}, status: 401},
		"round the health path": {method: "POST", path: "/healthz/../score", status: 401},
		"encoded dots":          {method: "POST", path: "/healthz/%2e%2e/score", status: 401},
		"primary key":           {method: "POST", path: api + "/score", headers: []string{"Authorization", key}, status: 200, version: "any", body: "POST /score"},
		"secondary key":         {method: "POST", path: api + "/score", headers: []string{"Authorization", "Bearer " + secondary}, status: 200, version: "any", body: "POST /score"},
		"query is kept":         {method: "GET", path: api + "/score?a=1&b=x/y", headers: []string{"Authorization", key}, status: 200, version: "any", body: "GET /score?a=1&b=x/y"},
		"swagger":               {method: "GET", path: api + "/swagger.json?version=3", headers: []string{"Authorization", key}, status: 200, version: "any", body: "GET /swagger.json?version=3"},
		"local score":           {method: "POST", path: "/score", headers: []string{"Authorization", key}, status: 200, version: "any", body: "POST /score"},
		"local swagger":         {method: "GET", path: "/swagger.json", headers: []string{"Authorization", key}, status: 200, version: "any", body: "GET /swagger.json"},
		"options":               {method: "OPTIONS", path: "/score", headers: []string{"Authorization", key}, status: 200, version: "any", body: "OPTIONS /score"},
		"version's own score":   {method: "POST", path: api + "/versions/green/score", headers: []string{"Authorization", key}, status: 200, version: "green", body: "POST /score"},
		"version's own swagger": {method: "GET", path: api + "/versions/blue/swagger.json", headers: []string{"Authorization", key}, status: 200, version: "blue", body: "GET /swagger.json"},
		"version's path beats the header": {method: "POST", path: api + "/versions/green/score",
			headers: []string{"Authorization", key, "azureml-model-deployment", "blue"}, status: 200, version: "green", body: "POST /score"},
		"no such version": {method: "POST", path: api + "/versions/red/score", headers: []string{"Authorization", key}, status: 404},
		"pin": {method: "POST", path: api + "/score", headers: []string{"Authorization", key, "azureml-model-deployment", "green"},
			status: 200, version: "green", body: "POST /score"},
		"unknown pin": {method: "POST", path: api + "/score", headers: []string{"Authorization", key, "azureml-model-deployment", "red"},
			status: 404, body: "this endpoint has no version of the name in azureml-model-deployment\n"},
		"another endpoint": {method: "POST", path: "/api/v1/service/other/score", headers: []string{"Authorization", key}, status: 404,
			body: "no such path: use /api/v1/service/sentiment/score\n"},
		"slash after score":       {method: "POST", path: "/score/", headers: []string{"Authorization", key}, status: 404},
		"the limiter's own paths": {method: "GET", path: "/_limiter/ready", headers: []string{"Authorization", key}, status: 404},
		"put": {method: "PUT", path: api + "/score", headers: []string{"Authorization", key}, status: 405,
			body: "use GET, POST or OPTIONS\n", header: [2]string{"Allow", "GET, POST, OPTIONS"}},
		"delete": {method: "DELETE", path: api + "/score", headers: []string{"Authorization", key}, status: 405},
		"caller's request id goes to the model": {method: "POST", path: "/score",
			headers: []string{"Authorization", key, "x-request-id", "mine"}, status: 200, version: "any", body: "POST /score x-request-id=mine"},
		"caller sets no time-out": {method: "POST", path: "/score",
			headers: []string{"Authorization", key, "x-envoy-upstream-rq-timeout-ms", "1", "x-request-id", "a"}, status: 200, version: "any",
			body: "POST /score x-request-id=a"},
	} {
		t.Run(name, func(t *testing.T) {
			var body io.Reader
			if test.method == http.MethodPost {
				body = strings.NewReader("{}")
			}
			got := r.ask(test.method, test.path, body, test.headers...)
			if got.status != test.status {
				t.Fatalf("got %d %s, want %d", got.status, got.body, test.status)
			}
			if version := got.version(); version != test.version && (test.version != "any" || version == "") {
				t.Errorf("version %q answered, want %q", version, test.version)
			}
			said, _, _ := strings.Cut(got.body, " x-request-id=")
			if strings.Contains(test.body, "x-request-id") {
				said = got.body
			}
			if test.body != "" && said != test.body {
				t.Errorf("got %q, want %q", said, test.body)
			}
			if name := test.header[0]; name != "" && got.header.Get(name) != test.header[1] {
				t.Errorf("header %s: got %q, want %q", name, got.header.Get(name), test.header[1])
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, two)
	post := func(body io.Reader) int {
		return r.ask(http.MethodPost, "/score", body, "Authorization", "Bearer "+primary).status
	}
	at, over := strings.Repeat("x", 100000), strings.Repeat("x", 100001)
	if got := post(strings.NewReader(at)); got != http.StatusOK {
		t.Errorf("a body of just the limit: got %d", got)
	}
	if got := post(strings.NewReader(over)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: got %d", got)
	}
	if got := post(io.MultiReader(strings.NewReader(over))); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a chunked body over the limit: got %d", got)
	}
}

// share asks for n scores and returns the share of each version in percent.
func (r *router) share(n int) map[string]float64 {
	r.t.Helper()
	shares := map[string]float64{}
	for range n {
		got := r.score()
		if got.status != http.StatusOK {
			r.t.Fatalf("got %d %s", got.status, got.body)
		}
		shares[got.version()] += 100 / float64(n)
	}
	return shares
}

// A share is met within a few requests, not only on the average.
func TestSplit(t *testing.T) {
	c := newCluster(t)
	for _, version := range []string{"blue", "green", "red"} {
		c.addPod(version)
	}
	values := func(green, red string) string {
		return "{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, traffic: " + green +
			"}, red: {image: i, traffic: " + red + "}}}"
	}
	r := newRouter(t, c, values("20", "0"))
	const n = 2000
	for _, split := range []struct {
		green, red string
		want       map[string]float64
	}{
		{"20", "0", map[string]float64{"blue": 80, "green": 20, "red": 0}},
		{"33.3333", "10.5", map[string]float64{"blue": 56.1667, "green": 33.3333, "red": 10.5}},
		{"100", "0", map[string]float64{"blue": 0, "green": 100, "red": 0}},
		{"0", "0", map[string]float64{"blue": 100, "green": 0, "red": 0}},
	} {
		r.apply(values(split.green, split.red))
		seen := r.share(n)
		for version, percent := range split.want {
			// Two workers, each within 4; the standard deviation of independent draws would be 18.
			got, want := seen[version]*n/100, percent*n/100
			t.Logf("%s: %.0f of %d, %.1f wanted", version, got, n, want)
			if math.Abs(got-want) > 8 {
				t.Errorf("green %s, red %s: version %s got %.0f of %d requests, want %.1f ± 8", split.green, split.red,
					version, got, n, want)
			}
		}
	}
}

func TestConfigTellsHashAndWeights(t *testing.T) {
	r := newRouter(t, newCluster(t), two)
	got := r.get("/-/config")
	want := `{"hash":"` + r.hash() + `","default":"blue","weights":{"blue":80,"green":20}}`
	if got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s (%s), want %s", got.body, got.header.Get("Content-Type"), want)
	}
}

func TestRouterCutsWhatTheLimiterLost(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue").delay.Store(int64(5 * time.Second))
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i, maxQueueWaitMs: 50, scoringTimeoutMs: 150}}}")
	began := wall.Now()
	got := r.score()
	if took := wall.Since(began); took < 1100*time.Millisecond || took > 4*time.Second {
		t.Errorf("the backstop came after %v, want 50 + 150 + 1000 ms", took)
	}
	if got.status != http.StatusGatewayTimeout || got.body != "scoring timeout\n" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
