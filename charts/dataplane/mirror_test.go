// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// mirrored are the values of an endpoint whose version green gets copies.
func mirrored(percent string) string {
	return "{router: {maxRequestBytes: 50000000}, defaultVersion: blue, versions: {blue: {image: i, " +
		"scoringTimeoutMs: 2000}, green: {image: i, mirror: " + percent + ", scoringTimeoutMs: 2000}}}"
}

func TestCopies(t *testing.T) {
	c := newCluster(t)
	blue, green := c.addPod("blue"), c.addPod("green")
	r := newRouter(t, c, mirrored("25"))
	const n = 2000
	if shares := r.share(n); shares["green"] != 0 {
		t.Errorf("green answered %v %%: it only gets copies", shares["green"])
	}
	eventually(t, 10*time.Second, "all copies", func() bool { return green.served.Load() == r.copies() })
	if got := green.served.Load(); !within5Sigma(float64(got)/n*100, 25, n) || blue.served.Load() != n {
		t.Errorf("%d copies of %d requests, not 25 %%; blue got %d", got, n, blue.served.Load())
	}
	t.Logf("%d copies of %d requests at 25 %%", green.served.Load(), n)
	last, original := green.last.Load(), blue.last.Load()
	if last.URL.Path != "/score" || last.Header.Get("Authorization") != "" || last.Host != original.Host {
		t.Errorf("the copy is of %s %s, Authorization %q", last.Host, last.URL, last.Header.Get("Authorization"))
	}
	if want := `"mirrors":{"green":25}}`; !strings.HasSuffix(r.get("/-/config").body, want) {
		t.Errorf("/-/config says %s, want %s", r.get("/-/config").body, want)
	}
}

// copies is how many copies the router says it sent.
func (r *router) copies() int64 {
	return r.counter(`envoy_cluster_upstream_rq_total{envoy_cluster_name="green_mirror"`)
}

func TestWhatIsCopied(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	green := c.addPod("green")
	r := newRouter(t, c, mirrored("100"))
	const key = "Bearer " + primary
	for name, test := range map[string]struct {
		method, path string
		body         io.Reader
		headers      []string
		bytes        int64 // of the copy; -1 for none
	}{
		"a request":                   {"POST", "/score", strings.NewReader("{}"), nil, 2},
		"one without a body":          {"GET", "/score?a=1", nil, nil, 0},
		"OPTIONS":                     {"OPTIONS", "/score", nil, nil, 0},
		"a large body":                {"POST", "/score", strings.NewReader(strings.Repeat("x", 999_999)), nil, 999_999},
		"a body of 1 MB":              {"POST", "/score", strings.NewReader(strings.Repeat("x", 1_000_000)), nil, -1},
		"a body of unknown length":    {"POST", "/score", io.MultiReader(strings.NewReader("{}")), nil, -1},
		"a pin":                       {"POST", "/score", strings.NewReader("{}"), []string{"azureml-model-deployment", "blue"}, -1},
		"a version's own address":     {"POST", "/api/v1/service/sentiment/versions/blue/score", strings.NewReader("{}"), nil, -1},
		"a request without a key":     {"POST", "/score", strings.NewReader("{}"), []string{"Authorization", "Bearer no"}, -1},
		"a request to another path":   {"POST", "/scores", strings.NewReader("{}"), nil, -1},
		"a request of another method": {"PUT", "/score", strings.NewReader("{}"), nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			served, bytes := green.served.Load(), green.bytes.Load()
			r.ask(test.method, test.path, test.body, append([]string{"Authorization", key}, test.headers...)...)
			if test.bytes >= 0 {
				eventually(t, 10*time.Second, "the copy", func() bool {
					return green.served.Load() == served+1 && green.bytes.Load() == bytes+test.bytes
				})
				return
			}
			// A copy of the next request would come after that of this one.
			r.score()
			eventually(t, 10*time.Second, "the next copy", func() bool { return green.served.Load() > served })
			wall.Sleep(100 * time.Millisecond)
			if got := green.served.Load() - served; got != 1 {
				t.Errorf("%d copies of this and the next request, want 1", got)
			}
		})
	}
}

// TestAMirrorThatHangsSlowsNobody measures the callers of the serving version
// with and without a mirrored one that hangs, in turns.
func TestAMirrorThatHangsSlowsNobody(t *testing.T) {
	const hang = 30 * time.Second
	c := newCluster(t)
	blue, green := c.addPod("blue"), c.addPod("green")
	blue.delay.Store(int64(5 * time.Millisecond))
	green.delay.Store(int64(hang))
	green.stuck.Store(true)
	r := newRouter(t, c, mirrored("0"))
	var with, without []*load
	const turns = 5
	dropped := int64(0)
	for range turns {
		r.apply(mirrored("0"))
		without = append(without, r.loadFor(200, time.Second))
		r.apply(mirrored("100"))
		with = append(with, r.loadFor(200, time.Second))
		// The cluster that counts goes with the next turn.
		dropped += r.counter(`envoy_cluster_upstream_rq_pending_overflow{envoy_cluster_name="green_mirror"`)
	}
	if dropped == 0 {
		t.Errorf("no copy is counted as dropped; the last turn:\n%s", r.lines("green_mirror"))
	}
	a, b := joined(without...), joined(with...)
	for _, l := range []*load{a, b} {
		if most := l.percentile(100); most >= hang/2 {
			t.Errorf("the slowest answer took %v, the mirrored version hangs for %v", most, hang)
		}
	}
	if got := green.served.Load(); got == 0 || got > turns*(64+2) {
		t.Errorf("%d copies hang, want 64 of each turn at most", got)
	}
	t.Logf("%d and %d requests, %d copies dropped; p50 %v and %v, p99 %v and %v: × %.2f",
		len(a.took), len(b.took), dropped, a.percentile(50), b.percentile(50), a.percentile(99), b.percentile(99), float64(b.percentile(99))/float64(a.percentile(99)))
	// A listener that changes leaves copies behind, which end by the time-out of the endpoint's requests.
	r.apply(strings.Replace(mirrored("100"), "50000000", "60000000", 1))
	r.loadFor(200, time.Second)
	eventually(t, 20*time.Second, "the end of the copies", func() bool {
		return r.counter(`envoy_cluster_upstream_rq_active{envoy_cluster_name="green_mirror"`) == 0
	})
}

