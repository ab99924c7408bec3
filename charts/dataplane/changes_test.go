// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestVersionsComeAndGoUnderLoad is about the order in which Envoy reads its
// files: one swap changes clusters and routes at once. Versions come with a
// weight and go with one, the default changes, weights change: nothing is lost,
// not even a request that is under way in a version that goes.
func TestVersionsComeAndGoUnderLoad(t *testing.T) {
	c := newCluster(t)
	for _, version := range []string{"blue", "green", "red"} {
		c.addPod(version).delay.Store(int64(60 * time.Millisecond))
	}
	values := func(fallback string, versions ...string) string {
		text := "{defaultVersion: " + fallback + ", versions: {"
		for _, version := range versions {
			name, percent, _ := strings.Cut(version, "=")
			text += name + ": {image: i, traffic: " + percent + "}, "
		}
		return text + "}}"
	}
	states := []string{
		values("blue", "blue=0"),
		values("blue", "blue=0", "green=50"),
		values("blue", "blue=0", "green=30", "red=60"),
		values("green", "blue=10", "green=30", "red=60"),
		values("green", "green=0", "red=100"),
		values("red", "red=0", "blue=40"),
		values("blue", "blue=0", "green=100"),
	}
	files := make([]map[string]string, len(states))
	for i, state := range states {
		files[i] = render(t, state)
	}
	r := newRouter(t, c, states[0])
	stream := r.startLoad(300)
	swaps := 0
	for end := wall.Now().Add(8 * time.Second); wall.Now().Before(end); {
		for _, state := range files {
			r.applyFiles(state)
			swaps++
		}
	}
	sent := stream.end()
	t.Logf("%d requests, %d swaps, %v", sent, swaps, stream.versions)
	if swaps < 3*len(states) {
		t.Errorf("only %d swaps in 8 s", swaps)
	}
	for _, version := range []string{"blue", "green", "red"} {
		if stream.versions[version] == 0 {
			t.Errorf("version %s never answered", version)
		}
	}
}

func TestWeightsChangeUnderLoad(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, two)
	stream := r.startLoad(300)
	for i := range 20 {
		began := wall.Now()
		r.apply(strings.Replace(two, "traffic: 20", fmt.Sprintf("traffic: %d", i*5), 1))
		if took := wall.Since(began); took > 2*time.Second {
			t.Errorf("a change took %v", took)
		}
	}
	t.Logf("%d requests", stream.end())
}

func TestShareOfAVersionWithoutReadyPodGoesToTheDefault(t *testing.T) {
	for name, down := range map[string]func(*pod){
		"it is not in DNS":         (*pod).unready,
		"it refuses connections":   (*pod).kill,
		"it vanished and left DNS": func(p *pod) { p.kill(); p.unready() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.addPod("blue")
			green := c.addPod("green")
			r := newRouter(t, c, strings.Replace(two, "traffic: 20", "traffic: 100", 1))
			if got := r.score(); got.version() != "green" {
				t.Fatalf("version %q answered before", got.version())
			}
			stream := r.startLoad(100)
			down(green)
			eventually(t, 10*time.Second, "the default answers", func() bool { return r.score().version() == "blue" })
			pinned := r.score("azureml-model-deployment", "green")
			if pinned.status != http.StatusServiceUnavailable || pinned.header.Get("Retry-After") != "1" ||
				pinned.body != "no replica of the model is ready\n" {
				t.Errorf("a pin got %d %q, Retry-After %q", pinned.status, pinned.body, pinned.header.Get("Retry-After"))
			}
			stream.end()
			c.addPod("green")
			eventually(t, 15*time.Second, "the version answers again", func() bool { return r.score().version() == "green" })
		})
	}
}

func TestOneReadyPodKeepsTheShare(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	dead := c.addPod("green")
	r := newRouter(t, c, strings.Replace(two, "traffic: 20", "traffic: 100", 1))
	dead.kill()
	r.share(20)
	if seen := r.share(200); seen["green"] != 100 {
		t.Errorf("one of two pods is there, yet the shares are %v", seen)
	}
}

// A limiter answers before anybody knows that its scoring server has died, and
// at once, so that its replica looks idle.
func TestAReplicaWhoseScoringServerIsDownIsLeftOut(t *testing.T) {
	c := newCluster(t)
	sick := c.addPod("blue")
	c.addPod("blue")
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}}}")
	stream := r.startLoad(200)
	for range 3 {
		sick.refusal.Store("down")
		wall.Sleep(time.Second)
		sick.refusal.Store("")
		wall.Sleep(time.Second)
	}
	sent, refused := stream.end(), sick.refused.Load()
	t.Logf("%d requests, %d of them refused by the replica that was down", sent, refused)
	if refused == 0 || refused > 60 {
		t.Errorf("a replica that was down for 3 s was tried %d times, want it to be left out after a few", refused)
	}
}

// A full queue is the version's answer: the replica stays, and nothing is sent
// to another one, whose queue it would fill.
func TestAFullQueueIsAnswered(t *testing.T) {
	c := newCluster(t)
	full := c.addPod("blue")
	full.refusal.Store("full")
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}}}")
	for range 20 {
		if got := r.score(); got.status != http.StatusServiceUnavailable || got.header.Get("X-Aml-Limiter") != "full" {
			t.Fatalf("got %d %q, limiter %q", got.status, got.body, got.header.Get("X-Aml-Limiter"))
		}
	}
}

