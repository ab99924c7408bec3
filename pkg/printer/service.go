// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"cmp"
	"math"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// The compute types of Azure ML v1 that an endpoint can have.
const (
	ComputeAKS         = "AKS"
	ComputeAKSEndpoint = "AKSENDPOINT"
)

// Served is an endpoint with what is known of it from outside of its values.
type Served struct {
	endpoint.Endpoint
	Namespace string
	// Created is when the endpoint was first deployed, Updated when its revision
	// in force was made.
	Created, Updated time.Time
	// Pending says that a revision is being made: what is missing may still come.
	Pending bool
	// Address is where clients reach it, without a path; empty if not known.
	Address string
	Tree    status.Tree
}

// ComputeType is what the endpoint would have been in Azure ML v1: a service
// (AKS) if its only version is called main or like the endpoint itself, which is
// how services are deployed, and otherwise an endpoint with versions.
func (s Served) ComputeType() string {
	if _, main := s.Versions["main"]; len(s.Versions) == 1 && (main || s.Default == s.Name) {
		return ComputeAKS
	}
	return ComputeAKSEndpoint
}

// Service is what Azure ML v1 tells of a service, or of a version of an
// endpoint: azureml-core's AksWebservice.serialize(), key by key. What Kubernetes
// has no notion of is null. The workspace is the namespace.
type Service struct {
	Name          string            `json:"name"`
	Description   *string           `json:"description"`
	Tags          map[string]string `json:"tags"`
	Properties    map[string]string `json:"properties"`
	State         string            `json:"state"`
	CreatedTime   *string           `json:"createdTime"`
	UpdatedTime   *string           `json:"updatedTime"`
	Error         *ServiceError     `json:"error"`
	ComputeType   string            `json:"computeType"`
	WorkspaceName string            `json:"workspaceName"`
	ImageID       string            `json:"imageId"`
	ImageDigest   *string           `json:"imageDigest"`
	ImageDetails  any               `json:"imageDetails"`
	ScoringURI    *string           `json:"scoringUri"`
	CreatedBy     any               `json:"createdBy"`

	AppInsightsEnabled bool                `json:"appInsightsEnabled"`
	AuthEnabled        bool                `json:"authEnabled"`
	AutoScaler         AutoScaler          `json:"autoScaler"`
	ComputeName        any                 `json:"computeName"`
	Resources          ServiceResources    `json:"containerResourceRequirements"`
	DataCollection     DataCollection      `json:"dataCollection"`
	MaxConcurrent      int                 `json:"maxConcurrentRequestsPerContainer"`
	MaxQueueWaitMs     int64               `json:"maxQueueWaitMs"`
	Liveness           LivenessProbe       `json:"livenessProbeRequirements"`
	NumReplicas        *int                `json:"numReplicas"`
	DeploymentStatus   DeploymentStatus    `json:"deploymentStatus"`
	ScoringTimeoutMs   int64               `json:"scoringTimeoutMs"`
	TokenAuthEnabled   bool                `json:"aadAuthEnabled"`
	EnvironmentDetails *EnvironmentDetails `json:"environmentDetails"`
	ModelDetails       []ModelDetails      `json:"modelDetails"`
	IsDefault          bool                `json:"isDefault"`
	TrafficPercentile  float64             `json:"trafficPercentile"`
	VersionType        *string             `json:"versionType"`
}

// ServiceError says why a service failed.
type ServiceError struct {
	Code       string               `json:"code"`
	StatusCode int                  `json:"statusCode"`
	Message    string               `json:"message"`
	Details    []ServiceErrorDetail `json:"details"`
}

// ServiceErrorDetail is Kubernetes' own word and what it is about.
type ServiceErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// AutoScaler is the range in which replicas follow the load; null but for the
// switch when they do not. Kubernetes has no refresh period of one autoscaler.
type AutoScaler struct {
	Enabled           bool `json:"autoscaleEnabled"`
	MinReplicas       *int `json:"minReplicas"`
	MaxReplicas       *int `json:"maxReplicas"`
	RefreshPeriod     any  `json:"refreshPeriodInSeconds"`
	TargetUtilization *int `json:"targetUtilization"`
}

// ServiceResources are numbers of cores, GiB and devices; null if not set.
type ServiceResources struct {
	CPU         *float64 `json:"cpu"`
	CPULimit    *float64 `json:"cpuLimit"`
	Memory      *float64 `json:"memoryInGB"`
	MemoryLimit *float64 `json:"memoryInGBLimit"`
	GPU         *int     `json:"gpu"`
}

