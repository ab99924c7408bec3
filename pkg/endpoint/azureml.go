// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"fmt"
	"math"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// FromService returns the version that an Azure ML v1 service describes, all
// but its image and code, and the auth mode of its endpoint.
//
// Memory in GB is taken as GiB, cores and GiB are rounded to whole millicores
// and MiB, at least 1. gpuCores asks for devices of the type nvidia. The
// liveness probe's initial delay, which in Azure ML had to leave time for
// init(), is also the least time a replica gets to start. It refuses token
// auth, which is not served.
func FromService(s amlv1.Service) (Version, Auth, error) {
	mode := AuthNone
	switch {
	case s.TokenAuth:
		return Version{}, Auth{}, fmt.Errorf("token auth is not served: set tokenAuthEnabled to false, " +
			"callers then use one of the endpoint's two keys")
	case s.KeyAuth:
		mode = AuthKey
	}
	v := Version{
		Workers: 1,
		Resources: Resources{
			CPU: cores(s.CPU), CPULimit: cores(s.CPULimit),
			Memory: gigabytes(s.MemoryInGB), MemoryLimit: gigabytes(s.MemoryInGBLimit),
		},
		Scaling: Scaling{Replicas: max(s.Replicas, 1)},
		Limits: Limits{MaxConcurrentRequests: s.MaxConcurrentRequests, MaxQueueWait: s.MaxQueueWait,
			ScoringTimeout: s.ScoringTimeout},
		Probes: Probes{
			StartupTimeout: max(DefaultStartupTimeout, s.Liveness.InitialDelay),
			Liveness: Liveness{
				InitialDelaySeconds: whole(s.Liveness.InitialDelay), PeriodSeconds: whole(s.Liveness.Period),
				TimeoutSeconds: whole(s.Liveness.Timeout), SuccessThreshold: 1,
				FailureThreshold: s.Liveness.FailureThreshold,
			},
		},
	}
	if a := s.Autoscale; a != nil {
		v.Scaling = Scaling{Replicas: a.MinReplicas, Autoscale: &Autoscale{
			MinReplicas: a.MinReplicas, MaxReplicas: a.MaxReplicas, TargetUtilization: a.TargetUtilization}}
	}
	if s.GPUs > 0 {
		v.Accelerator = Accelerator{Type: "nvidia", Count: s.GPUs}
	}
	return v, Auth{Mode: mode}, nil
}

// DefaultStartupTimeout is how long init() may take when nothing else is said.
const DefaultStartupTimeout = 10 * time.Minute

func cores(n float64) string     { return amount(n*1000, "m") }
func gigabytes(n float64) string { return amount(n*1024, "Mi") }

// amount is empty for 0, which is none.
func amount(n float64, unit string) string {
	if n == 0 {
		return ""
	}
	const most = 1 << 53 // above, whole numbers are not exact, and no machine has as much
	return fmt.Sprintf("%d%s", int64(min(max(1, math.Round(n)), most)), unit)
}

func whole(d time.Duration) int { return int(d / time.Second) }
