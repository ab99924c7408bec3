// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// sentiment is the endpoint of the fixtures: blue is the default version and
// green gets 20 %.
func sentiment() endpoint.Endpoint {
	return endpoint.Endpoint{
		Name: "sentiment", Default: "blue", Control: "blue",
		Versions: map[string]endpoint.Version{"blue": {Traffic: 70}, "green": {Traffic: 20}},
	}
}

func TestEndpointTree(t *testing.T) {
	const (
		noNode = "no node takes it: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu. " +
			"preemption: 0/3 nodes are available"
		noMetrics = "autoscaling is not active: the HPA was unable to compute the replica count: " +
			"no metrics returned from resource metrics API"
	)
	cases := map[string]struct {
		fixture string
		want    string
	}{
		"a_version_that_is_ready": {"ready", `
Ready
router 2/2 Ready: 2 of 2 replicas ready
  sentiment-router-1 newest Ready
    sentiment-router-1-a Ready
blue default control 70 80 80 1/1 Ready: 1 of 1 replicas ready
  sentiment-blue-1 newest Ready
    sentiment-blue-1-a Ready
green 20 20 20 1/1 Ready: 1 of 1 replicas ready
  sentiment-green-2 newest Ready
    green-a Ready
`},
		"a_version_that_starts_gives_its_share_to_the_default": {"starting", `
Progressing: version green: 0 of 1 replicas ready: container scoring is starting
router 2/2 Ready: 2 of 2 replicas ready
  sentiment-router-1 newest Ready
    sentiment-router-1-a Ready
blue default control 70 80 100 1/1 Ready: 1 of 1 replicas ready
  sentiment-blue-1 newest Ready
    sentiment-blue-1-a Ready
green 20 20 0 0/1 Progressing: 0 of 1 replicas ready: container scoring is starting
  note: no pod is ready: its share of 20 % goes to blue
  sentiment-green-2 newest Progressing
    green-a Progressing
`},
		"old_pods_serve_while_the_new_start": {"old-still-serves", `
Progressing: version green: 0 of 1 replicas ready: container scoring is starting
router 2/2 Ready: 2 of 2 replicas ready
  sentiment-router-1 newest Ready
    sentiment-router-1-a Ready
blue default control 70 80 80 1/1 Ready: 1 of 1 replicas ready
  sentiment-blue-1 newest Ready
    sentiment-blue-1-a Ready
green 20 20 20 0/1 Progressing: 0 of 1 replicas ready: container scoring is starting
  note: 1 replica of the revision before still serves
  sentiment-green-2 newest Progressing
    green-a Progressing
  sentiment-green-1 old Ready
    green-old Ready
`},
		"an_autoscaler_that_cannot_work_is_noted": {"autoscaler", `
Ready
router 2/2 Ready: 2 of 2 replicas ready
  sentiment-router-1 newest Ready
    sentiment-router-1-a Ready
blue default control 70 80 80 1/1 Ready: 1 of 1 replicas ready
  sentiment-blue-1 newest Ready
    sentiment-blue-1-a Ready
green 20 20 20 1/1 Ready: 1 of 1 replicas ready
  note: ` + noMetrics + `
  note: autoscaling wants more replicas than its maximum, 4
  sentiment-green-2 newest Ready
    green-a Ready
`},
		"a_failed_version_fails_the_endpoint": {"unschedulable", `
Failed: version green: pod green-a: ` + noNode + `
router 2/2 Ready: 2 of 2 replicas ready
  sentiment-router-1 newest Ready
    sentiment-router-1-a Ready
blue default control 70 80 100 1/1 Ready: 1 of 1 replicas ready
  sentiment-blue-1 newest Ready
    sentiment-blue-1-a Ready
green 20 20 0 0/1 Failed: pod green-a: ` + noNode + `
  note: no pod is ready: its share of 20 % goes to blue
  sentiment-green-2 newest Failed
    green-a Failed
`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := outline(fixture(t, c.fixture).Endpoint(sentiment(), noon(), Options{}))
			if want := strings.TrimPrefix(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// outline writes a tree so that it can be compared.
func outline(tree Tree) string {
	var b strings.Builder
	verdict := func(v Verdict) string {
		return strings.TrimSuffix(fmt.Sprintf("%s: %s", v.State, v.Message), ": ")
	}
	workload := func(w Workload) {
		fmt.Fprintf(&b, "%d/%d %s\n", w.Available, w.Desired, verdict(w.Verdict))
		for _, note := range w.Notes {
			fmt.Fprintln(&b, "  note:", note)
		}
		for _, set := range w.Sets {
			age := "old"
			if set.Newest {
				age = "newest"
			}
			fmt.Fprintln(&b, " ", set.Name, age, set.Verdict.State)
			for _, pod := range set.Pods {
				fmt.Fprintln(&b, "   ", pod.Name, pod.Verdict.State)
			}
		}
	}
	fmt.Fprintln(&b, verdict(tree.Verdict))
	b.WriteString("router ")
	workload(tree.Router)
	for _, v := range tree.Versions {
		b.WriteString(v.Name + " ")
		if v.Default {
			b.WriteString("default ")
		}
		if v.Control {
			b.WriteString("control ")
		}
		fmt.Fprintf(&b, "%v %v %v ", v.Declared, v.Effective, v.Actual)
		workload(v.Workload)
	}
	for _, note := range tree.Notes {
		fmt.Fprintln(&b, "note:", note)
	}
	return b.String()
}

func TestTheRouteTakesTheRoutersPlace(t *testing.T) {
	const unknown = "the gateway has not taken the route up: where requests go is not known"
	for name, c := range map[string]struct {
		fixture     string
		route       Verdict
		verdict     string
		blue, green float64
		notes       []string
	}{
		"in_force": {fixture: "ready", route: Verdict{State: Ready}, verdict: "Ready: ", blue: 80, green: 20},
		"a_version_without_a_ready_pod_loses_its_share": {
			fixture: "starting", route: Verdict{State: Ready}, blue: 80,
			verdict: "Progressing: version green: 0 of 1 replicas ready: container scoring is starting",
			notes:   []string{"green: no pod is ready: its 20 % of the requests are answered 503"}},
		"refused": {
			fixture: "ready", route: Verdict{State: Failed, Reason: "NotAllowedByListeners", Message: "no"},
			verdict: "Failed: route: no", notes: []string{unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture(t, c.fixture)
			tree := s.Endpoint(sentiment(), noon(), Options{Route: &Route{Gateway: "ml/public", Verdict: c.route}})
			notes := tree.Notes
			for _, v := range tree.Versions {
				for _, note := range v.Notes {
					notes = append(notes, v.Name+": "+note)
				}
			}
			got := fmt.Sprintf("%s: %s", tree.Verdict.State, tree.Verdict.Message)
			if got != c.verdict || tree.Versions[0].Actual != c.blue || tree.Versions[1].Actual != c.green ||
				!slices.Equal(notes, c.notes) || tree.Observed != (c.route.State == Ready) {
				t.Errorf("got %s, %v, %v, %q", got, tree.Versions[0].Actual, tree.Versions[1].Actual, notes)
			}
			text, err := json.Marshal(tree)
			if err != nil || strings.Contains(string(text), `"router"`) || !strings.Contains(string(text), `"gateway":"ml/public"`) {
				t.Errorf("as JSON: %s, %v", text, err)
			}
		})
	}
}

func TestActualShares(t *testing.T) {
	runs := func(pod, hash string, blue, green float64) Router {
		return Router{Pod: pod, Hash: hash, Default: "blue", Weights: map[string]float64{"blue": blue, "green": green}}
	}
	cases := map[string]struct {
		fixture string
		routers []Router
		change  func(*Snapshot)
		blue    float64
		green   float64
		notes   []string
	}{
		"are_the_effective_ones_if_no_router_was_asked": {fixture: "ready", blue: 80, green: 20},
		"are_what_the_routers_run": {fixture: "ready",
			routers: []Router{runs("a", "1", 100, 0), runs("b", "1", 100, 0)}, blue: 100},
		"are_the_average_of_routers_that_differ": {fixture: "ready",
			routers: []Router{runs("a", "1", 100, 0), runs("b", "2", 80, 20)}, blue: 90, green: 10,
			notes: []string{"the routers run different configurations: a change is on its way"}},
		"go_to_the_default_version_the_routers_run": {fixture: "starting",
			routers: []Router{runs("a", "1", 50, 50)}, blue: 100,
			notes: []string{"green: no pod is ready: its share of 50 % goes to blue"}},
		"are_nothing_if_no_pod_is_ready": {fixture: "starting",
			change: func(s *Snapshot) { s.pod("sentiment-blue-1-a").Status.Conditions = nil },
			notes: []string{"blue: no pod is ready: its 80 % of the requests are answered 503",
				"green: no pod is ready: its 20 % of the requests are answered 503"}},
		"are_nothing_if_no_router_is_ready": {fixture: "ready",
			change: func(s *Snapshot) { s.pod("sentiment-router-1-a").Status.Conditions = nil },
			notes:  []string{"no router is ready: no request reaches any version"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := fixture(t, c.fixture)
			if c.change != nil {
				c.change(&s)
			}
			tree := s.Endpoint(sentiment(), noon(), Options{Routers: c.routers})
			notes := tree.Notes
			for _, v := range tree.Versions {
				for _, note := range v.Notes {
					notes = append(notes, v.Name+": "+note)
				}
			}
			if tree.Versions[0].Actual != c.blue || tree.Versions[1].Actual != c.green || !slices.Equal(notes, c.notes) {
				t.Errorf("got blue %v, green %v, %q; want blue %v, green %v, %q",
					tree.Versions[0].Actual, tree.Versions[1].Actual, notes, c.blue, c.green, c.notes)
			}
			if tree.Observed != (c.routers != nil) {
				t.Errorf("observed is %v with %d routers asked", tree.Observed, len(c.routers))
			}
		})
	}
}

func TestTreeTellsOfMissingDeployments(t *testing.T) {
	tree := Snapshot{Name: "sentiment"}.Endpoint(sentiment(), noon(), Options{})
	if want := "router: its deployment is missing: deploy it again"; tree.Verdict.Message != want {
		t.Errorf("got %q, want %q", tree.Verdict.Message, want)
	}
}

func TestTreeMarshalsWithItsWorkloadInPlace(t *testing.T) {
	raw, err := json.Marshal(fixture(t, "ready").Endpoint(sentiment(), noon(), Options{}).Versions[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"blue","default":true,"control":true,"declared":70,"effective":80,"actual":80,` +
		`"deployment":"sentiment-blue","desired":1,"updated":1,"available":1,"ready":1,` +
		`"verdict":{"state":"Ready","message":"1 of 1 replicas ready"},` +
		`"replicaSets":[{"name":"sentiment-blue-1","revision":1,"newest":true,"desired":1,"ready":1,` +
		`"verdict":{"state":"Ready"},"pods":[{"name":"sentiment-blue-1-a","ready":true,"restarts":0,` +
		`"created":"0001-01-01T00:00:00Z","verdict":{"state":"Ready","pod":"sentiment-blue-1-a"}}]}]}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

func TestSchedulingGraceCanBeSet(t *testing.T) {
	cases := map[string]struct {
		grace time.Duration
		want  State
	}{
		"longer_than_it_has_waited":  {2 * time.Minute, Progressing},
		"shorter_than_it_has_waited": {time.Minute, Failed},
		"none":                       {-1, Failed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := Options{SchedulingGrace: c.grace}
			if got := fixture(t, "unschedulable").workload("green", noon(), o).Verdict.State; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// pod returns a pod of the snapshot to change.
func (s *Snapshot) pod(name string) *corev1.Pod {
	i := slices.IndexFunc(s.Pods, func(p corev1.Pod) bool { return p.Name == name })
	return &s.Pods[i]
}
