// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

// recorded is what a pod of a real endpoint told: Envoy 1.40 as the router of
// blue, the default version, and green at 20 %, and HAProxy as a limiter.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/metrics", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func counters(t *testing.T, name string) Counters {
	t.Helper()
	c, err := parseCounters("one", bytes.NewReader(recorded(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQueuesAreReadFromALimiter(t *testing.T) {
	t.Parallel()
	// Nine requests had been sent to a replica that scores four at once.
	got, err := parseQueue(bytes.NewReader(recorded(t, "limiter")))
	if want := (Queue{Waiting: 5, Running: 4}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	// One of the four has lost its caller: its place is taken until it is done.
	late := strings.ReplaceAll(string(recorded(t, "limiter")), `current_queue{proxy="app"} 0`, `current_queue{proxy="app"} 1`)
	got, err = parseQueue(strings.NewReader(late))
	if want := (Queue{Waiting: 6, Running: 3}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestWhatIsNoMetricsIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a page":          "<html>not found</html>\n",
		"a line too many": string(recorded(t, "router-0-start")) + "envoy_server_uptime{} much\n",
	} {
		if c, err := parseCounters("one", strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "pod one does not tell its metrics as a router does: ") {
			t.Errorf("%s: read as %+v, %v", name, c, err)
		}
	}
}

func FuzzMetricsAreNeverMoreThanCounts(f *testing.F) {
	for _, name := range []string{"router-2-named", "limiter"} {
		f.Add(recorded(f, name))
	}
	f.Add([]byte("envoy_cluster_upstream_rq_total{envoy_cluster_name=\"blue\"} NaN\nenvoy_server_uptime{} -1\n"))
	f.Add([]byte("# TYPE envoy_cluster_upstream_rq_time histogram\n" +
		"envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"blue\",le=\"+Inf\"} 5\n" +
		"envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"blue\",le=\"1\"} 9\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if q, err := parseQueue(bytes.NewReader(text)); err == nil && (q.Waiting < 0 || q.Running < 0) {
			t.Errorf("queue %+v", q)
		}
		c, err := parseCounters("one", bytes.NewReader(text))
		if err != nil {
			return
		}
		var w Window
		w.Add(Reading{At: time.Unix(0, 0), Pods: []string{"one"}, Routers: []Counters{{Pod: "one"}}}, "blue")
		w.Add(Reading{At: time.Unix(2, 0), Pods: []string{"one"}, Routers: []Counters{c}}, "blue")
		for version, counts := range w.Sum().Versions {
			numbers := []float64{counts.Requests, counts.Named, counts.Answers, counts.Errors}
			for until, n := range counts.Times {
				if math.IsNaN(until) {
					t.Errorf("%s: an interval without end", version)
				}
				numbers = append(numbers, n)
			}
			for _, n := range numbers {
				if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
					t.Errorf("%s: %+v", version, counts)
				}
			}
		}
	})
}

// text is what a pod answers through the API server's proxy.
type text struct {
	body []byte
	err  error
}

func (a text) DoRaw(context.Context) ([]byte, error) { return a.body, a.err }

func (a text) Stream(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(a.body)), a.err
}

// endpointPods are the pods of an endpoint, by name: of which component or
// version, and whether they are ready.
func endpointPods(t *testing.T, answer func(pod, port string) text) *fake.Clientset {
	t.Helper()
	client := fake.NewClientset()
	add := func(name, component, version string, status corev1.ConditionStatus) {
		t.Helper()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "models", Labels: map[string]string{
			instanceLabel: "sentiment", componentLabel: component}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning,
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}}}
		if version != "" {
			pod.Labels[versionLabel] = version
		}
		if err := client.Tracker().Add(pod); err != nil {
			t.Fatal(err)
		}
	}
	add("router-a", routerName, "", corev1.ConditionTrue)
	add("router-b", routerName, "", corev1.ConditionTrue)
	add("router-new", routerName, "", corev1.ConditionFalse)
	for i := range 9 {
		add(fmt.Sprintf("blue-%d", i), "scoring", "blue", corev1.ConditionTrue)
	}
	add("blue-new", "scoring", "blue", corev1.ConditionFalse)
	add("green", "scoring", "green", corev1.ConditionTrue)
	add("job", "hook", "", corev1.ConditionTrue)
	client.AddProxyReactor("pods", func(action clienttesting.Action) (bool, rest.ResponseWrapper, error) {
		get := action.(clienttesting.ProxyGetAction)
		if get.GetScheme() != "http" || get.GetPath() != "/metrics" {
			return true, text{err: errors.New("asked for something else")}, nil
		}
		return true, answer(get.GetName(), get.GetPort()), nil
	})
	return client
}

