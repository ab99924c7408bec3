// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"maps"
	"slices"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Endpoint returns the endpoint that v describes, under the name given. It does
// not judge it: see endpoint.Endpoint.Validate.
func (v Values) Endpoint(name string) endpoint.Endpoint {
	e := endpoint.Endpoint{
		Name:     name,
		About:    v.about(),
		Purpose:  endpoint.Purpose(v.Purpose),
		Auth:     endpoint.Auth{Mode: endpoint.AuthMode(v.Auth.Mode), ExistingSecret: v.Auth.ExistingSecret},
		Default:  v.DefaultVersion,
		Control:  v.ControlVersion,
		Sticky:   v.Stickiness.sticky(),
		Versions: make(map[string]endpoint.Version, len(v.Versions)),
	}
	for name, version := range v.Versions {
		e.Versions[name] = version.version()
	}
	return e
}

// With returns v changed to describe e. Values that an endpoint does not model
// (images of the router, tolerations, annotations, …) stay as they are; those
// of a version that is new are taken from fresh.
func (v Values) With(e endpoint.Endpoint, fresh VersionValues) Values {
	v.AboutValues = about(e.About)
	v.Purpose = string(e.Purpose)
	v.Auth = AuthValues{Mode: string(e.Auth.Mode), ExistingSecret: e.Auth.ExistingSecret}
	v.DefaultVersion, v.ControlVersion = e.Default, e.Control
	v.Stickiness = stickiness(e.Sticky)
	versions := make(map[string]VersionValues, len(e.Versions))
	for name, version := range e.Versions {
		base, known := v.Versions[name]
		if !known {
			base = fresh
		}
		versions[name] = base.with(version)
	}
	v.Versions = versions
	return v
}

func (v VersionValues) version() endpoint.Version {
	return endpoint.Version{
		About:           v.about(),
		Models:          slices.Clone(v.Models),
		Traffic:         v.Traffic,
		Mirror:          v.Mirror,
		Image:           v.Image,
		ModelImage:      v.ModelImage,
		EntryScript:     v.EntryScript,
		SourceDirectory: v.SourceDirectory,
		ModelDir:        v.ModelDir,
		Env:             maps.Clone(v.Env),
		Workers:         v.Workers,
		Resources: endpoint.Resources{
			CPU: v.Resources.Requests["cpu"], CPULimit: v.Resources.Limits["cpu"],
			Memory: v.Resources.Requests["memory"], MemoryLimit: v.Resources.Limits["memory"],
		},
		Accelerator: endpoint.Accelerator{Type: v.Accelerator.Type, Count: v.Accelerator.Count},
		Scaling:     v.scaling(),
		Limits: endpoint.Limits{
			MaxConcurrentRequests: v.MaxConcurrentRequests,
			MaxQueueWait:          time.Duration(v.MaxQueueWaitMs) * time.Millisecond,
			ScoringTimeout:        time.Duration(v.ScoringTimeoutMs) * time.Millisecond,
		},
		Probes: endpoint.Probes{
			StartupTimeout: time.Duration(v.Probes.StartupTimeoutSeconds) * time.Second,
			Liveness:       endpoint.Liveness(v.Probes.Liveness),
		},
	}
}

func (v VersionValues) scaling() endpoint.Scaling {
	if !v.Autoscaling.Enabled {
		return endpoint.Scaling{Replicas: v.Replicas}
	}
	return endpoint.Scaling{Replicas: v.Replicas, Autoscale: &endpoint.Autoscale{
		MinReplicas: v.Autoscaling.MinReplicas, MaxReplicas: v.Autoscaling.MaxReplicas,
		TargetUtilization: v.Autoscaling.TargetUtilization,
	}}
}

func (v VersionValues) with(m endpoint.Version) VersionValues {
	v.AboutValues = about(m.About)
	v.Models = append([]string{}, m.Models...)
	v.Traffic, v.Mirror = m.Traffic, m.Mirror
	v.Image, v.ModelImage, v.ModelDir = m.Image, m.ModelImage, m.ModelDir
	v.EntryScript, v.SourceDirectory = m.EntryScript, m.SourceDirectory
	v.Env, v.Workers = texts(m.Env), max(m.Workers, 1)
	v.Resources = ResourceValues{
		Requests: amounts(m.Resources.CPU, m.Resources.Memory),
		Limits:   amounts(m.Resources.CPULimit, m.Resources.MemoryLimit),
	}
	v.Accelerator.Type, v.Accelerator.Count = m.Accelerator.Type, m.Accelerator.Count
	v.Replicas = m.Scaling.Replicas
	v.Autoscaling.Enabled = m.Scaling.Autoscale != nil
	if a := m.Scaling.Autoscale; a != nil {
		v.Autoscaling = AutoscalingValues{Enabled: true, MinReplicas: a.MinReplicas, MaxReplicas: a.MaxReplicas,
			TargetUtilization: a.TargetUtilization}
	}
	v.MaxConcurrentRequests = m.Limits.MaxConcurrentRequests
	v.MaxQueueWaitMs = m.Limits.MaxQueueWait.Milliseconds()
	v.ScoringTimeoutMs = m.Limits.ScoringTimeout.Milliseconds()
	v.Probes = ProbeValues{
		StartupTimeoutSeconds: int(m.Probes.StartupTimeout / time.Second),
		Liveness:              LivenessValues(m.Probes.Liveness),
	}
	return v
}

func (v StickinessValues) sticky() endpoint.Sticky {
	s := endpoint.Sticky{Header: v.Header}
	for _, r := range v.Ranges {
		s.Ranges = append(s.Ranges, endpoint.Range(r))
	}
	return s
}

func stickiness(s endpoint.Sticky) StickinessValues {
	v := StickinessValues{Header: s.Header, Ranges: []RangeValues{}}
	for _, r := range s.Ranges {
		v.Ranges = append(v.Ranges, RangeValues(r))
	}
	return v
}

func (v AboutValues) about() endpoint.About {
	return endpoint.About{Description: v.Description, Tags: maps.Clone(v.Tags), Properties: maps.Clone(v.Properties)}
}

func about(a endpoint.About) AboutValues {
	return AboutValues{Description: a.Description, Tags: texts(a.Tags), Properties: texts(a.Properties)}
}

// texts copies a map; none is an empty one, as in the chart's values.
func texts(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

// amounts leaves out what is not given: an empty quantity is not a quantity.
func amounts(cpu, memory string) map[string]string {
	given := map[string]string{}
	if cpu != "" {
		given["cpu"] = cpu
	}
	if memory != "" {
		given["memory"] = memory
	}
	return given
}
