// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package release installs, upgrades, recovers, rolls back and uninstalls
// endpoints as Helm releases. It is the only package that knows Helm's actions
// and storage.
//
// Every change of an endpoint happens under the endpoint's Lease, looks at the
// release history first (determine), and leaves the endpoint either as asked
// or as it was.
package release

import (
	"context"
	"sync"
	"time"

	helmchart "helm.sh/helm/v3/pkg/chart"
	helmkube "helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	// maxHistory is how many revisions of an endpoint are kept; Helm's own
	// default in its SDK is all of them.
	maxHistory = 10
	// undoTimeout bounds rolling back or uninstalling after a failure. It does
	// not wait for pods, so it is spent on API calls only.
	undoTimeout = 2 * time.Minute
	// hookTimeout bounds a hook of the chart when the caller set no time limit.
	hookTimeout = 5 * time.Minute
	// fieldManager is the name of the owner of the fields we set: Helm's own,
	// because Helm 4 moves only the fields of this name to server-side apply
	// and would otherwise conflict with us on every field.
	fieldManager = "helm"
)

// Release is one revision of an endpoint.
type Release struct {
	Name, Namespace string
	// Revision counts from 1.
	Revision int
	// Status is Helm's word: deployed, failed, superseded, pending-upgrade, ...
	Status string
	// Values are the chart's values of this revision, without the chart's defaults.
	Values       map[string]any
	ChartVersion string
	Description  string
	// InForce tells that the revision is or once was in force: it did not fail.
	InForce bool
	// By is who made this revision, as user@host; empty if that was not the plugin.
	By string
	// Manifest holds the objects of this revision as YAML documents, hooks left out.
	Manifest string
	// Later says of the release in force what a newer revision is that is not:
	// "revision 8 is failed", "… is pending-upgrade"; empty if there is none.
	Later string
	// Updated is when this revision was started, Created when the first one was.
	Updated, Created time.Time
}

// Change is called under the endpoint's Lease with what is in force (nil:
// nothing) and returns the whole new values. It must not keep or change current.
// An error ends Apply before anything is changed.
type Change func(current *Release) (values map[string]any, err error)

// DryRun says whether and how a change is only tried out.
type DryRun string

const (
	// DryRunNone makes the change.
	DryRunNone DryRun = ""
	// DryRunClient reads what is in force, renders, and sends nothing.
	DryRunClient DryRun = "client"
	// DryRunServer renders with what the cluster knows (kinds, versions, look-ups)
	// and refuses objects of foreign owners.
	DryRunServer DryRun = "server"
)

// Action is what Apply or Undo did, or in a dry run would do.
type Action string

const (
	// Installed means that nothing was in force before.
	Installed Action = "installed"
	// Upgraded means that a new revision took the place of the previous one.
	Upgraded Action = "upgraded"
	// Unchanged means that values, chart and objects are there already: no revision was made.
	Unchanged Action = "unchanged"
)

// ApplyOptions are the choices for one Apply or Undo.
type ApplyOptions struct {
	// Description is kept with the revision. Empty leaves Helm's, and for Undo is
	// "undo to revision N".
	Description string
	DryRun      DryRun
	// Prepare is called under the Lease, just before the revision is made, with
	// what is in force (nil: nothing) and what is to be: its values and chart,
	// and for Undo the revision to go back to. An error ends the operation, and
	// nothing was changed. It is called in dry runs too, and not for Unchanged.
	Prepare func(ctx context.Context, current *Release, next Release) error
	// Ready is called once the objects are in the cluster and decides whether
	// the revision is good. Nil accepts it at once. It is not called for
	// Unchanged and in dry runs. Its context ends with the caller's, when the
	// Lease is lost, and after Timeout.
	Ready func(context.Context) error
	// Gone is called, still under the Lease, when a first revision failed and
	// nothing is left of it, to take back what the caller made for it. An error
	// of it is only logged.
	Gone func(context.Context) error
	// Step is asked when the revision is made. True says that it is only a step
	// to another one: Undo without a number does not go back to it. Nil: it is none.
	Step func() bool
	// Keep is an earlier revision that is needed next: it stays, even if more
	// revisions follow it than are kept. 0: none.
	Keep int
	// KeepFailed leaves a failed revision in the cluster for inspection.
	KeepFailed bool
	// Timeout bounds Ready and each hook of the chart. 0: Ready is not bounded
	// and a hook gets five minutes.
	Timeout time.Duration
}

// Result tells what Apply or Undo did.
type Result struct {
	// Release is the revision made, or the one in force if Unchanged. After a
	// failure it is the failed revision; zero if none was made.
	Release Release
	// Previous is what was in force before; nil if nothing was.
	Previous *Release
	Action   Action
	// Earlier is the revision that Undo went back to; 0 for Apply.
	Earlier int
	// RolledBack is set when the change failed and Previous is in force again.
	RolledBack bool
	// Recovered is set when an earlier, interrupted operation was cleared up first.
	Recovered bool
}

// DeleteOptions are the choices for one Delete.
type DeleteOptions struct {
	// Timeout bounds the wait until all objects are gone. 0: five minutes.
	Timeout time.Duration
	// Gone is called, still under the Lease, when nothing is left of the
	// endpoint, also if nothing was there to begin with.
	Gone func(context.Context) error
}

// Options are what a Client needs.
type Options struct {
	// Namespace is where the endpoints live; required.
	Namespace string
	// Chart is the chart to install. Apply needs it, and Undo to know whether it
	// is as new as what is there.
	Chart *helmchart.Chart
	// Clock defaults to the real one.
	Clock clock.WithTicker
	// Holder is who works, as user@host, and is shown to others who want to
	// deploy the same endpoint at the same time.
	Holder string
	// Log takes one line for each thing worth telling while it happens, the
	// cluster's warnings included. Nil drops them.
	Log func(string)
	// Backend replaces the cluster in tests.
	Backend Backend
}

// Backend stands in for the cluster in tests. What is nil comes from the
// RESTClientGetter.
type Backend struct {
	// Kubernetes holds the Leases, and the Secrets.
	Kubernetes kubernetes.Interface
	// Kube holds the objects of the releases.
	Kube helmkube.Interface
	// Records returns where the records of a namespace ("": of all) are kept, and
	// lists what the selector selects. Nil: in Secrets.
	Records func(namespace, selector string) driver.Driver
}

// Client works on the endpoints of one namespace. It is safe for concurrent use:
// what Helm needs is made anew for every operation.
type Client struct {
	getter genericclioptions.RESTClientGetter
	opts   Options
}

// ownFields tells Helm, which keeps it in a package variable, the name of the
// owner of fields. It is written once, before the first Client exists, so no
// operation can read it at the same time; and here rather than in main, so that
// nobody who uses this package can forget it.
//
//nolint:gochecknoglobals // it guards Helm's global
var ownFields = sync.OnceFunc(func() { helmkube.ManagedFieldsManager = fieldManager })

// New returns a Client. It does not contact the cluster.
func New(getter genericclioptions.RESTClientGetter, opts Options) *Client {
	ownFields()
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	if opts.Log == nil {
		opts.Log = func(string) {}
	}
	if opts.Holder == "" {
		opts.Holder = "unknown"
	}
	return &Client{getter: getter, opts: opts}
}