// TestAMirrorThatReadsNothingHoldsUpNoBody sends what does not fit into any
// buffer on the way to a mirrored version that reads nothing.
func TestAMirrorThatReadsNothingHoldsUpNoBody(t *testing.T) {
	const hang = 30 * time.Second
	c := newCluster(t)
	blue, green := c.addPod("blue"), c.addPod("green")
	green.delay.Store(int64(hang))
	green.stuck.Store(true)
	r := newRouter(t, c, mirrored("100"))
	var calls sync.WaitGroup
	sent := int64(0)
	for i := range 96 {
		size := 999_999
		if i%16 == 0 {
			size = 20_000_000
		}
		sent += int64(size)
		calls.Go(func() {
			began := wall.Now()
			body := strings.NewReader(strings.Repeat("x", size))
			got := r.ask(http.MethodPost, "/score", body, "Authorization", "Bearer "+primary)
			if took := wall.Since(began); got.status != http.StatusOK || took > hang/2 {
				t.Errorf("a body of %d bytes: got %d %s after %v", size, got.status, got.body, took)
			}
		})
	}
	calls.Wait()
	if got := blue.bytes.Load(); got != sent {
		t.Errorf("blue read %d bytes of %d", got, sent)
	}
	if green.served.Load() == 0 {
		t.Error("green got no copy")
	}
}

func TestADeadMirrorIsHarmless(t *testing.T) {
	for name, down := range map[string]func(*pod){
		"it refuses connections": (*pod).kill,
		"it is not in DNS":       (*pod).unready,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.addPod("blue")
			green := c.addPod("green")
			r := newRouter(t, c, mirrored("100"))
			stream := r.startLoad(200)
			wall.Sleep(500 * time.Millisecond)
			down(green)
			wall.Sleep(2 * time.Second)
			t.Logf("%d requests", stream.end())
			if green.served.Load() == 0 || stream.versions["blue"] != stream.sent {
				t.Errorf("answers came from %v, copies %d", stream.versions, green.served.Load())
			}
		})
	}
}

// TestMirrorsComeAndGoUnderLoad swaps the files with a mirror, without one and
// with routes that name a cluster which is not there.
func TestMirrorsComeAndGoUnderLoad(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	green := c.addPod("green")
	with, without := render(t, mirrored("50")), render(t, mirrored("0"))
	early := maps.Clone(with)
	early["cds.yaml"] = without["cds.yaml"]
	_, hash, _ := strings.Cut(with["rds.yaml"], `{\"hash\":\"`)
	early["rds.yaml"] = strings.Replace(with["rds.yaml"], hash[:16], "0123456789abcdef", 1)
	r := newRouter(t, c, mirrored("0"))
	stream := r.startLoad(300)
	swaps := 0
	for end := wall.Now().Add(6 * time.Second); wall.Now().Before(end); swaps++ {
		r.applyFiles([]map[string]string{with, without, early}[swaps%3])
	}
	t.Logf("%d requests, %d swaps, %d copies", stream.end(), swaps, green.served.Load())
	if swaps < 9 || green.served.Load() == 0 {
		t.Errorf("%d swaps and %d copies in 6 s", swaps, green.served.Load())
	}
}

// TestDrainWaitsForCopies is about a router that ends: Envoy 1.40 crashes when
// it exits while copies are under way.
func TestDrainWaitsForCopies(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green").delay.Store(int64(2500 * time.Millisecond))
	files := render(t, mirrored("100"))
	files["lds.yaml"] = strings.Replace(files["lds.yaml"], "for _ = 1, 12 do", "for _ = 1, 1 do", 1)
	_, token, _ := strings.Cut(files["lds.yaml"], "name: x-drain-token, string_match: {exact: ")
	r := startRouter(t, c, files, authSlot(t, primary, secondary))
	r.waitReady()
	const active = `envoy_cluster_upstream_rq_active{envoy_cluster_name="green_mirror"`
	eventually(t, 10*time.Second, "a copy under way", func() bool { return r.score().status == 200 && r.counter(active) > 0 })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.metrics+"/-/drain", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Drain-Token", token[:32])
	if got := do(http.DefaultClient, request); got.status != http.StatusOK || r.counter(active) != 0 {
		t.Errorf("the drain got %d with %d copies under way", got.status, r.counter(active))
	}
}
