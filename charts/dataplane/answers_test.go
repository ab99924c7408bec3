// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswers is the table of the chart's README, asked of a router and a
// limiter: at the endpoint's address, at the version's own and of a pin.
func TestAnswers(t *testing.T) {
	const values = "{router: {maxRequestBytes: 1000}, defaultVersion: blue, versions: {blue: {image: i, " +
		"maxQueueWaitMs: 300, scoringTimeoutMs: 1200}}}"
	c := newCluster(t)
	l := c.addLimiter("blue", values)
	l.listen()
	l.waitAlive()
	r := newRouter(t, c, values)
	const api = "/api/v1/service/sentiment"
	for at, address := range map[string][]string{
		"endpoint":      {api + "/score"},
		"version's own": {api + "/versions/blue/score"},
		"pin":           {api + "/score", "azureml-model-deployment", "blue"},
	} {
		for name, test := range map[string]struct {
			method, query, body string
			key                 string
			busy                bool
			status              int
			says                string
			header              [2]string
			byRouter            bool
			eitherSays          bool // the router or the limiter
		}{
			"score":          {status: 200, says: "/score"},
			"GET":            {method: "GET", status: 200, says: "/score"},
			"OPTIONS":        {method: "OPTIONS", status: 200, says: "/score"},
			"run() failed":   {query: "status=500&failed=1", status: 502, says: "/score", header: [2]string{"X-Ms-Run-Function-Failed", "True"}},
			"client's fault": {query: "status=400", status: 400, says: "/score"},
			"model's 404":    {query: "status=404", status: 404, says: "/score"},
			"model's 503":    {query: "status=503", status: 503, says: "/score"},
			"no turn": {busy: true, status: 503, says: "too many requests: no replica was free in time\n",
				header: [2]string{"Retry-After", "1"}},
			"no answer": {query: "ms=2000", status: 504, says: "scoring timeout\n"},
			// On a connection that has answered before, the limiter hangs up and leaves the 502 to the router.
			"replica died":   {query: "reset=1", status: 502, eitherSays: true},
			"body too large": {body: strings.Repeat("x", 1001), status: 413, byRouter: true},
			"PUT": {method: "PUT", status: 405, says: "use GET, POST or OPTIONS\n", header: [2]string{"Allow", "GET, POST, OPTIONS"},
				byRouter: true},
			"wrong key": {key: "no", status: 401, header: [2]string{"Www-Authenticate", "Bearer"}, byRouter: true},
		} {
			t.Run(at+"/"+name, func(t *testing.T) {
				// What a caller gave up or was refused for may still be scored.
				eventually(t, 10*time.Second, "an idle replica", func() bool { return l.app.active.Load() == 0 })
				if test.busy {
					done := make(chan answer, 1)
					go func() { done <- l.ask("/score", "ms=1000") }()
					eventually(t, 5*time.Second, "a busy replica", func() bool { return l.app.active.Load() == 1 })
					defer func() { <-done }()
				}
				served := l.app.served.Load()
				method, key := "POST", primary
				if test.method != "" {
					method = test.method
				}
				if test.key != "" {
					key = test.key
				}
				headers := append([]string{"Authorization", "Bearer " + key}, address[1:]...)
				got := r.ask(method, address[0]+"?"+test.query, strings.NewReader(test.body), headers...)
				if got.status != test.status || test.says != "" && got.body != test.says {
					t.Errorf("got %d %q, want %d %q", got.status, got.body, test.status, test.says)
				}
				if name := test.header[0]; name != "" && got.header.Get(name) != test.header[1] {
					t.Errorf("header %s: got %q, want %q", name, got.header.Get(name), test.header[1])
				}
				if by := got.version(); (by == "") != test.byRouter && !test.eitherSays {
					t.Errorf("the answer is marked with version %q", by)
				}
				want := int64(1)
				if test.byRouter || test.busy {
					want = 0
				}
				if reached := l.app.served.Load() - served; reached != want {
					t.Errorf("the scoring server got the request %d times, want %d", reached, want)
				}
			})
		}
	}
}

