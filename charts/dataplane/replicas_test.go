// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"
)

// replicas are the addresses that the router says it sends requests to, by
// version.
func (r *router) replicas() map[string][]string {
	r.t.Helper()
	var told struct {
		Clusters []struct {
			Name  string
			Hosts []struct {
				Address struct {
					Socket struct{ Address string } `json:"socket_address"`
				}
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	a := r.inside(http.MethodGet, "/-/replicas")
	if err := json.Unmarshal([]byte(a.body), &told); err != nil || a.status != http.StatusOK {
		r.t.Fatalf("replicas: %d %s: %v", a.status, a.body, err)
	}
	found := map[string][]string{}
	for _, cluster := range told.Clusters {
		found[cluster.Name] = []string{}
		for _, host := range cluster.Hosts {
			found[cluster.Name] = append(found[cluster.Name], host.Address.Socket.Address)
		}
		slices.Sort(found[cluster.Name])
	}
	return found
}

// inside asks the port for metrics.
func (r *router) inside(method, path string) answer {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.metrics+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return do(http.DefaultClient, request)
}

func TestARouterSendsNothingNewToAReplicaThatItTellsNoMore(t *testing.T) {
	c := newCluster(t)
	c.addPod("green")
	old := c.addPod("blue")
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, mirror: 100}}}")
	tells := func(blue ...*pod) {
		t.Helper()
		want := map[string][]string{"blue": {}, "green": r.replicas()["green"]}
		for _, p := range blue {
			want["blue"] = append(want["blue"], p.ip.String())
		}
		slices.Sort(want["blue"])
		eventually(t, 10*time.Second, "the replicas are told", func() bool {
			return maps.EqualFunc(r.replicas(), want, slices.Equal)
		})
	}
	tells(old)
	old.delay.Store(int64(3 * time.Second))
	underWay := make(chan answer)
	go func() { underWay <- r.score("azureml-model-deployment", "blue") }()
	eventually(t, 5*time.Second, "a request under way", func() bool { return old.served.Load() > 0 })
	next := c.addPod("blue")
	tells(old, next)
	old.unready()
	tells(next)
	had := old.served.Load()
	for range 20 {
		if got := r.score("azureml-model-deployment", "blue"); got.status != http.StatusOK {
			t.Errorf("a new request got %d %s", got.status, got.body)
		}
	}
	if got := old.served.Load(); got != had {
		t.Errorf("%d new requests went to the replica that is told no more", got-had)
	}
	if got := <-underWay; got.status != http.StatusOK {
		t.Errorf("the request under way got %d %s", got.status, got.body)
	}
}

func TestNothingElseOfTheAdminInterfaceIsReached(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}}}")
	for _, path := range []string{"/clusters", "/config_dump", "/-/replicas/../config_dump", "/certs", "/"} {
		if got := r.inside(http.MethodGet, path); got.status != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, got.status)
		}
	}
	if got := r.inside(http.MethodPost, "/quitquitquit"); got.status != http.StatusNotFound {
		t.Errorf("quitquitquit: got %d, want 404", got.status)
	}
}
