// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// ToDeploymentConfig returns the deploymentconfig.json that describes v, all
// but its traffic and its image: FromService makes the same of it again. What
// the file has no word for is left out, such as the type of an accelerator; the
// fewest replicas it can say are 1.
func ToDeploymentConfig(v Version, a Auth) amlv1.DeploymentConfig {
	key, token := a.Mode == AuthKey, false
	gpus := 0
	if v.Accelerator.Type != "" {
		gpus = v.Accelerator.Count
	}
	l := v.Probes.Liveness
	c := amlv1.DeploymentConfig{
		ComputeType: amlv1.AKSEndpoint, AuthEnabled: &key, TokenAuthEnabled: &token, GPUCores: &gpus,
		ContainerResourceRequirements: amlv1.ContainerResourceRequirements{
			CPU: fraction(v.Resources.CPU, 1), CPULimit: fraction(v.Resources.CPULimit, 1),
			MemoryInGB:      fraction(v.Resources.Memory, 1<<30),
			MemoryInGBLimit: fraction(v.Resources.MemoryLimit, 1<<30),
		},
		MaxConcurrentRequestsPerContainer: &v.Limits.MaxConcurrentRequests,
		MaxQueueWaitMs:                    inMilliseconds(v.Limits.MaxQueueWait),
		ScoringTimeoutMs:                  inMilliseconds(v.Limits.ScoringTimeout),
		LivenessProbeRequirements: amlv1.LivenessProbeRequirements{
			InitialDelaySeconds: positive(l.InitialDelaySeconds), PeriodSeconds: &l.PeriodSeconds,
			TimeoutSeconds: &l.TimeoutSeconds, FailureThreshold: &l.FailureThreshold,
		},
	}
	insights, data := v.isOn(appInsights()), v.isOn(modelData())
	c.AppInsightsEnabled, c.DataCollection.StorageEnabled = &insights, &data
	on := v.Scaling.Autoscale != nil
	c.AutoScaler.AutoscaleEnabled = &on
	if on {
		s := *v.Scaling.Autoscale
		c.AutoScaler.MinReplicas, c.AutoScaler.MaxReplicas = &s.MinReplicas, &s.MaxReplicas
		c.AutoScaler.TargetUtilization = &s.TargetUtilization
	} else {
		replicas := max(v.Scaling.Replicas, 1)
		c.NumReplicas = &replicas
	}
	return c
}

// fraction is a quantity in units; nil for none.
func fraction(quantity string, unit float64) *float64 {
	q, err := resource.ParseQuantity(quantity)
	if err != nil {
		return nil
	}
	return positive(q.AsApproximateFloat64() / unit)
}

// positive is nil for 0, which Kubernetes takes and Azure ML has no place for.
func positive[T int | float64](n T) *T {
	if n <= 0 {
		return nil
	}
	return &n
}

func inMilliseconds(d time.Duration) *int {
	ms := int(d.Milliseconds())
	return &ms
}

// Update returns v and the auth of its endpoint with what is given in delta
// changed, and nothing else. The findings are those of the whole: what is given
// is held against what v has.
func (v Version) Update(a Auth, delta amlv1.DeploymentConfig) (Version, Auth, amlv1.Findings, error) {
	config := ToDeploymentConfig(v, a)
	before, _, err := FromService(config.Effective())
	if err != nil {
		return v, a, nil, err
	}
	config.Overlay(delta)
	findings := config.Validate()
	if findings.Err() != nil {
		return v, a, findings, nil
	}
	after, auth, err := FromService(config.Effective())
	if err != nil {
		return v, a, findings, err
	}
	if auth.Mode != a.Mode {
		a = auth
	}
	if v.Scaling.ToZero() && delta.NumReplicas != nil {
		before.Scaling = v.Scaling // the config says 1 instead of 0
	}
	v = v.take(before, after)
	for _, line := range v.turn(delta) {
		findings = append(findings, amlv1.Finding{Warning: true, Message: line})
	}
	return v, a, findings, nil
}

// turn switches on and off what sends something elsewhere.
func (v *Version) turn(delta amlv1.DeploymentConfig) []string {
	var told []string
	v.Env = maps.Clone(v.Env)
	for _, s := range []struct {
		given *bool
		sender
	}{{delta.AppInsightsEnabled, appInsights()}, {delta.DataCollection.StorageEnabled, modelData()}} {
		if s.given == nil {
			continue
		}
		delete(v.Env, s.enabled())
		told = append(told, v.turnOn(*s.given, s.sender)...)
	}
	return told
}

// take returns v with what differs between before and after as it is in after.
// Whatever v says in words of its own stays so.
func (v Version) take(before, after Version) Version {
	r, b, a := &v.Resources, before.Resources, after.Resources
	replace(&r.CPU, b.CPU, a.CPU)
	replace(&r.CPULimit, b.CPULimit, a.CPULimit)
	replace(&r.Memory, b.Memory, a.Memory)
	replace(&r.MemoryLimit, b.MemoryLimit, a.MemoryLimit)
	if before.Accelerator != after.Accelerator {
		kind := v.Accelerator.Type
		v.Accelerator = after.Accelerator
		if kind != "" && after.Accelerator.Type != "" {
			v.Accelerator.Type = kind
		}
	}
	if !before.Scaling.same(after.Scaling) {
		v.Scaling = after.Scaling
	}
	replace(&v.Limits.MaxConcurrentRequests, before.Limits.MaxConcurrentRequests, after.Limits.MaxConcurrentRequests)
	replace(&v.Limits.MaxQueueWait, before.Limits.MaxQueueWait, after.Limits.MaxQueueWait)
	replace(&v.Limits.ScoringTimeout, before.Limits.ScoringTimeout, after.Limits.ScoringTimeout)
	replace(&v.Probes.StartupTimeout, before.Probes.StartupTimeout, after.Probes.StartupTimeout)
	v.Probes.Liveness.take(before.Probes.Liveness, after.Probes.Liveness)
	return v
}

func (l *Liveness) take(before, after Liveness) {
	replace(&l.InitialDelaySeconds, before.InitialDelaySeconds, after.InitialDelaySeconds)
	replace(&l.PeriodSeconds, before.PeriodSeconds, after.PeriodSeconds)
	replace(&l.TimeoutSeconds, before.TimeoutSeconds, after.TimeoutSeconds)
	replace(&l.FailureThreshold, before.FailureThreshold, after.FailureThreshold)
}

func replace[T comparable](field *T, before, after T) {
	if before != after {
		*field = after
	}
}

func (s Scaling) same(o Scaling) bool {
	if s.Autoscale == nil || o.Autoscale == nil {
		return s == o
	}
	return s.Replicas == o.Replicas && *s.Autoscale == *o.Autoscale
}