// DataCollection is always off.
type DataCollection struct {
	EventHubEnabled bool `json:"eventHubEnabled"`
	StorageEnabled  bool `json:"storageEnabled"`
}

// LivenessProbe are Azure ML's five fields.
type LivenessProbe struct {
	PeriodSeconds       int `json:"periodSeconds"`
	InitialDelaySeconds int `json:"initialDelaySeconds"`
	TimeoutSeconds      int `json:"timeoutSeconds"`
	FailureThreshold    int `json:"failureThreshold"`
	SuccessThreshold    int `json:"successThreshold"`
}

// DeploymentStatus counts replicas as the version's Deployment does.
type DeploymentStatus struct {
	Replicas          int32 `json:"replicas"`
	UpdatedReplicas   int32 `json:"updatedReplicas"`
	AvailableReplicas int32 `json:"availableReplicas"`
}

// EnvironmentDetails is what there is of an environment: the variables given.
type EnvironmentDetails struct {
	EnvironmentVariables map[string]string `json:"environmentVariables"`
}

// ModelDetails is one model of a version.
type ModelDetails struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// ServiceOf tells of an endpoint as of a service. Of several versions it is the
// default one, with the state and the error of the whole.
func ServiceOf(s Served) Service {
	told := version(s, s.Default, s.Tree.Verdict, rolledOut(s.Tree))
	told.Name, told.ComputeType = s.Name, s.ComputeType()
	told.Description = cmp.Or(orNull(s.Description), told.Description)
	told.Tags = joined(told.Tags, s.Tags)
	told.Properties = joined(told.Properties, s.Properties)
	told.ScoringURI = uri(s, "")
	told.CreatedTime, told.UpdatedTime = isoTime(s.Created), isoTime(s.Updated)
	return told
}

// version tells of one version of s.
func version(s Served, name string, verdict status.Verdict, rolledOut bool) Service {
	v := s.Versions[name]
	load := workloadOf(s.Tree, name)
	told := Service{
		Name: name, Description: orNull(v.Description), Tags: joined(v.Tags), Properties: joined(v.Properties),
		ComputeType: ComputeAKSEndpoint, WorkspaceName: s.Namespace,
		CreatedTime: isoTime(load.Created), UpdatedTime: isoTime(load.Updated),
		ImageID: v.Image, ImageDigest: digest(v.Image), ScoringURI: uri(s, name),
		AuthEnabled: s.Auth.Mode == endpoint.AuthKey, AutoScaler: autoScaler(v.Scaling), Resources: resources(v),
		MaxConcurrent: v.Limits.MaxConcurrentRequests, MaxQueueWaitMs: v.Limits.MaxQueueWait.Milliseconds(),
		ScoringTimeoutMs: v.Limits.ScoringTimeout.Milliseconds(), Liveness: liveness(v.Probes.Liveness),
		NumReplicas: replicas(v.Scaling, load),
		DeploymentStatus: DeploymentStatus{Replicas: load.Desired, UpdatedReplicas: load.UpdatedReplicas,
			AvailableReplicas: load.Available},
		EnvironmentDetails: environment(v), ModelDetails: models(v.Models),
		IsDefault: name == s.Default, TrafficPercentile: v.Traffic, VersionType: versionType(s.Endpoint, name),
	}
	told.State, told.Error = s.state(verdict, rolledOut)
	return told
}

// state is Azure ML's word for a verdict, with the error if it is a bad one. What
// is not ready is on its way until its pods were once all ready.
func (s Served) state(v status.Verdict, rolledOut bool) (string, *ServiceError) {
	switch {
	case s.Pending && v.Reason == status.ReasonMissing:
		return "Transitioning", nil
	case v.State == status.Ready:
		return "Healthy", nil
	case v.State == status.Progressing && rolledOut:
		return "Unhealthy", nil
	case v.State == status.Progressing:
		return "Transitioning", nil
	}
	details := []ServiceErrorDetail{{Code: v.Reason, Message: v.Message}}
	if v.Reason == "Unschedulable" {
		return "Unschedulable", &ServiceError{"KubernetesError", 400, "Kubernetes Deployment Error", details}
	}
	return "Failed", &ServiceError{"KubernetesDeploymentFailed", 400, "Kubernetes Deployment failed", details}
}

