// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// moments is a clock that goes on when somebody waits for it, and that lets
// something happen at each second of two.
type moments struct {
	*clocktesting.FakeClock
	ctx   context.Context
	start time.Time
	// happen is called with the number of the look that comes next.
	happen func(look int)
}

func (m *moments) After(d time.Duration) <-chan time.Time {
	before := m.Since(m.start) / (2 * time.Second)
	m.Step(d)
	if look := m.Since(m.start) / (2 * time.Second); look > before {
		m.happen(int(look))
	}
	passed := make(chan time.Time, 1)
	passed <- m.Now()
	return passed
}

// watched is a world with an endpoint of two versions that runs and counts.
type watched struct {
	*world
	interrupt context.CancelFunc
	// blue and green are the requests sent to them, denied what asking pods is
	// answered with.
	blue, green int
	denied      error
	// silent says that the routers do not answer.
	silent bool
	// refuse is what the API server answers instead of listing deployments.
	refuse error
}

// newWatched is watched until look last, when the user interrupts; before each
// look but the first, happen may change what there is.
func newWatched(t *testing.T, last int, happen func(w *watched, look int)) *watched {
	t.Helper()
	w := &watched{world: newWorld(t)}
	w.mustDeploy("blue")
	w.mustDeploy("green", "--traffic", "20")
	for _, part := range []string{"router", "blue", "green"} {
		w.runs(part)
	}
	w.cluster.Clientset.AddProxyReactor("pods", w.proxy)
	w.cluster.Clientset.PrependReactor("list", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		return w.refuse != nil, nil, w.refuse
	})
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	w.interrupt = interrupt
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	w.clock = &moments{FakeClock: clocktesting.NewFakeClock(start), start: start, ctx: ctx, happen: func(look int) {
		if look == last {
			w.interrupt()
		}
		happen(w, look)
	}}
	return w
}

// runs puts a part of the endpoint into the cluster: a Deployment with a
// ReplicaSet with a pod that is ready.
func (w *watched) runs(part string) {
	w.t.Helper()
	labels := map[string]string{"app.kubernetes.io/instance": "diabetes", "app.kubernetes.io/component": "scoring",
		"kubectl-aml/version": part}
	if part == "router" {
		labels = map[string]string{"app.kubernetes.io/instance": "diabetes", "app.kubernetes.io/component": "router"}
	}
	meta := func(name, owner string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Name: name, Namespace: "models", UID: types.UID(name), Labels: labels,
			Annotations: map[string]string{"deployment.kubernetes.io/revision": "1"}}
		if owner != "" {
			yes := true
			m.OwnerReferences = []metav1.OwnerReference{{UID: types.UID(owner), Name: owner, Controller: &yes}}
		}
		return m
	}
	one, d := int32(1), "diabetes-"+part
	for _, object := range []runtime.Object{
		&appsv1.Deployment{ObjectMeta: meta(d, ""), Spec: appsv1.DeploymentSpec{Replicas: &one},
			Status: appsv1.DeploymentStatus{UpdatedReplicas: 1, AvailableReplicas: 1}},
		&appsv1.ReplicaSet{ObjectMeta: meta(d+"-1", d), Spec: appsv1.ReplicaSetSpec{Replicas: &one},
			Status: appsv1.ReplicaSetStatus{Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}},
		&corev1.Pod{ObjectMeta: meta(d+"-1-a", d+"-1"), Status: corev1.PodStatus{Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}},
	} {
		if err := w.cluster.Clientset.Tracker().Add(object); err != nil {
			w.t.Fatal(err)
		}
	}
}

// told is what a pod answers through the API server's proxy.
type told struct {
	text string
	err  error
}

func (a told) DoRaw(context.Context) ([]byte, error) { return []byte(a.text), a.err }

func (a told) Stream(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(a.text)), a.err
}

func (w *watched) proxy(action clienttesting.Action) (bool, rest.ResponseWrapper, error) {
	get := action.(clienttesting.ProxyGetAction)
	switch pod := get.GetName() + ":" + get.GetPort() + get.GetPath(); {
	case w.denied != nil:
		return true, told{err: w.denied}, nil
	case w.silent:
	case pod == "diabetes-router-1-a:8080/-/config":
		return true, told{text: `{"hash":"1","default":"blue","weights":{"blue":80,"green":20}}`}, nil
	case pod == "diabetes-router-1-a:9902/metrics":
		return true, told{text: w.metrics()}, nil
	case strings.HasSuffix(pod, ":9002/metrics"):
		return true, told{text: "haproxy_backend_current_queue{proxy=\"queue\"} 3\n" +
			"haproxy_backend_current_sessions{proxy=\"app\"} 1\n"}, nil
	}
	return true, told{err: errors.New("connection refused")}, nil
}