func TestNoPodAtAll(t *testing.T) {
	r := newRouter(t, newCluster(t), two)
	got := r.score()
	if got.status != http.StatusServiceUnavailable || got.body != "no replica of the model is ready\n" ||
		got.header.Get("Retry-After") != "1" {
		t.Errorf("got %d %q, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
}

func TestKeysChangeUnderLoad(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, two)
	const fresh = "FRESHKEYFRESHKEYFRESHKEYFRESHK03"
	stream := r.startLoad(200)
	r.swap("auth", authSlot(t, primary, fresh))
	status := func(key string) int {
		return r.ask(http.MethodPost, "/score", strings.NewReader("{}"), "Authorization", "Bearer "+key).status
	}
	eventually(t, 10*time.Second, "the fresh key", func() bool { return status(fresh) == http.StatusOK })
	eventually(t, 10*time.Second, "the end of the old key", func() bool { return status(secondary) == http.StatusUnauthorized })
	r.swap("auth", map[string]string{"ecds.yaml": "no: configuration"})
	wall.Sleep(500 * time.Millisecond)
	if got := status(fresh); got != http.StatusOK {
		t.Errorf("after a broken Secret: got %d, want the last good keys to stay", got)
	}
	stream.end()
}

func TestBrokenKeysAtStartAreClosedAndNotReady(t *testing.T) {
	r := startRouter(t, newCluster(t), render(t, two), map[string]string{"ecds.yaml": "no: configuration"})
	eventually(t, 20*time.Second, "the router listens", func() bool { return r.get("/healthz").status == http.StatusOK })
	if got := r.get("/-/ready").status; got != http.StatusInternalServerError {
		t.Errorf("/-/ready: got %d, want 500", got)
	}
	if got := r.score().status; got != http.StatusInternalServerError {
		t.Errorf("score: got %d, want 500", got)
	}
	r.swap("auth", authSlot(t, primary, secondary))
	r.waitReady()
}

func TestDrainWaitsForRequestsUnderWay(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue").delay.Store(int64(3 * time.Second))
	files := render(t, "{defaultVersion: blue, versions: {blue: {image: i}}}")
	// The 12 s for load balancers are of no interest here.
	files["lds.yaml"] = strings.Replace(files["lds.yaml"], "for _ = 1, 12 do", "for _ = 1, 1 do", 1)
	_, token, _ := strings.Cut(files["lds.yaml"], "name: x-drain-token, string_match: {exact: ")
	token = token[:32]
	r := startRouter(t, c, files, authSlot(t, primary, secondary))
	r.waitReady()
	drain := func(token string) answer {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.metrics+"/-/drain", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Drain-Token", token)
		return do(http.DefaultClient, request)
	}
	if got := drain("wrong").status; got != http.StatusNotFound {
		t.Errorf("with a wrong token: got %d, want 404", got)
	}
	slow := make(chan answer)
	go func() { slow <- r.score() }()
	eventually(t, 5*time.Second, "a request under way", func() bool {
		return strings.Contains(r.stats(), `downstream_rq_active{envoy_http_conn_manager_prefix="scoring"} 1`)
	})
	done := make(chan answer)
	go func() { done <- drain(token) }()
	select {
	case <-done:
		t.Error("the drain was over before the request was")
	case got := <-slow:
		if got.status != http.StatusOK {
			t.Errorf("the request under way got %d %s", got.status, got.body)
		}
		if got := <-done; got.status != http.StatusOK || got.body != "drained\n" {
			t.Errorf("the drain got %d %s", got.status, got.body)
		}
	}
}

// stats is what the router tells who scrapes it.
func (r *router) stats() string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.metrics+"/metrics", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var a answer
	// A listener that was replaced closes the connections it had.
	eventually(r.t, 10*time.Second, "metrics", func() bool {
		a = do(http.DefaultClient, request)
		return a.status == http.StatusOK
	})
	return a.body
}

// counter is the value of the first series that begins so, 0 if there is none.
func (r *router) counter(series string) int64 {
	_, rest, _ := strings.Cut(r.stats(), series)
	_, value, _ := strings.Cut(rest, "} ")
	text, _, _ := strings.Cut(value, "\n")
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// lines are those of the metrics that contain the text.
func (r *router) lines(text string) string {
	found := ""
	for line := range strings.Lines(r.stats()) {
		if strings.Contains(line, text) {
			found += line
		}
	}
	return found
}

// sum adds up the series that begin so and have these labels.
func sum(stats, begin string, labels ...string) int64 {
	total := int64(0)
lines:
	for line := range strings.Lines(stats) {
		for _, label := range labels {
			if !strings.HasPrefix(line, begin) || !strings.Contains(line, label) {
				continue lines
			}
		}
		_, value, _ := strings.Cut(line, "} ")
		n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		total += n
	}
	return total
}

func TestMetricsAreByVersion(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, strings.Replace(two, "traffic: 20", "traffic: 100", 1))
	for range 7 {
		r.score()
	}
	r.score("azureml-model-deployment", "blue")
	stats := r.stats()
	for _, line := range []string{
		`envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="green_or_default",aml_version="green"} 7`,
		`envoy_cluster_upstream_rq_total{envoy_cluster_name="green",aml_version="green"} 7`,
		`envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="blue",aml_version="blue"} 1`,
	} {
		if !strings.Contains(stats, line+"\n") {
			t.Errorf("no line %s in\n%s", line, stats)
		}
	}
}
