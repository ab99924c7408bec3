// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package chart turns an endpoint into values of the inference chart and back,
// and renders the chart without a cluster.
package chart

// Values mirrors values.yaml of charts/inference, field by field: a test holds
// the two together.
type Values struct {
	AboutValues
	Purpose          string                   `json:"purpose"`
	Auth             AuthValues               `json:"auth"`
	DefaultVersion   string                   `json:"defaultVersion"`
	ControlVersion   string                   `json:"controlVersion"`
	Versions         map[string]VersionValues `json:"versions"`
	Stickiness       StickinessValues         `json:"stickiness"`
	Routing          RoutingValues            `json:"routing"`
	TLS              TLSValues                `json:"tls"`
	Router           RouterValues             `json:"router"`
	Limiter          LimiterValues            `json:"limiter"`
	ImagePullSecrets []string                 `json:"imagePullSecrets"`
	NetworkPolicy    NetworkPolicyValues      `json:"networkPolicy"`
}

// AboutValues is what people say of an endpoint or a version.
type AboutValues struct {
	Description string            `json:"description"`
	Tags        map[string]string `json:"tags"`
	Properties  map[string]string `json:"properties"`
}

// AuthValues is how callers are let in.
type AuthValues struct {
	Mode           string `json:"mode"`
	ExistingSecret string `json:"existingSecret"`
}

// VersionValues is one entry of versions.
type VersionValues struct {
	AboutValues
	Models          []string          `json:"models"`
	Traffic         float64           `json:"traffic"`
	Mirror          float64           `json:"mirror"`
	Image           string            `json:"image"`
	ModelImage      string            `json:"modelImage"`
	ImagePullPolicy string            `json:"imagePullPolicy"`
	Command         []string          `json:"command"`
	Protocol        string            `json:"protocol"`
	EntryScript     string            `json:"entryScript"`
	SourceDirectory string            `json:"sourceDirectory"`
	ModelDir        string            `json:"modelDir"`
	Env             map[string]string `json:"env"`
	Workers         int               `json:"workers"`

	Resources   ResourceValues    `json:"resources"`
	Accelerator AcceleratorValues `json:"accelerator"`
	Replicas    int               `json:"replicas"`
	Autoscaling AutoscalingValues `json:"autoscaling"`

	MaxConcurrentRequests int         `json:"maxConcurrentRequests"`
	MaxQueueWaitMs        int64       `json:"maxQueueWaitMs"`
	ScoringTimeoutMs      int64       `json:"scoringTimeoutMs"`
	Probes                ProbeValues `json:"probes"`

	NodeSelector   map[string]string `json:"nodeSelector"`
	Tolerations    []any             `json:"tolerations"`
	Affinity       map[string]any    `json:"affinity"`
	PodAnnotations map[string]string `json:"podAnnotations"`
}

// StickinessValues keep callers with one version.
type StickinessValues struct {
	Header string        `json:"header"`
	Ranges []RangeValues `json:"ranges"`
}

// RangeValues is a part of all callers, which ends at so many millionths.
type RangeValues struct {
	Version string `json:"version"`
	Until   int    `json:"until"`
}

// TLSValues name the certificate that the router shows.
type TLSValues struct {
	ExistingSecret string `json:"existingSecret"`
	Host           string `json:"host"`
}

// WithTLS returns v with routers that speak TLS with the certificate in a
// Secret, which is for host; without a Secret they speak plain HTTP. An endpoint
// behind a Gateway stays as it is: there TLS is the Gateway's.
func (v Values) WithTLS(secret, host string) Values {
	if v.Routing.Mode == GatewayMode {
		return v
	}
	v.TLS = TLSValues{ExistingSecret: secret, Host: host}
	if secret == "" {
		v.TLS.Host = ""
	}
	return v
}

// The modes of RoutingValues.
const (
	RouterMode  = "router"
	GatewayMode = "gateway"
)

// RoutingValues say what splits the requests.
type RoutingValues struct {
	Mode    string        `json:"mode"`
	Gateway GatewayValues `json:"gateway"`
}

// GatewayValues name a Gateway of the Gateway API.
type GatewayValues struct {
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	SectionName string   `json:"sectionName"`
	Hostnames   []string `json:"hostnames"`
	// ProxyNamespace is where its proxies run; empty if that is not known.
	ProxyNamespace string `json:"proxyNamespace"`
}

// ResourceValues are requests and limits by resource name (cpu, memory).
type ResourceValues struct {
	Requests map[string]string `json:"requests"`
	Limits   map[string]string `json:"limits"`
}

// AcceleratorValues is the kind and number of devices of one replica.
type AcceleratorValues struct {
	Type     string `json:"type"`
	Count    int    `json:"count"`
	Resource string `json:"resource"`
}

// AutoscalingValues is the range in which replicas follow the load.
type AutoscalingValues struct {
	Enabled           bool `json:"enabled"`
	MinReplicas       int  `json:"minReplicas"`
	MaxReplicas       int  `json:"maxReplicas"`
	TargetUtilization int  `json:"targetUtilization"`
}

// ProbeValues say when a replica has started and when it is taken for dead.
type ProbeValues struct {
	StartupTimeoutSeconds int            `json:"startupTimeoutSeconds"`
	Liveness              LivenessValues `json:"liveness"`
}

// LivenessValues are the five fields of Azure ML's livenessProbeRequirements.
type LivenessValues struct {
	InitialDelaySeconds int `json:"initialDelaySeconds"`
	PeriodSeconds       int `json:"periodSeconds"`
	TimeoutSeconds      int `json:"timeoutSeconds"`
	SuccessThreshold    int `json:"successThreshold"`
	FailureThreshold    int `json:"failureThreshold"`
}

// RouterValues is the Envoy in front of the versions.
type RouterValues struct {
	Image           string         `json:"image"`
	Replicas        int            `json:"replicas"`
	Resources       ResourceValues `json:"resources"`
	RestartOnChange bool           `json:"restartOnChange"`
	Service         ServiceValues  `json:"service"`
	MaxRequestBytes int64          `json:"maxRequestBytes"`

	PodAnnotations map[string]string `json:"podAnnotations"`
}

// ServiceValues is the Service that clients reach.
type ServiceValues struct {
	Type        string            `json:"type"`
	Port        int               `json:"port"`
	Annotations map[string]string `json:"annotations"`
}

// LimiterValues is the HAProxy beside each scoring container.
type LimiterValues struct {
	Image     string         `json:"image"`
	Resources ResourceValues `json:"resources"`
}

// NetworkPolicyValues switches the NetworkPolicies.
type NetworkPolicyValues struct {
	Enabled bool `json:"enabled"`
}