// metrics are the router's: one answer in ten of green's is 502.
func (w *watched) metrics() string {
	var b strings.Builder
	fmt.Fprintln(&b, "envoy_server_uptime{} 100")
	for cluster, n := range map[string]int{"blue": w.blue, "green": w.green} {
		fmt.Fprintf(&b, "envoy_cluster_upstream_rq_total{envoy_cluster_name=%q} %d\n", cluster, n)
	}
	for cluster, n := range map[string]int{"blue": w.blue, "green_or_default": w.green} {
		bad := 0
		if cluster != "blue" {
			bad = n / 10
		}
		const xx = "envoy_cluster_upstream_rq_xx{envoy_response_code_class=%q,envoy_cluster_name=%q} %d\n"
		fmt.Fprintf(&b, xx+xx, "2", cluster, n-bad, "5", cluster, bad)
	}
	fmt.Fprintln(&b, "# TYPE envoy_cluster_upstream_rq_time histogram")
	for cluster, n := range map[string]int{"blue": w.blue, "green_or_default": w.green} {
		const bucket = "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=%q,le=%q} %d\n"
		fmt.Fprintf(&b, bucket+bucket+bucket, cluster, "5", n/2, cluster, "50", n, cluster, "+Inf", n)
		fmt.Fprintf(&b, "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=%q} 1\n", cluster)
		fmt.Fprintf(&b, "envoy_cluster_upstream_rq_time_count{envoy_cluster_name=%q} %d\n", cluster, n)
	}
	return b.String()
}

// serve is requests in between two looks.
func (w *watched) serve(blue, green int) { w.blue, w.green = w.blue+blue, w.green+green }

func TestWatchingWritesWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	w := newWatched(t, 20, func(w *watched, look int) {
		w.serve(160, 40)
		switch look {
		case 3, 4:
			w.refuse = errors.New("etcdserver: request timed out")
		case 5:
			w.refuse = nil
		case 8: // the split is another one than is set
			w.serve(0, 2000)
		case 12:
			if err := w.deleteEndpoint(); err != nil {
				w.t.Error(err)
			}
		}
	})
	r := w.run("status", "diabetes", "-w")
	if r.code != 0 {
		t.Errorf("ended with %d", r.code)
	}
	golden.Assert(t, "testdata/watch/plain.txt", r.out)
	golden.Assert(t, "testdata/watch/plain.err.txt", r.err)
}

// deleteEndpoint deletes the endpoint as somebody else would.
func (w *world) deleteEndpoint() error {
	other := *w
	other.clock, other.terminal = nil, nil
	if r := other.run("delete", "endpoint", "diabetes"); r.code != 0 {
		return errors.New(r.err)
	}
	return nil
}

func TestWatchingWritesADocumentALook(t *testing.T) {
	t.Parallel()
	type document struct {
		Time     time.Time
		Seconds  float64 `json:"measuredSeconds"`
		Versions []struct {
			Name      string
			Effective float64
			Measured  struct {
				RPS   float64 `json:"requestsPerSecond"`
				Share struct{ Percent, Low, High float64 }
			}
		}
	}
	w := newWatched(t, 4, func(w *watched, _ int) { w.serve(160, 40) })
	r := w.run("status", "diabetes", "-w", "-o", "json", "--window", "4s")
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	if r.code != 0 || len(lines) != 4 {
		t.Fatalf("ended with %d after %d lines: %s", r.code, len(lines), r.err)
	}
	for i, line := range lines {
		var d document
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		green := d.Versions[1]
		if want := float64(min(2*i, 4)); d.Seconds != want || d.Time.Second() != 2*i || green.Effective != 20 {
			t.Errorf("line %d is of second %d over %v s, want %v s", i, d.Time.Second(), d.Seconds, want)
		}
		if m := green.Measured; i > 0 && (m.RPS != 20 || m.Share.Percent != 20 || m.Share.Low > 17 || m.Share.High < 23) {
			t.Errorf("line %d: %+v", i, green)
		}
	}
	w = newWatched(t, 3, func(w *watched, _ int) { w.serve(160, 40) })
	r = w.run("status", "diabetes", "-w", "-o", "yaml")
	if r.code != 0 || strings.Count(r.out, "---\n") != 3 || !strings.HasPrefix(r.out, "---\nendpoint: diabetes\n") {
		t.Errorf("ended with %d: %s", r.code, r.out)
	}
}

