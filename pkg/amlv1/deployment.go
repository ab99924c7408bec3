// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"slices"
	"strings"
)

// ComputeType is where a deploymentconfig.json deploys to.
type ComputeType string

// The compute types that a file can name.
const (
	// ACI is a single container in Azure Container Instances.
	ACI ComputeType = "ACI"
	// AKS is a service with one version.
	AKS ComputeType = "AKS"
	// AKSEndpoint is an endpoint with several versions that share the traffic.
	AKSEndpoint ComputeType = "AKSENDPOINT"
	// Local is a container on the machine at hand.
	Local ComputeType = "LOCAL"
)

// DeploymentConfig is what a deploymentconfig.json says. A nil pointer and an
// empty text are keys that are absent: what holds then is told by Effective.
// Which fields are read depends on the compute type; see DeploymentFields.
type DeploymentConfig struct {
	ComputeType ComputeType
	// ComputeTargetName names an attached compute. Only for AKS.
	ComputeTargetName string
	// Namespace of Kubernetes to deploy to.
	Namespace string

	// VersionName and TrafficPercentile (0 to 100) are only for AKSENDPOINT.
	VersionName       string
	TrafficPercentile *float64

	AutoScaler                        AutoScaler
	NumReplicas                       *int
	ContainerResourceRequirements     ContainerResourceRequirements
	GPUCores                          *int
	DataCollection                    DataCollection
	AppInsightsEnabled                *bool
	AuthEnabled                       *bool
	TokenAuthEnabled                  *bool
	Keys                              Keys
	ScoringTimeoutMs                  *int
	MaxConcurrentRequestsPerContainer *int
	MaxQueueWaitMs                    *int
	LivenessProbeRequirements         LivenessProbeRequirements

	// ACI has the keys that only that compute type knows.
	ACI ContainerInstance
	// Port on this machine, 0 for any that is free. Only for LOCAL.
	Port *int

	source *source
}

// AutoScaler is the autoScaler block.
type AutoScaler struct {
	AutoscaleEnabled         *bool
	MinReplicas, MaxReplicas *int
	RefreshPeriodInSeconds   *int
	// TargetUtilization is in percent.
	TargetUtilization *int
}

// ContainerResourceRequirements is the block of that name: CPU in cores,
// memory in GB.
type ContainerResourceRequirements struct {
	CPU, CPULimit               *float64
	MemoryInGB, MemoryInGBLimit *float64
}

// DataCollection is the dataCollection block.
type DataCollection struct {
	StorageEnabled *bool
}

// Keys is the keys block: the endpoint's own keys instead of generated ones.
type Keys struct {
	PrimaryKey, SecondaryKey string
}

// String hides the keys, so that a config can be printed.
func (k Keys) String() string {
	if k == (Keys{}) {
		return "{}"
	}
	return "{hidden}"
}

// GoString hides the keys.
func (k Keys) GoString() string { return k.String() }

// LivenessProbeRequirements is the block of that name.
type LivenessProbeRequirements struct {
	PeriodSeconds       *int
	InitialDelaySeconds *int
	TimeoutSeconds      *int
	SuccessThreshold    *int
	FailureThreshold    *int
}

// ReadDeploymentConfig reads a deploymentconfig.json, which may be YAML, and
// checks it as Validate does. file is the name used in findings. When the
// findings have an error, the config holds what could be read and is not fit
// for use. Whether the files it names exist is told by Resolve.
//
// Azure ML left some of what is refused here to its service: numbers of things
// that are not whole, gpuCores of 0.5 among them; a truth value in quotes, but
// for "true"; a limit below 0; and a namespace that ends in a line feed. A limit
// of 0 is none and warned of.
func ReadDeploymentConfig(file string, src []byte) (DeploymentConfig, Findings) {
	c := DeploymentConfig{source: newSource(file)}
	root, findings := parse(c.source, src)
	if root == nil {
		return c, findings
	}
	findings = append(findings, c.readComputeType(root)...)
	return c, append(findings, c.read(root)...).sorted()
}

func (c *DeploymentConfig) read(root *node) Findings {
	r := reader[DeploymentConfig]{source: c.source, rules: rulesFor(c.ComputeType), kind: c.ComputeType,
		readFor: readFor, target: c}
	r.object("", root)
	return append(r.findings, c.Validate()...)
}

// readComputeType finds out what the other keys are to be held against. When
// that cannot be told they are read as for an endpoint, which knows most keys.
func (c *DeploymentConfig) readComputeType(root *node) Findings {
	const write = `write "AKS" for one version, "AKSENDPOINT" for several that share the traffic`
	c.ComputeType = AKSEndpoint
	n := root.get("computeType")
	if n.absent() {
		return Findings{c.source.finding("computeType", "is required: "+write)}
	}
	c.source.places["computeType"] = n.at
	if n.kind != textKind {
		return Findings{c.source.finding("computeType", "must be text, not "+n.describe()+": "+write)}
	}
	kind := ComputeType(strings.ToUpper(n.text))
	if !slices.Contains(computeTypes(), kind) {
		return Findings{c.source.finding("computeType",
			fmt.Sprintf("must be one of ACI, AKS, AKSENDPOINT, LOCAL, not %q: %s", short(n.text), write))}
	}
	c.ComputeType = kind
	if kind != ACI {
		return nil
	}
	said := "is taken for one replica on Kubernetes"
	if root.get("authEnabled").absent() {
		said += ", which anybody may call, as in ACI: write \"authEnabled\": true to ask for a key"
	}
	return Findings{c.source.warning("computeType", said)}
}

func computeTypes() []ComputeType { return []ComputeType{ACI, AKS, AKSEndpoint, Local} }
