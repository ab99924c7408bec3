// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	// replicasPath is where a router tells, on its port for metrics, which
	// replicas it sends requests to.
	replicasPath = "/-/replicas"
	// forgetQuiet is the time after which is told what the wait is for.
	forgetQuiet = 3 * time.Second
)

// DefaultForgetTimeout is longer than a replica takes new requests after it was
// told to end, with the usual time in its queue.
const DefaultForgetTimeout = 45 * time.Second

// Senders tell which replicas the routers of an endpoint send requests to.
type Senders interface {
	// Pods lists the routers, as Routers does.
	Pods(ctx context.Context) ([]Pod, error)
	// Replicas are the addresses, by version, that the router sends requests to.
	// The error of a router that has no answer to this is NotFound.
	Replicas(ctx context.Context, pod string) (map[string][]netip.Addr, error)
}

// NewSenders returns what the routers of an endpoint in a cluster send to. It
// needs the rights to list pods and to get pods/proxy in the namespace.
func NewSenders(client kubernetes.Interface, namespace, endpoint string) Senders {
	return &clusterRouters{client: client, namespace: namespace, endpoint: endpoint}
}

// ForgetOptions say which replicas of which versions are to be forgotten.
type ForgetOptions struct {
	Senders  Senders
	Versions []string
	// Current returns the addresses, by version, of the replicas that are not to be
	// forgotten.
	Current func(context.Context) (map[string][]netip.Addr, error)
	// Timeout ends the wait with an error; DefaultForgetTimeout if 0.
	Timeout time.Duration
	// Clock is the real one if nil.
	Clock clock.Clock
	// Report is called with a line if the wait takes longer than usual; it may be
	// nil.
	Report func(line string)
}

// Forget returns nil once no ready router sends new requests of the versions to
// a replica that is not current. Such a replica is told to end when a current
// one is ready, but its address goes by DNS, and it answers until then. A router
// that has no answer, such as one of an earlier chart, is not waited for.
//
// The error names the replicas and the routers. It says nothing against the
// versions, which serve.
func Forget(ctx context.Context, o ForgetOptions) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultForgetTimeout
	}
	start, reported := o.Clock.Now(), false
	for {
		last, err := o.look(ctx)
		took := o.Clock.Since(start)
		switch {
		case err == nil && len(last.routers) == 0:
			return nil
		case err != nil && forbidden(err), ctx.Err() != nil, took >= o.Timeout:
			return o.unforgotten(last, err)
		case err == nil && !reported && took >= forgetQuiet:
			reported = true
			o.Report(fmt.Sprintf("all is ready, routers still send requests of %s to %s of the revision before",
				named(last.versions), last.at()))
		}
		select {
		case <-ctx.Done():
		case <-o.Clock.After(askEvery):
		}
	}
}

// stale are replicas that are not current, and the routers that send to them.
type stale struct {
	versions, routers []string
	replicas          []netip.Addr
}

func named(versions []string) string {
	if len(versions) == 1 {
		return "version " + versions[0]
	}
	return "versions " + strings.Join(versions, ", ")
}

// at names the replicas.
func (s stale) at() string {
	names := make([]string, 0, len(s.replicas))
	for _, replica := range s.replicas {
		names = append(names, replica.String())
	}
	return strings.Join(names, ", ")
}

// look asks the routers before it asks for the current replicas: one that is new
// to both must not be taken for an old one.
func (o ForgetOptions) look(ctx context.Context) (stale, error) {
	pods, err := o.Senders.Pods(ctx)
	if err != nil {
		return stale{}, err
	}
	sent := make([]map[string][]netip.Addr, len(pods))
	err = askReady(ctx, pods, func(ctx context.Context, i int) (err error) {
		if sent[i], err = o.Senders.Replicas(ctx, pods[i].Name); apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return stale{}, err
	}
	current, err := o.Current(ctx)
	if err != nil {
		return stale{}, err
	}
	byRouter := map[string]map[string][]netip.Addr{}
	for i, pod := range pods {
		byRouter[pod.Name] = sent[i]
	}
	return o.stale(byRouter, current), nil
}

// stale finds what is sent, by router and version, to replicas that are not current.
func (o ForgetOptions) stale(sent map[string]map[string][]netip.Addr, current map[string][]netip.Addr) stale {
	var s stale
	for router, replicas := range sent {
		for _, version := range o.Versions {
			others := slices.DeleteFunc(slices.Clone(replicas[version]), func(r netip.Addr) bool {
				return slices.Contains(current[version], r)
			})
			if len(others) > 0 {
				s.versions, s.routers = append(s.versions, version), append(s.routers, router)
				s.replicas = append(s.replicas, others...)
			}
		}
	}
	slices.Sort(s.versions)
	slices.Sort(s.routers)
	slices.SortFunc(s.replicas, netip.Addr.Compare)
	return stale{slices.Compact(s.versions), slices.Compact(s.routers), slices.Compact(s.replicas)}
}

func (o ForgetOptions) unforgotten(last stale, err error) error {
	if err != nil {
		return fmt.Errorf("it is not known whether routers still send requests of %s to replicas of the revision before: %w",
			named(o.Versions), err)
	}
	return fmt.Errorf("all is ready, but the routers %s still send requests of %s to %s of the revision before: they "+
		"stop when DNS has these addresses no more", strings.Join(last.routers, ", "), named(last.versions), last.at())
}

// Replicas asks the router for its clusters.
func (r *clusterRouters) Replicas(ctx context.Context, pod string) (map[string][]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	body, err := r.client.CoreV1().Pods(r.namespace).
		ProxyGet("http", pod, fmt.Sprint(metricsPort), replicasPath, nil).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask pod %s/%s which replicas it sends to: %w", r.namespace, pod, err)
	}
	defer body.Close()
	replicas, err := parseReplicas(io.LimitReader(body, maxMetrics))
	if err != nil {
		return nil, fmt.Errorf("pod %s/%s does not tell its replicas as a router does: %w", r.namespace, pod, err)
	}
	return replicas, nil
}

// parseReplicas picks the addresses of each cluster from Envoy's own account of
// its clusters.
func parseReplicas(in io.Reader) (map[string][]netip.Addr, error) {
	var told struct {
		Clusters []struct {
			Name  string `json:"name"`
			Hosts []struct {
				Address struct {
					Socket struct {
						IP netip.Addr `json:"address"`
					} `json:"socket_address"`
				} `json:"address"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err := json.NewDecoder(in).Decode(&told); err != nil {
		return nil, err
	}
	replicas := map[string][]netip.Addr{}
	for _, cluster := range told.Clusters {
		for _, host := range cluster.Hosts {
			replicas[cluster.Name] = append(replicas[cluster.Name], host.Address.Socket.IP)
		}
	}
	return replicas, nil
}