func TestWatchingOnATerminal(t *testing.T) {
	t.Parallel()
	width := 150
	w := newWatched(t, 4, func(w *watched, look int) {
		w.serve(160, 40)
		switch look {
		case 2:
			w.refuse = errors.New("etcdserver: request timed out")
		case 3:
			w.refuse, width = nil, 100
		}
	})
	w.terminal = func() (int, int, bool) { return width, 16, true }
	r := w.run("status", "diabetes", "-w")
	if r.code != 0 || r.err != "" {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	golden.Assert(t, "testdata/watch/terminal.txt", r.out)

	w = newWatched(t, 2, func(w *watched, _ int) { w.serve(160, 40) })
	w.terminal = func() (int, int, bool) { return 150, 40, true }
	w.env["NO_COLOR"] = "1"
	if r := w.run("status", "diabetes", "-w"); r.code != 0 || strings.Contains(r.out, "\x1b[3") || !strings.Contains(r.out, "\x1b[?1049l") {
		t.Errorf("ended with %d: %q", r.code, r.out)
	}
	w = newWatched(t, 2, func(w *watched, _ int) { w.serve(160, 40) })
	w.terminal = func() (int, int, bool) { return 150, 40, true }
	w.env["TERM"] = "dumb"
	if r := w.run("status", "diabetes", "-w"); r.code != 0 || strings.Contains(r.out, "\x1b") {
		t.Errorf("ended with %d: %q", r.code, r.out)
	}
}

func TestWatchingGivesTheTerminalBackWhenTheEndpointIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWatched(t, 20, func(w *watched, look int) {
		if err := w.deleteEndpoint(); look == 1 && err != nil {
			w.t.Error(err)
		}
	})
	w.terminal = func() (int, int, bool) { return 150, 40, true }
	r := w.run("status", "diabetes", "-w")
	if r.code != 0 || r.err != "endpoint \"diabetes\" is deleted: there is nothing more to watch\n" || !strings.Contains(r.out, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("ended with %d: %q\n%q", r.code, r.err, r.out)
	}
}

func TestWhatCannotBeMeasuredIsNoted(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "pods/proxy"}, "diabetes-router-1-a", errors.New("no"))
	for name, change := range map[string]func(w *watched){
		"without-the-right":     func(w *watched) { w.denied = denied },
		"pods-that-do-not-tell": func(w *watched) { w.silent = true },
		"an-endpoint-without-a-router": func(w *watched) {
			for resource, name := range map[string]string{"pods": "diabetes-router-1-a", "replicasets": "diabetes-router-1", "deployments": "diabetes-router"} {
				group := "apps"
				if resource == "pods" {
					group = ""
				}
				gvr := schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
				if err := w.cluster.Clientset.Tracker().Delete(gvr, "models", name); err != nil {
					w.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, 3, func(w *watched, _ int) { w.serve(160, 40) })
			change(w)
			r := w.run("status", "diabetes", "-w")
			if r.code != 0 || r.err != "" {
				t.Errorf("ended with %d: %s", r.code, r.err)
			}
			golden.Assert(t, "testdata/watch/"+name+".txt", r.out)
		})
	}
}

func TestWatchingWrongly(t *testing.T) {
	t.Parallel()
	w := newWatched(t, 1, func(*watched, int) {})
	for want, args := range map[string][]string{
		"--interval and --window are about watching: add --watch":         {"--interval", "5s"},
		"--interval is 10ms: write 500ms or more":                         {"-w", "--interval", "10ms"},
		"--window is 1s, shorter than --interval: write 2s or more":       {"-w", "--window", "1s"},
		`output format "wide" is not known here: write one of json, yaml`: {"-w", "-o", "wide"},
	} {
		if r := w.run(append([]string{"status", "diabetes"}, args...)...); r.code != 2 || r.err != "error: "+want+"\n" {
			t.Errorf("%v: ended with %d: %s", args, r.code, r.err)
		}
	}
	if r := w.run("status", "iris", "-w"); r.code != 1 || !strings.Contains(r.err, `no endpoint "iris"`) {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	w.refuse = errors.New("etcdserver: request timed out")
	if r := w.run("status", "diabetes", "-w"); r.code != 1 || !strings.Contains(r.err, "request timed out") {
		t.Errorf("a cluster that never answered: ended with %d: %s", r.code, r.err)
	}
}
