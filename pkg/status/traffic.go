// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"slices"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Router is what one router said that it runs.
type Router struct {
	Pod string `json:"pod"`
	// Hash names the configuration.
	Hash string `json:"hash"`
	// Default is the version that serves for versions without a ready pod.
	Default string `json:"default"`
	// Weights are the effective shares in percent, by version.
	Weights map[string]float64 `json:"weights"`
}

// share works out the share of the requests each version gets: what the
// routers run, and of that nothing for a version without a ready pod, whose
// share the router gives to the default version. It adds notes to the versions
// and returns those on the endpoint.
func (t *Tree) share(e endpoint.Endpoint, routers []Router) []string {
	if t.Route != nil {
		return t.shareByRoute(e)
	}
	weights, fallback, notes := e.Effective(), e.Default, []string(nil)
	if len(routers) > 0 {
		weights, fallback = average(routers), routers[0].Default
		if disagree(routers) {
			notes = append(notes, "the routers run different configurations: a change is on its way")
		}
	}
	if t.Router.Ready == 0 {
		return append(notes, "no router is ready: no request reaches any version")
	}
	for i := range t.Versions {
		t.Versions[i].Actual = weights[t.Versions[i].Name]
	}
	stand := slices.IndexFunc(t.Versions, func(v Version) bool { return v.Name == fallback })
	for i := range t.Versions {
		v := &t.Versions[i]
		if v.Ready > 0 || v.Actual == 0 {
			continue
		}
		percent := endpoint.FormatPercent(v.Actual)
		if i == stand || stand < 0 || t.Versions[stand].Ready == 0 {
			v.Notes = append(v.Notes, fmt.Sprintf("no pod is ready: its %s %% of the requests are answered 503", percent))
		} else {
			v.Notes = append(v.Notes, fmt.Sprintf("no pod is ready: its share of %s %% goes to %s", percent, fallback))
			t.Versions[stand].Actual += v.Actual
		}
		v.Actual = 0
	}
	return notes
}

// shareByRoute is share where a Gateway splits the requests: what a version
// without a ready pod gets goes nowhere else.
func (t *Tree) shareByRoute(e endpoint.Endpoint) []string {
	if t.Route.Verdict.State != Ready {
		return []string{"the gateway has not taken the route up: where requests go is not known"}
	}
	for name, share := range e.Effective() {
		i := slices.IndexFunc(t.Versions, func(v Version) bool { return v.Name == name })
		v := &t.Versions[i]
		if v.Ready > 0 || share == 0 {
			v.Actual = share
			continue
		}
		v.Notes = append(v.Notes, fmt.Sprintf("no pod is ready: its %s %% of the requests are answered 503",
			endpoint.FormatPercent(share)))
	}
	return nil
}

// average is the share over all routers, which clients reach equally often.
func average(routers []Router) map[string]float64 {
	shares := map[string]float64{}
	for _, r := range routers {
		for name, weight := range r.Weights {
			shares[name] += weight / float64(len(routers))
		}
	}
	return shares
}

func disagree(routers []Router) bool {
	return slices.ContainsFunc(routers, func(r Router) bool { return r.Hash != routers[0].Hash })
}
