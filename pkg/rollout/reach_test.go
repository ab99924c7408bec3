// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestParseHealthyCountsTheReplicasOfEachVersion(t *testing.T) {
	t.Parallel()
	got := parseHealthy([]byte(`# TYPE envoy_cluster_membership_healthy gauge
envoy_cluster_membership_healthy{envoy_cluster_name="blue",aml_version="blue"} 2
envoy_cluster_membership_healthy{envoy_cluster_name="green",aml_version="green"} 0
envoy_cluster_membership_healthy{envoy_cluster_name="admin"} 1
envoy_cluster_membership_total{envoy_cluster_name="blue",aml_version="blue"} 3
`))
	if want := map[string]int{"blue": 2, "green": 0}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// views are what two routers see, look by look; the last view stays.
type views struct {
	*clocktesting.FakeClock
	seen [][2]int
	look int
	err  error
}

func (v *views) After(d time.Duration) <-chan time.Time {
	v.Step(d)
	v.look = min(v.look+1, len(v.seen)-1)
	passed := make(chan time.Time, 1)
	passed <- v.Now()
	return passed
}

func (v *views) Pods(context.Context) ([]Pod, error) {
	return []Pod{{Name: "one", Ready: true}, {Name: "two", Ready: true}, {Name: "starting"}}, nil
}

func (v *views) Healthy(_ context.Context, pod string) (map[string]int, error) {
	at := map[string]int{"one": 0, "two": 1}[pod]
	return map[string]int{"green": v.seen[v.look][at], "blue": 9}, v.err
}

func TestReachWaitsForEveryReadyRouter(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "pods/proxy"}, "one", errors.New("no"))
	for name, c := range map[string]struct {
		seen  [][2]int
		err   error
		want  string
		looks int
	}{
		"known at once":         {[][2]int{{1, 2}}, nil, "", 0},
		"one later than other":  {[][2]int{{0, 0}, {1, 0}, {1, 1}}, nil, "", 2},
		"never known to one":    {[][2]int{{1, 0}, {1, 0}}, nil, "version green is ready, but not for the routers two: see whether they can resolve the name of its service", 1},
		"not allowed to ask it": {[][2]int{{0, 0}}, denied, denied.Error(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &views{FakeClock: clocktesting.NewFakeClock(time.Unix(0, 0)), seen: c.seen, err: c.err}
			err := Reach(t.Context(), ReachOptions{Backends: v, Version: "green", Clock: v, Timeout: time.Second})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want || v.look != c.looks {
				t.Errorf("after %d looks: %q, want %q after %d", v.look, got, c.want, c.looks)
			}
		})
	}
}
