// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

// metricsPort is where the router's metrics are.
const metricsPort = 9902

// Backends tells what a router can send requests to.
type Backends interface {
	// Pods lists the routers, as Routers does.
	Pods(ctx context.Context) ([]Pod, error)
	// Healthy counts, by version, the replicas that the router knows and holds
	// for healthy.
	Healthy(ctx context.Context, pod string) (map[string]int, error)
}

// NewBackends returns what the routers of an endpoint in a cluster see. It
// needs the rights to list pods and to get pods/proxy in the namespace.
func NewBackends(client kubernetes.Interface, namespace, endpoint string) Backends {
	return &clusterRouters{client: client, namespace: namespace, endpoint: endpoint}
}

// ReachOptions say which version is to be reached.
type ReachOptions struct {
	Backends Backends
	Version  string
	// Timeout ends the wait with an error; DefaultConfirmTimeout if 0.
	Timeout time.Duration
	// Clock is the real one if nil.
	Clock clock.Clock
}

// Reach returns nil once every ready router knows a healthy replica of the
// version. A pod is ready before that: its address travels through DNS, and
// what is sent to a new version in between is answered 503. The error names
// the routers that know none.
func Reach(ctx context.Context, o ReachOptions) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultConfirmTimeout
	}
	start := o.Clock.Now()
	for {
		without, err := o.without(ctx)
		if err == nil && len(without) == 0 {
			return nil
		}
		if err != nil && forbidden(err) {
			return err
		}
		if ctx.Err() != nil || o.Clock.Since(start) >= o.Timeout {
			return o.unreached(without, err)
		}
		select {
		case <-ctx.Done():
		case <-o.Clock.After(askEvery):
		}
	}
}

// without are the ready routers that know no healthy replica of the version.
func (o ReachOptions) without(ctx context.Context) ([]string, error) {
	pods, err := o.Backends.Pods(ctx)
	if err != nil {
		return nil, err
	}
	healthy := make([]int, len(pods))
	err = askReady(ctx, pods, func(ctx context.Context, i int) error {
		known, err := o.Backends.Healthy(ctx, pods[i].Name)
		if err != nil && forbidden(err) {
			return err
		}
		healthy[i] = known[o.Version]
		return nil
	})
	var without []string
	for i, pod := range pods {
		if pod.Ready && healthy[i] == 0 {
			without = append(without, pod.Name)
		}
	}
	return without, err
}

func (o ReachOptions) unreached(without []string, err error) error {
	if err != nil {
		return fmt.Errorf("it is not known whether the routers reach version %s: %w", o.Version, err)
	}
	return fmt.Errorf("version %s is ready, but not for the routers %s: see whether they can resolve the name of its "+
		"service", o.Version, strings.Join(without, ", "))
}

// Healthy reads the router's metrics.
func (r *clusterRouters) Healthy(ctx context.Context, pod string) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answer := r.client.CoreV1().Pods(r.namespace).ProxyGet("http", pod, fmt.Sprint(metricsPort), "/metrics", nil)
	body, err := answer.DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask pod %s/%s what it reaches: %w", r.namespace, pod, err)
	}
	return parseHealthy(body), nil
}

// parseHealthy picks the healthy replicas of each version from Envoy's metrics
// in Prometheus' text form.
func parseHealthy(metrics []byte) map[string]int {
	gauge := regexp.MustCompile(`^envoy_cluster_membership_healthy\{.*aml_version="([^"]+)".*\} (\d+)$`)
	healthy := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(metrics)); lines.Scan(); {
		found := gauge.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		if n, err := strconv.Atoi(found[2]); err == nil {
			healthy[found[1]] = n
		}
	}
	return healthy
}