// rolledOut tells whether all that is not ready now has been before.
func rolledOut(t status.Tree) bool {
	var loads []status.Workload
	if t.Route == nil {
		loads = append(loads, t.Router)
	}
	for _, v := range t.Versions {
		loads = append(loads, v.Workload)
	}
	for _, load := range loads {
		if load.Verdict.State != status.Ready && !load.RolledOut {
			return false
		}
	}
	return true
}

func workloadOf(t status.Tree, name string) status.Workload {
	for _, v := range t.Versions {
		if v.Name == name {
			return v.Workload
		}
	}
	return status.Workload{Verdict: status.Verdict{State: status.Progressing, Reason: status.ReasonMissing}}
}

// uri is where clients post: to the endpoint, or past the split to one version.
func uri(s Served, version string) *string {
	if s.Address == "" {
		return nil
	}
	address := s.Address + ScoringPath(s.Name)
	if version != "" {
		address = s.Address + "/api/v1/service/" + s.Name + "/versions/" + version + "/score"
	}
	return &address
}

// isoTime writes a time as Python's isoformat does; null if there is none.
func isoTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	layout := "2006-01-02T15:04:05-07:00"
	if t.Nanosecond()/1000 != 0 {
		layout = "2006-01-02T15:04:05.000000-07:00"
	}
	text := t.UTC().Truncate(time.Microsecond).Format(layout)
	return &text
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func digest(image string) *string {
	_, digest, ok := strings.Cut(image, "@")
	if !ok {
		return nil
	}
	return &digest
}

func autoScaler(s endpoint.Scaling) AutoScaler {
	a := s.Autoscale
	if a == nil {
		return AutoScaler{}
	}
	return AutoScaler{Enabled: true, MinReplicas: &a.MinReplicas, MaxReplicas: &a.MaxReplicas,
		TargetUtilization: &a.TargetUtilization}
}

// replicas is the number that was set; with an autoscaler, the one it wants now.
func replicas(s endpoint.Scaling, load status.Workload) *int {
	n := s.Replicas
	if s.Autoscale != nil {
		if load.Deployment == "" {
			return nil
		}
		n = int(load.Desired)
	}
	return &n
}

func resources(v endpoint.Version) ServiceResources {
	const gib = 1 << 30
	r := ServiceResources{
		CPU: quantity(v.Resources.CPU, 1), CPULimit: quantity(v.Resources.CPULimit, 1),
		Memory: quantity(v.Resources.Memory, gib), MemoryLimit: quantity(v.Resources.MemoryLimit, gib),
	}
	if v.Accelerator.Type != "" && v.Accelerator.Type != "fpga" {
		count := v.Accelerator.Count
		r.GPU = &count
	}
	return r
}

// quantity is a Kubernetes quantity in a unit, to three decimals: whole MiB are
// finer than the numbers that Azure ML's files hold.
func quantity(text string, unit float64) *float64 {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return nil
	}
	n := math.Round(q.AsApproximateFloat64()/unit*1000) / 1000
	return &n
}

func liveness(l endpoint.Liveness) LivenessProbe {
	return LivenessProbe{PeriodSeconds: l.PeriodSeconds, InitialDelaySeconds: l.InitialDelaySeconds,
		TimeoutSeconds: l.TimeoutSeconds, FailureThreshold: l.FailureThreshold, SuccessThreshold: l.SuccessThreshold}
}

func environment(v endpoint.Version) *EnvironmentDetails {
	if len(v.Env) == 0 {
		return nil
	}
	return &EnvironmentDetails{EnvironmentVariables: v.Env}
}

func models(references []string) []ModelDetails {
	told := []ModelDetails{}
	for _, id := range references {
		name, version, _ := strings.Cut(strings.TrimPrefix(id, endpoint.FromFile), ":")
		told = append(told, ModelDetails{ID: id, Name: name, Version: version})
	}
	return told
}

// versionType is null until one version is the control.
func versionType(e endpoint.Endpoint, name string) *string {
	kind := "Treatment"
	switch e.Control {
	case "":
		return nil
	case name:
		kind = "Control"
	}
	return &kind
}

// joined is one map of all; a later one wins.
func joined(all ...map[string]string) map[string]string {
	one := map[string]string{}
	for _, m := range all {
		for key, value := range m {
			one[key] = value
		}
	}
	return one
}
