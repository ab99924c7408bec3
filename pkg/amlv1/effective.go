// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"slices"
	"time"
)

// Service is what a DeploymentConfig means once the defaults of the Azure ML
// service are put in for what it leaves out.
type Service struct {
	ComputeType ComputeType
	// Namespace and VersionName are empty when nothing was given.
	Namespace   string
	VersionName string
	// TrafficPercentile is 0 to 100. TrafficGiven tells 0 from nothing.
	TrafficPercentile float64
	TrafficGiven      bool

	// Autoscale is nil when Replicas is a fixed number.
	Autoscale *Autoscale
	Replicas  int

	// CPU is in cores, memory in GB. A limit of 0 is none.
	CPU, CPULimit               float64
	MemoryInGB, MemoryInGBLimit float64
	GPUs                        int

	// KeyAuth and TokenAuth are never both on. Both off lets everybody in.
	KeyAuth, TokenAuth bool
	// PrimaryKey and SecondaryKey are empty when they are to be generated.
	Keys Keys

	CollectData bool
	AppInsights bool

	ScoringTimeout        time.Duration
	MaxQueueWait          time.Duration
	MaxConcurrentRequests int
	Liveness              Liveness

	// Port on this machine, for LOCAL; 0 is any that is free.
	Port int
}

// Autoscale is the range that replicas move in.
type Autoscale struct {
	MinReplicas, MaxReplicas int
	RefreshPeriod            time.Duration
	// TargetUtilization is in percent and may be over 100.
	TargetUtilization int
}

// Liveness is the liveness probe. SuccessThreshold is not in it: Kubernetes
// allows only 1.
type Liveness struct {
	InitialDelay, Period, Timeout time.Duration
	FailureThreshold              int
}

// Effective puts the defaults of the Azure ML service in for everything that
// is absent. It expects a config without errors. Four defaults depend on other
// fields:
//   - without numReplicas and autoscaleEnabled, autoscaling is on;
//   - token auth that is on turns key auth off, unless that is given;
//   - a minReplicas above the default maxReplicas raises that one;
//   - a limit below the default request lowers that one, since Kubernetes
//     refuses a request above its limit.
//
// ACI and LOCAL are one replica. ACI has no auth unless the file says so, LOCAL
// has none at all. What they have no field for is as it is for AKS.
func (c DeploymentConfig) Effective() Service {
	keyAuth := c.AuthEnabled
	if !truth(c.AutoScaler.AutoscaleEnabled) {
		// What may be there is 0, which asks for nothing.
		c.AutoScaler = AutoScaler{AutoscaleEnabled: c.AutoScaler.AutoscaleEnabled}
	}
	if c.ComputeType == Local {
		keyAuth = new(bool)
	}
	fill(rulesFor(c.ComputeType), &c)
	fill(slices.Concat(deploymentRules(), localRules()), &c)
	r, l := c.ContainerResourceRequirements, c.LivenessProbeRequirements
	s := Service{
		ComputeType: c.ComputeType, Namespace: c.Namespace, VersionName: c.VersionName,
		TrafficPercentile: valueOr(c.TrafficPercentile, 0), TrafficGiven: c.TrafficPercentile != nil,
		CPULimit: valueOr(r.CPULimit, 0), MemoryInGBLimit: valueOr(r.MemoryInGBLimit, 0),
		GPUs:        *c.GPUCores,
		TokenAuth:   *c.TokenAuthEnabled,
		KeyAuth:     valueOr(keyAuth, !*c.TokenAuthEnabled && *c.AuthEnabled),
		Keys:        c.Keys,
		CollectData: *c.DataCollection.StorageEnabled, AppInsights: *c.AppInsightsEnabled,
		ScoringTimeout:        milliseconds(*c.ScoringTimeoutMs),
		MaxQueueWait:          milliseconds(*c.MaxQueueWaitMs),
		MaxConcurrentRequests: *c.MaxConcurrentRequestsPerContainer,
		Liveness: Liveness{InitialDelay: seconds(*l.InitialDelaySeconds), Period: seconds(*l.PeriodSeconds),
			Timeout: seconds(*l.TimeoutSeconds), FailureThreshold: *l.FailureThreshold},
		Port: *c.Port,
	}
	s.CPU = atMost(*r.CPU, s.CPULimit)
	s.MemoryInGB = atMost(*r.MemoryInGB, s.MemoryInGBLimit)
	s.Autoscale, s.Replicas = c.scaling()
	return s
}

func (c DeploymentConfig) scaling() (*Autoscale, int) {
	a := c.AutoScaler
	if c.ComputeType == ACI || c.ComputeType == Local {
		return nil, 1
	}
	if !valueOr(a.AutoscaleEnabled, c.NumReplicas == nil) {
		return nil, valueOr(c.NumReplicas, 1)
	}
	return &Autoscale{
		MinReplicas: *a.MinReplicas, MaxReplicas: max(*a.MinReplicas, *a.MaxReplicas),
		RefreshPeriod: seconds(*a.RefreshPeriodInSeconds), TargetUtilization: *a.TargetUtilization,
	}, 0
}

// fill puts the fallback of each rule into the fields that are nil.
func fill[T any](rules []rule[T], target *T) {
	for i := range rules {
		if rules[i].fallback == nil {
			continue
		}
		switch field := rules[i].into(target).(type) {
		case **bool:
			fallBack(field, rules[i].fallback)
		case **int:
			fallBack(field, rules[i].fallback)
		case **float64:
			fallBack(field, rules[i].fallback)
		}
	}
}

func fallBack[V any](field **V, fallback any) {
	if v, ok := fallback.(V); ok && *field == nil {
		*field = &v
	}
}

func valueOr[V any](p *V, otherwise V) V {
	if p == nil {
		return otherwise
	}
	return *p
}

func atMost(value, limit float64) float64 {
	if limit > 0 {
		return min(value, limit)
	}
	return value
}

func seconds(n int) time.Duration      { return time.Duration(n) * time.Second }
func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }
