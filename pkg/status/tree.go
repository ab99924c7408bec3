// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Tree is an endpoint with everything that serves it.
type Tree struct {
	Namespace string `json:"namespace"`
	Endpoint  string `json:"endpoint"`
	// Verdict is the worst of the router's and the versions'.
	Verdict Verdict  `json:"verdict"`
	Router  Workload `json:"router,omitzero"`
	// Route takes the router's place where a Gateway splits the requests.
	Route    *Route    `json:"route,omitempty"`
	Versions []Version `json:"versions"`
	// Observed says that Actual is what the routers said they run, or what the
	// gateway took up, and not only what they should.
	Observed bool `json:"observed"`
	// Measured is what all versions did together over the last Seconds; nil and
	// 0 if that was not measured. Time is when it was looked, if that matters.
	Measured *Measured `json:"measured,omitempty"`
	Seconds  float64   `json:"measuredSeconds,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Notes    []string  `json:"notes,omitempty"`
	// Drift is what somebody changed past the revisions, for the caller to add.
	Drift []drift.Change `json:"drift,omitempty"`
}

// Version is one version of an endpoint.
type Version struct {
	Name    string `json:"name"`
	Default bool   `json:"default,omitempty"`
	Control bool   `json:"control,omitempty"`
	// Declared is the percentile set for the version, Effective the share of
	// the requests that gives it, Actual the share it gets: all in percent.
	Declared  float64 `json:"declared"`
	Effective float64 `json:"effective"`
	Actual    float64 `json:"actual"`
	// Measured is what the version did; nil if that was not measured.
	Measured *Measured `json:"measured,omitempty"`
	Workload
}

// Endpoint returns the view of an endpoint at the time now: the router or route,
// then the versions of e by name.
func (s Snapshot) Endpoint(e endpoint.Endpoint, now time.Time, o Options) Tree {
	t := Tree{Namespace: s.Namespace, Endpoint: s.Name, Observed: len(o.Routers) > 0, Route: o.Route}
	if t.Route != nil {
		t.Observed = t.Route.Verdict.State == Ready
		t.Verdict = about(RouteObject, t.Route.Verdict)
	} else {
		t.Router = s.workload("", now, o)
		t.Verdict = about(RouterObject, t.Router.Verdict)
	}
	effective := e.Effective()
	for _, name := range e.VersionNames() {
		v := Version{
			Name: name, Default: name == e.Default, Control: name == e.Control,
			Declared: e.Versions[name].Traffic, Effective: effective[name],
			Workload: s.workload(name, now, o),
		}
		if v.Verdict.worse(t.Verdict) {
			t.Verdict = about(VersionObject(name), v.Verdict)
		}
		t.Versions = append(t.Versions, v)
	}
	if t.Verdict.State == Ready {
		t.Verdict = Verdict{State: Ready}
	}
	t.Notes = t.share(e, o.Routers)
	if o.Traffic != nil {
		t.Notes = append(t.Notes, t.measure(e, *o.Traffic)...)
	}
	return t
}

// RouterObject and RouteObject name the router, and the route that takes its
// place, in lines and errors.
const (
	RouterObject = "router"
	RouteObject  = "route"
)

// Route is what the controller of a Gateway says of an endpoint's HTTPRoute.
type Route struct {
	// Gateway is NAMESPACE/NAME.
	Gateway string  `json:"gateway"`
	Verdict Verdict `json:"verdict"`
}

// VersionObject names a version in lines and errors.
func VersionObject(name string) string { return "version " + name }

func about(object string, v Verdict) Verdict {
	v.Message = object + ": " + v.Message
	return v
}
