// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	versionLabel = "kubectl-aml/version"
	// limiterPort is where a limiter's metrics are.
	limiterPort = 9002
	// askAtOnce bounds how many pods are asked at a time.
	askAtOnce = 8
	// maxMetrics bounds what one pod's metrics may take: a router of six versions
	// tells 40 KiB.
	maxMetrics = 4 << 20
)

// Counters are what one router has counted since it started.
type Counters struct {
	Pod string
	// Uptime is how long it runs, in seconds: less than before if it started anew.
	Uptime float64
	// Clusters are its counts by Envoy's clusters. VERSION takes the share of the
	// default version and what asks for the version by name, VERSION_or_default
	// the share of any other version. Whatever is sent, is sent by VERSION.
	Clusters map[string]Cluster
}

// Cluster are the counts of one of Envoy's clusters.
type Cluster struct {
	// Sent are the requests given to a replica.
	Sent float64
	// Answered are the requests that chose the cluster and got an answer, be it
	// the router's own; Failed are those of them whose answer was 5xx.
	Answered, Failed float64
	// Times count the answers by how long they took: by the end of the interval,
	// in milliseconds, that begins with the end of the one before.
	Times map[float64]float64
	// Down says that the router knows no healthy replica.
	Down bool
}

// Queue is what the replicas of a version have to do at the moment.
type Queue struct {
	// Waiting are the requests that wait, Running those that are being scored.
	Waiting, Running int
}

// Reading is what the pods of an endpoint had counted at one time.
type Reading struct {
	At time.Time
	// Pods are the routers there are, by name; Routers are the counts of those
	// that are ready and answered.
	Pods    []string
	Routers []Counters
	// Queues are the sums over the ready pods of each version.
	Queues map[string]Queue
	// Silent are the ready pods that did not tell, by name.
	Silent []string
}

// ReadMetrics asks the ready pods of an endpoint for their metrics, eight at a
// time and each for at most two seconds. A pod that does not tell is named in
// the Reading. The error returned is that of listing the pods, or the API
// server's if that forbids to ask them: it needs the rights to list pods and to
// get pods/proxy in the namespace.
func ReadMetrics(
	ctx context.Context, client kubernetes.Interface, namespace, endpoint string, clk clock.PassiveClock,
) (Reading, error) {
	list, err := client.CoreV1().Pods(namespace).List(ctx,
		metav1.ListOptions{LabelSelector: labels.Set{instanceLabel: endpoint}.String()})
	if err != nil {
		return Reading{}, fmt.Errorf("list the pods of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	m := meter{client: client, namespace: namespace, Reading: Reading{At: clk.Now(), Queues: map[string]Queue{}}}
	asked, ctx := errgroup.WithContext(ctx)
	asked.SetLimit(askAtOnce)
	for _, pod := range list.Items {
		router := pod.Labels[componentLabel] == routerName
		if router {
			m.Pods = append(m.Pods, pod.Name)
		}
		if pod.DeletionTimestamp == nil && ready(&pod) && (router || pod.Labels[versionLabel] != "") {
			asked.Go(func() error { return m.ask(ctx, &pod, router) })
		}
	}
	err = asked.Wait()
	slices.Sort(m.Pods)
	slices.Sort(m.Silent)
	slices.SortFunc(m.Routers, func(a, b Counters) int { return cmp.Compare(a.Pod, b.Pod) })
	return m.Reading, err
}

// meter is a Reading while it is made.
type meter struct {
	client    kubernetes.Interface
	namespace string

	mu sync.Mutex
	Reading
}

// ask reads one pod's metrics. Its error ends the asking of all.
func (m *meter) ask(ctx context.Context, pod *corev1.Pod, router bool) error {
	version := pod.Labels[versionLabel]
	var (
		counters Counters
		queue    Queue
		err      error
	)
	if router {
		err = m.read(ctx, pod.Name, metricsPort, nil, func(in io.Reader) (err error) {
			counters, err = parseCounters(pod.Name, in)
			return err
		})
	} else {
		scope := map[string]string{"scope": "backend"}
		err = m.read(ctx, pod.Name, limiterPort, scope, func(in io.Reader) (err error) {
			queue, err = parseQueue(in)
			return err
		})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil && forbidden(err):
		return fmt.Errorf("ask pod %s/%s for its metrics: %w", m.namespace, pod.Name, err)
	case err != nil:
		m.Silent = append(m.Silent, pod.Name)
	case router:
		m.Routers = append(m.Routers, counters)
	default:
		sum := m.Queues[version]
		m.Queues[version] = Queue{Waiting: sum.Waiting + queue.Waiting, Running: sum.Running + queue.Running}
	}
	return nil
}

func (m *meter) read(
	ctx context.Context, pod string, port int, params map[string]string, parse func(io.Reader) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	body, err := m.client.CoreV1().Pods(m.namespace).
		ProxyGet("http", pod, fmt.Sprint(port), "/metrics", params).Stream(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	return parse(io.LimitReader(body, maxMetrics))
}
