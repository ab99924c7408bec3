// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package endpoint is the model of what kubectl-aml deploys: an endpoint, its
// versions and the traffic between them.
//
// Everything here is a value: the rules take an Endpoint and return a new one
// or a refusal. Nothing in this package has a client, a clock or a file.
package endpoint

import (
	"maps"
	"slices"
	"time"
)

// MaxVersions is how many versions one endpoint may have at a time, as in
// Azure ML v1's AksEndpoint.
const MaxVersions = 6

// FromFile stands before the NAME:VERSION of a model that came from somebody's
// machine or is an artifact of its own: a registered one of the same name may be
// another.
const FromFile = "local/"

// ModelsRoot is the folder in the container that the models are under, each in
// NAME/VERSION.
const ModelsRoot = "/var/azureml-app/azureml-models"

// AuthMode says how callers of an endpoint prove who they are.
type AuthMode string

// The modes an endpoint can be in.
const (
	// AuthKey asks for one of the endpoint's two keys in the Authorization header.
	AuthKey AuthMode = "key"
	// AuthNone lets everybody in who can reach the endpoint.
	AuthNone AuthMode = "none"
)

// Purpose says how much the endpoint should withstand. The names are Azure
// ML's cluster purposes.
type Purpose string

// The purposes an endpoint can have.
const (
	// FastProd runs two routers, spread over the nodes.
	FastProd Purpose = "FastProd"
	// DevTest runs one router.
	DevTest Purpose = "DevTest"
)

// Endpoint is one address that serves 1 to 6 versions of a model.
type Endpoint struct {
	Name string
	About
	Purpose Purpose
	Auth    Auth
	// Default names the version that gets all traffic nobody else claims.
	Default string
	// Control names the version that the others are treatments of; empty for
	// none. It is a label: it does not change where requests go.
	Control string
	// Sticky keeps each caller with one version.
	Sticky   Sticky
	Versions map[string]Version
}

// About is what people say of an endpoint or a version. It changes nothing but
// what they see.
type About struct {
	Description string
	Tags        map[string]string
	// Properties are added to and never changed, as in Azure ML v1.
	Properties map[string]string
}

// Auth is how callers are let in.
type Auth struct {
	Mode AuthMode
	// ExistingSecret names the Secret that holds the keys. Empty leaves making
	// one to the chart.
	ExistingSecret string
}

// Version is one model with its code, environment, resources and share of the
// traffic.
type Version struct {
	About
	// Models are those in the image, or in ModelImage, as NAME:VERSION, with FromFile
	// before one that is not registered.
	Models []string
	// Traffic is the percentile declared for this version, 0 to 100. What the
	// default version really gets is told by Endpoint.Effective.
	Traffic float64
	// Mirror is the percentage of the requests that the version gets a copy of,
	// whose answers nobody sees. A version with traffic gets none.
	Mirror float64

	Image string
	// ModelImage is an image with nothing but the models, which is mounted at
	// ModelsRoot; empty for models that are in Image.
	ModelImage      string
	EntryScript     string
	SourceDirectory string
	ModelDir        string
	Env             map[string]string
	// Workers is how many processes of the scoring server one replica has; 0
	// is 1.
	Workers int

	Resources   Resources
	Accelerator Accelerator
	Scaling     Scaling
	Limits      Limits
	Probes      Probes
}

// Resources are what one replica asks for and may use at most, as Kubernetes
// quantities ("500m", "0.5Gi"). An empty limit means none.
type Resources struct {
	CPU, CPULimit       string
	Memory, MemoryLimit string
}

// Accelerator is the kind and number of devices one replica gets.
type Accelerator struct {
	// Type is empty for none, or one of nvidia, amd, intel, fpga.
	Type  string
	Count int
}

// Scaling is a fixed number of replicas, or a range when Autoscale is set.
type Scaling struct {
	// Replicas is 0 for a version that rests: the default version gets its share.
	Replicas int
	// Autoscale is nil for a fixed number of replicas.
	Autoscale *Autoscale
}

// Autoscale is the range in which replicas follow the load.
type Autoscale struct {
	MinReplicas, MaxReplicas int
	// TargetUtilization is in percent of the CPU requested.
	TargetUtilization int
}

// Limits bound what one replica takes on.
type Limits struct {
	// MaxConcurrentRequests is how many requests reach the scoring container at once.
	MaxConcurrentRequests int
	// MaxQueueWait is how long a request waits for its turn before it is answered 503.
	MaxQueueWait time.Duration
	// ScoringTimeout is how long scoring may take before the answer is 504.
	ScoringTimeout time.Duration
}

// Probes say when a replica has started and when it is taken for dead.
type Probes struct {
	// StartupTimeout is how long init() may take.
	StartupTimeout time.Duration
	Liveness       Liveness
}

// Liveness has the five fields of Azure ML's livenessProbeRequirements, in
// seconds and counts.
type Liveness struct {
	InitialDelaySeconds int
	PeriodSeconds       int
	TimeoutSeconds      int
	SuccessThreshold    int
	FailureThreshold    int
}

// ToZero tells whether there is to be no replica at all.
func (s Scaling) ToZero() bool { return s.Autoscale == nil && s.Replicas == 0 }

// VersionNames returns the names of the versions, sorted.
func (e Endpoint) VersionNames() []string {
	return slices.Sorted(maps.Keys(e.Versions))
}

// Clone returns a copy that shares nothing with e that a transition changes.
func (e Endpoint) Clone() Endpoint {
	e.Versions = maps.Clone(e.Versions)
	if e.Versions == nil {
		e.Versions = map[string]Version{}
	}
	return e
}