func TestReadMetricsAsksEveryReadyPod(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	client := endpointPods(t, func(pod, port string) text {
		switch {
		case pod == "router-b" && port == "9902", pod == "blue-3" && port == "9002":
			return text{err: errors.New("connection refused")}
		case pod == "router-a" && port == "9902":
			return text{body: recorded(t, "router-2-named")}
		case port == "9002" && !strings.HasPrefix(pod, "router"):
			return text{body: recorded(t, "limiter")}
		}
		return text{err: fmt.Errorf("port %s of pod %s is asked", port, pod)}
	})
	got, err := ReadMetrics(t.Context(), client, "models", "sentiment", clocktesting.NewFakePassiveClock(now))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Routers) != 1 || got.Routers[0].Pod != "router-a" || got.Routers[0].Clusters["green"].Sent == 0 {
		t.Errorf("routers are %+v", got.Routers)
	}
	got.Routers = nil
	want := Reading{At: now, Pods: []string{"router-a", "router-b", "router-new"}, Silent: []string{"blue-3", "router-b"},
		Queues: map[string]Queue{"blue": {Waiting: 40, Running: 32}, "green": {Waiting: 5, Running: 4}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadMetricsAsksFewPodsAtATime(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	client := endpointPods(t, func(string, string) text { return text{} })
	client.PrependProxyReactor("pods", func(clienttesting.Action) (bool, rest.ResponseWrapper, error) {
		return true, slow{now: &now, most: &most, gate: gate, open: open}, nil
	})
	if _, err := ReadMetrics(t.Context(), client, "models", "sentiment", clocktesting.NewFakePassiveClock(time.Time{})); err != nil {
		t.Fatal(err)
	}
	if most.Load() != askAtOnce {
		t.Errorf("%d pods were asked at once, want %d", most.Load(), askAtOnce)
	}
}

// slow answers once as many as may be asked at once are being asked.
type slow struct {
	now, most *atomic.Int32
	gate      chan struct{}
	open      func()
}

func (s slow) DoRaw(context.Context) ([]byte, error) { return nil, errors.New("read as a whole") }

func (s slow) Stream(ctx context.Context) (io.ReadCloser, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for {
		if most := s.most.Load(); n <= most || s.most.CompareAndSwap(most, n) {
			break
		}
	}
	if n == askAtOnce {
		s.open()
	}
	select {
	case <-s.gate:
	case <-ctx.Done():
	}
	return io.NopCloser(strings.NewReader("")), ctx.Err()
}

func TestReadMetricsEndsIfThatIsForbidden(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "pods/proxy"}, "router-a", errors.New("no"))
	client := endpointPods(t, func(string, string) text { return text{err: denied} })
	_, err := ReadMetrics(t.Context(), client, "models", "sentiment", clocktesting.NewFakePassiveClock(time.Time{}))
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "for its metrics: ") {
		t.Errorf("got %v", err)
	}
}

func TestAMetricsTextWithoutEndIsCut(t *testing.T) {
	t.Parallel()
	endless := bytes.Repeat([]byte("# nothing\n"), maxMetrics/10+1)
	endless = append(endless, recorded(t, "router-0-start")...)
	client := endpointPods(t, func(string, string) text { return text{body: endless} })
	got, err := ReadMetrics(t.Context(), client, "models", "sentiment", clocktesting.NewFakePassiveClock(time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.Routers {
		if len(c.Clusters) > 0 {
			t.Errorf("%s was read to the end: %v", c.Pod, slices.Collect(maps.Keys(c.Clusters)))
		}
	}
}
