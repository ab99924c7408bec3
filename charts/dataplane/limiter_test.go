// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/engines"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// limiter is a running HAProxy with the file and the variables of a rendered
// version.
type limiter struct {
	t       *testing.T
	url     string
	address string // of the scoring server
	app     *app
	said    *output
	server  *http.Server
}

// newLimiter starts the limiter of the version "blue" with such values. Without
// listening, its scoring server does not listen yet.
func newLimiter(t *testing.T, values string, listening bool) *limiter {
	t.Helper()
	values = "{defaultVersion: blue, versions: {blue: {image: i, " + values + "}}}"
	l := startLimiter(t, values, "blue", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	if listening {
		l.listen()
	}
	l.waitAlive()
	return l
}

// startLimiter starts the limiter of a version of the endpoint with such values
// on an address, and nothing behind it.
func startLimiter(t *testing.T, values, version, address string) *limiter {
	t.Helper()
	haproxy, err := engines.HAProxy(t.Context(), cacheFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	parsed := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(values), &parsed); err != nil {
		t.Fatal(err)
	}
	manifest, err := chart.Render(parsed, chart.RenderOptions{Name: "sentiment", Namespace: "ml"})
	if err != nil {
		t.Fatal(err)
	}
	local := map[string]string{
		"LISTEN":  address,
		"METRICS": fmt.Sprintf("127.0.0.1:%d", freePort(t)),
		"APP":     fmt.Sprintf("127.0.0.1:%d", freePort(t)),
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	config := configMap(t, manifest, "sentiment-limiter")["haproxy.cfg"]
	// A pod's own names, which would be the whole machine's here.
	for _, name := range []string{"abns@run", "abns@gone"} {
		config = strings.ReplaceAll(config, name, name+"-"+address)
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &limiter{t: t, url: "http://" + address, address: local["APP"], app: &app{}}
	l.said = start(t, haproxy, variables(t, manifest, version, local), "-W", "-db", "-f", file)
	return l
}

// waitAlive waits until the limiter answers, and sees that it does not complain
// of its configuration.
func (l *limiter) waitAlive() {
	l.t.Helper()
	eventually(l.t, 10*time.Second, "limiter alive", func() bool {
		return l.ask("/_limiter/alive", "").status == http.StatusOK
	})
	if strings.Contains(l.said.String(), "config :") {
		l.t.Errorf("haproxy said:\n%s", l.said)
	}
}

// variables are those of the limiter's container, with the addresses of here.
func variables(t *testing.T, manifest chart.Manifest, version string, local map[string]string) []string {
	t.Helper()
	for _, object := range manifest.Objects {
		var deployment appsv1.Deployment
		if err := yaml.Unmarshal([]byte(object.Content), &deployment); err != nil {
			t.Fatal(err)
		}
		if deployment.Kind != "Deployment" || deployment.Name != "sentiment-"+version {
			continue
		}
		var env []string
		for _, variable := range deployment.Spec.Template.Spec.InitContainers[0].Env {
			value := variable.Value
			if here, found := local[variable.Name]; found {
				value = here
			}
			env = append(env, variable.Name+"="+value)
		}
		return env
	}
	t.Fatalf("no Deployment sentiment-%s", version)
	return nil
}

// listen lets the scoring server listen.
func (l *limiter) listen() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.server = &http.Server{Handler: l.app, ReadHeaderTimeout: time.Minute}
	go func() { _ = l.server.Serve(listener) }()
	l.t.Cleanup(func() { _ = l.server.Close() })
}

// ask sends a POST request over a connection of its own.
func (l *limiter) ask(path, query string) answer {
	return l.askUntil(l.t.Context(), path, query)
}

func (l *limiter) askUntil(ctx context.Context, path, query string) answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+path+"?"+query, strings.NewReader("{}"))
	if err != nil {
		return answer{body: err.Error()}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return do(client, request)
}

func TestLimiterLetsOneInAndQueuesForAWhile(t *testing.T) {
	l := newLimiter(t, "maxConcurrentRequests: 1, maxQueueWaitMs: 1500", true)
	var calls sync.WaitGroup
	answers := make(chan answer, 5)
	began := wall.Now()
	for range 5 {
		calls.Go(func() { answers <- l.ask("/score", "ms=1000") })
	}
	calls.Wait()
	took := wall.Since(began)
	close(answers)
	statuses := map[int]int{}
	for got := range answers {
		statuses[got.status]++
		if got.version() != "blue" {
			t.Errorf("the answer %d comes from version %q", got.status, got.version())
		}
		if got.status != http.StatusServiceUnavailable {
			continue
		}
		if got.header.Get("Retry-After") != "1" || got.header.Get("X-Aml-Limiter") != "full" ||
			got.body != "too many requests: no replica was free in time\n" {
			t.Errorf("503 says %q, Retry-After %q", got.body, got.header.Get("Retry-After"))
		}
	}
	if statuses[200] != 2 || statuses[503] != 3 {
		t.Errorf("got %v, want two 200 and three 503", statuses)
	}
	if most := l.app.most.Load(); most != 1 {
		t.Errorf("%d requests at once in the scoring server, want 1", most)
	}
	if took < 2*time.Second || took > 4*time.Second {
		t.Errorf("took %v, want 2 × 1 s for the scores, the others refused after 1.5 s", took)
	}
}

func TestLimiterLetsAsManyInAsItIsTold(t *testing.T) {
	l := newLimiter(t, "maxConcurrentRequests: 3, maxQueueWaitMs: 5000", true)
	var calls sync.WaitGroup
	for range 9 {
		calls.Go(func() {
			if got := l.ask("/score", "ms=100"); got.status != http.StatusOK {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	calls.Wait()
	if most := l.app.most.Load(); most != 3 {
		t.Errorf("%d requests at once in the scoring server, want 3", most)
	}
}

func TestLimiterAnswers(t *testing.T) {
	l := newLimiter(t, "scoringTimeoutMs: 400", true)
	for name, test := range map[string]struct {
		query  string
		status int
		body   string
		failed string
	}{
		"a score":                      {query: "", status: 200, body: "/score"},
		"a client's fault":             {query: "status=400", status: 400, body: "/score"},
		"too large a header":           {query: "status=431", status: 431, body: "/score"},
		"a failing run() is 502":       {query: "status=500&failed=1&body=oops", status: 502, body: "/scoreoops", failed: "True"},
		"run()'s own 503 is kept":      {query: "status=503&failed=1", status: 503, body: "/score", failed: "True"},
		"the server's time-out is 504": {query: "status=500&failed=1&body=Scoring+timeout+after+400+ms", status: 504, body: "/scoreScoring timeout after 400 ms", failed: "True"},
		"no answer in time is 504":     {query: "ms=2000", status: 504, body: "scoring timeout\n"},
	} {
		t.Run(name, func(t *testing.T) {
			began := wall.Now()
			got := l.ask("/score", test.query)
			if got.status != test.status || got.body != test.body || got.header.Get("X-Ms-Run-Function-Failed") != test.failed {
				t.Errorf("got %d %q, x-ms-run-function-failed %q", got.status, got.body, got.header.Get("X-Ms-Run-Function-Failed"))
			}
			if took := wall.Since(began); took > 1800*time.Millisecond {
				t.Errorf("took %v", took)
			}
			if got.version() != "blue" {
				t.Errorf("version %q", got.version())
			}
		})
	}
}

func TestLimiterDropsWhoGaveUp(t *testing.T) {
	l := newLimiter(t, "maxQueueWaitMs: 10000", true)
	var calls sync.WaitGroup
	calls.Go(func() { l.ask("/score", "ms=1000") })
	eventually(t, 5*time.Second, "a busy replica", func() bool { return l.app.active.Load() == 1 })
	for range 4 {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			l.askUntil(ctx, "/score", "")
		})
	}
	calls.Wait()
	if got := l.ask("/score", ""); got.status != http.StatusOK {
		t.Errorf("the next one got %d", got.status)
	}
	if served := l.app.served.Load(); served != 2 {
		t.Errorf("%d requests reached the scoring server, want 2: four callers gave up in the queue", served)
	}
}

func TestAbandonedScoringKeepsItsPlace(t *testing.T) {
	l := newLimiter(t, "maxQueueWaitMs: 10000", true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	l.askUntil(ctx, "/score", "ms=1500")
	if got := l.ask("/score", ""); got.status != http.StatusOK {
		t.Errorf("the next one got %d", got.status)
	}
	if most := l.app.most.Load(); most != 1 {
		t.Errorf("%d requests at once in the scoring server, want 1: it goes on with what its caller gave up", most)
	}
}

func TestProbesDoNotQueue(t *testing.T) {
	l := newLimiter(t, "maxQueueWaitMs: 10000", true)
	var busy sync.WaitGroup
	for range 3 {
		busy.Go(func() { l.ask("/score", "ms=500") })
	}
	eventually(t, 5*time.Second, "a busy replica", func() bool { return l.app.active.Load() == 1 })
	for _, path := range []string{"/_limiter/ready", "/_limiter/alive"} {
		began := wall.Now()
		got := l.ask(path, "")
		if took := wall.Since(began); got.status != http.StatusOK || took > 300*time.Millisecond {
			t.Errorf("%s: got %d after %v", path, got.status, took)
		}
	}
	busy.Wait()
	if got := l.ask("/_limiter/other", ""); got.status != http.StatusNotFound {
		t.Errorf("/_limiter/other: got %d", got.status)
	}
}

func TestStartedWaitsForTheScoringServer(t *testing.T) {
	l := newLimiter(t, "scoringTimeoutMs: 400", false)
	if got := l.ask("/_limiter/ready", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("ready: got %d before anything listens", got.status)
	}
	if got := l.ask("/score", ""); got.status != http.StatusServiceUnavailable || got.header.Get("X-Aml-Limiter") != "down" {
		t.Errorf("score: got %d %s before anything listens", got.status, got.body)
	}
	asked := make(chan answer)
	go func() { asked <- l.ask("/_limiter/started", "ms=1500") }()
	wall.Sleep(300 * time.Millisecond)
	l.listen()
	if got := <-asked; got.status != http.StatusOK || got.body != "/" {
		t.Errorf("started: got %d %q, want the answer to GET / of the scoring server", got.status, got.body)
	}
	eventually(t, 5*time.Second, "ready", func() bool { return l.ask("/_limiter/ready", "").status == http.StatusOK })
}

// The probe waits 5 s for its answer, and counts its failures. A refusal that came
// earlier would take a slow start's time away.
func TestStartedIsNotRefusedBeforeItsProbeGivesUp(t *testing.T) {
	l := newLimiter(t, "", false)
	began := wall.Now()
	if got := l.ask("/_limiter/started", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("got %d, and nothing listens", got.status)
	}
	if took := wall.Since(began); took < 4900*time.Millisecond {
		t.Errorf("refused after %v", took)
	}
}

// The check looks twice a second. What comes before it sees that the server has
// died must be told from a full queue: the router may try it elsewhere.
func TestLimiterTellsADeadScoringServerAtOnce(t *testing.T) {
	l := newLimiter(t, "maxConcurrentRequests: 1, maxQueueWaitMs: 5000", true)
	eventually(t, 5*time.Second, "ready", func() bool { return l.ask("/_limiter/ready", "").status == http.StatusOK })
	var waiting sync.WaitGroup
	answers := make(chan answer, 24)
	for range 4 {
		waiting.Go(func() { answers <- l.ask("/score", "ms=60000") })
	}
	eventually(t, 5*time.Second, "a request under way", func() bool { return l.app.active.Load() == 1 })
	served := l.app.served.Load()
	_ = l.server.Close()
	began := wall.Now()
	for range 20 {
		answers <- l.ask("/score", "")
	}
	waiting.Wait()
	close(answers)
	seen := map[string]int{}
	for got := range answers {
		seen[fmt.Sprintf("%d %s", got.status, got.header.Get("X-Aml-Limiter"))]++
	}
	if seen["502 gone"] != 1 || seen["503 down"] != 23 {
		t.Errorf("got %v, want 502 gone for the one under way and 503 down for 3 that waited and 20 that came", seen)
	}
	if took := wall.Since(began); took > 4*time.Second {
		t.Errorf("took %v: nobody waits for a server that has died", took)
	}
	if now := l.app.served.Load(); now != served {
		t.Errorf("%d more requests reached the server", now-served)
	}
	l.listen()
	eventually(t, 5*time.Second, "an answer", func() bool { return l.ask("/score", "").status == http.StatusOK })
}