// TestWhatMayHaveReachedAModelIsNotSentAgain counts requests at a replica whose
// connections are reset after it read the request; another one is healthy.
func TestWhatMayHaveReachedAModelIsNotSentAgain(t *testing.T) {
	for name, path := range map[string]string{
		"endpoint":      "/api/v1/service/sentiment/score",
		"version's own": "/api/v1/service/sentiment/versions/blue/score",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.addPod("blue")
			dying := c.addPod("blue")
			dying.resets.Store(true)
			r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}}}")
			lost := int64(0)
			for range 60 {
				switch got := r.ask(http.MethodPost, path, strings.NewReader("{}"), "Authorization", "Bearer "+primary); {
				case got.status == http.StatusBadGateway && got.body == "the replica went away before it answered\n":
					lost++
				case got.status != http.StatusOK:
					t.Fatalf("got %d %s", got.status, got.body)
				}
			}
			if reached := dying.served.Load(); reached != lost || lost == 0 {
				t.Errorf("%d requests reached the replica that died, %d were answered 502", reached, lost)
			}
		})
	}
}

// TestWhatCannotHaveReachedAModelIsSentAgain has four replicas of which three
// take no connections: nobody sees that.
func TestWhatCannotHaveReachedAModelIsSentAgain(t *testing.T) {
	c := newCluster(t)
	alive := c.addPod("blue")
	for last := range byte(3) {
		// Addresses in DNS where nobody listens.
		c.ready("blue", net.IPv4(127, 88, 255, 252+last))
	}
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}}}")
	const n = 50
	if shares := r.share(n); shares["blue"] < 99.9 || alive.served.Load() != n {
		t.Errorf("shares %v, %d of %d requests arrived", shares, alive.served.Load(), n)
	}
}

// TestEachVersionHasCountersAndAHistogram reads what Prometheus would.
func TestEachVersionHasCountersAndAHistogram(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green").status.Store(http.StatusBadRequest)
	c.addPod("red")
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, traffic: 50}, "+
		"red: {image: i, mirror: 100}}}")
	const n = 40
	for range n {
		r.score()
	}
	r.score("azureml-model-deployment", "blue")
	r.score("azureml-model-deployment", "green")
	r.score("azureml-model-deployment", "red")
	eventually(t, 10*time.Second, "all copies", func() bool {
		return r.counter(`envoy_cluster_upstream_rq_total{envoy_cluster_name="red_mirror"`) == n
	})
	var stats string
	eventually(t, 20*time.Second, "histograms, which Envoy brings up to date every 5 s", func() bool {
		stats = r.stats()
		return sum(stats, "envoy_cluster_upstream_rq_time_bucket{", "aml_version=", `le="+Inf"`) == n+3
	})
	for version, want := range map[string]struct {
		class string
		least int64
	}{"blue": {"2", 2}, "green": {"4", 2}, "red": {"2", 1}} {
		answers := sum(stats, "envoy_cluster_upstream_rq_xx{", `aml_version="`+version+`"`, `class="`+want.class+`"`)
		times := sum(stats, "envoy_cluster_upstream_rq_time_bucket{", `aml_version="`+version+`"`, `le="+Inf"`)
		below := sum(stats, "envoy_cluster_upstream_rq_time_bucket{", `aml_version="`+version+`"`, `le="60000"`)
		if answers < want.least || times != answers || below != answers {
			t.Errorf("%s: %d answers of class %s, %d and %d in its histogram", version, answers, want.class, below, times)
		}
	}
	all := sum(stats, "envoy_cluster_upstream_rq_xx{", "aml_version=")
	copied := sum(stats, "envoy_cluster_upstream_rq_xx{", `aml_mirror="red"`)
	if all != n+3 || copied != n {
		t.Errorf("%d answers of versions and %d of copies, want %d and %d", all, copied, n+3, n)
	}
}
