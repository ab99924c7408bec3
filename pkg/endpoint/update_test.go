// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// maybe gives a value, or none in one case of three.
func maybe[T any](r *rand.Rand, value T) *T {
	if r.IntN(3) == 0 {
		return nil
	}
	return &value
}

func randomConfig(r *rand.Rand) amlv1.DeploymentConfig {
	on, key := true, r.IntN(2) == 0
	count := func() *int { return maybe(r, 1+r.IntN(400)) }
	c := amlv1.DeploymentConfig{
		ComputeType: amlv1.AKSEndpoint, AuthEnabled: &key, GPUCores: maybe(r, r.IntN(4)),
		ContainerResourceRequirements: amlv1.ContainerResourceRequirements{
			CPU: maybe(r, 0.001+r.Float64()*8), CPULimit: maybe(r, 8+r.Float64()*8),
			MemoryInGB: maybe(r, 0.001+r.Float64()*64), MemoryInGBLimit: maybe(r, 64+r.Float64()*64),
		},
		ScoringTimeoutMs: count(), MaxQueueWaitMs: count(), MaxConcurrentRequestsPerContainer: count(),
		LivenessProbeRequirements: amlv1.LivenessProbeRequirements{
			PeriodSeconds: count(), InitialDelaySeconds: maybe(r, 1+r.IntN(2000)), TimeoutSeconds: count(),
			FailureThreshold: count(),
		},
	}
	if r.IntN(2) == 0 {
		c.NumReplicas = count()
		return c
	}
	c.AutoScaler = amlv1.AutoScaler{AutoscaleEnabled: &on, MinReplicas: maybe(r, 1+r.IntN(5)),
		MaxReplicas: maybe(r, 5+r.IntN(5)), TargetUtilization: count()}
	return c
}

// What FromService makes of a config, ToDeploymentConfig says in a config again.
func TestAVersionIsWhatItsConfigSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		config := randomConfig(rand.New(rand.NewPCG(seed, 0)))
		version, auth, err := endpoint.FromService(config.Effective())
		if err != nil {
			t.Fatal(err)
		}
		back := endpoint.ToDeploymentConfig(version, auth)
		if findings := back.Validate(); len(findings) > 0 {
			t.Fatalf("seed %d: %v", seed, findings)
		}
		again, authAgain, err := endpoint.FromService(back.Effective())
		if err != nil || authAgain != auth || !reflect.DeepEqual(again, version) {
			t.Fatalf("seed %d: %v\ngot  %+v\nwant %+v", seed, err, again, version)
		}
		same, _, findings, err := version.Update(auth, amlv1.DeploymentConfig{})
		if err != nil || len(findings) > 0 || !reflect.DeepEqual(same, version) {
			t.Fatalf("seed %d: an empty update changes\n%+v to\n%+v", seed, version, same)
		}
	}
}

// running says in words of its own what a config cannot say.
func running() endpoint.Version {
	return endpoint.Version{
		Image: "i@sha256:0", Models: []string{"m:1"}, Traffic: 20, Env: map[string]string{"A": "b"},
		Resources:   endpoint.Resources{CPU: "1", CPULimit: "2", Memory: "1Gi"},
		Accelerator: endpoint.Accelerator{Type: "amd", Count: 1},
		Scaling:     endpoint.Scaling{Replicas: 3},
		Limits:      endpoint.Limits{MaxConcurrentRequests: 1, MaxQueueWait: time.Second, ScoringTimeout: time.Minute},
		Probes: endpoint.Probes{StartupTimeout: 3 * time.Minute, Liveness: endpoint.Liveness{
			PeriodSeconds: 10, TimeoutSeconds: 2, SuccessThreshold: 1, FailureThreshold: 3}},
	}
}

func TestAnUpdateChangesWhatIsGivenAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given map[string]string
		want  func(*endpoint.Version)
	}{
		"nothing":  {nil, func(*endpoint.Version) {}},
		"replicas": {map[string]string{"numReplicas": "5"}, func(v *endpoint.Version) { v.Scaling.Replicas = 5 }},
		"autoscaling": {map[string]string{"autoScaler.autoscaleEnabled": "true", "autoScaler.maxReplicas": "4"},
			func(v *endpoint.Version) {
				v.Scaling = endpoint.Scaling{Replicas: 1, Autoscale: &endpoint.Autoscale{
					MinReplicas: 1, MaxReplicas: 4, TargetUtilization: 70}}
			}},
		"request and limit in one go": {
			map[string]string{"containerResourceRequirements.cpu": "3", "containerResourceRequirements.cpuLimit": "4"},
			func(v *endpoint.Version) { v.Resources.CPU, v.Resources.CPULimit = "3000m", "4000m" }},
		"devices of the same kind": {map[string]string{"gpuCores": "2"},
			func(v *endpoint.Version) { v.Accelerator.Count = 2 }},
		"no devices": {map[string]string{"gpuCores": "0"},
			func(v *endpoint.Version) { v.Accelerator = endpoint.Accelerator{} }},
		"a probe": {map[string]string{"livenessProbeRequirements.timeoutSeconds": "9"},
			func(v *endpoint.Version) { v.Probes.Liveness.TimeoutSeconds = 9 }},
		"a limit": {map[string]string{"scoringTimeoutMs": "5000"},
			func(v *endpoint.Version) { v.Limits.ScoringTimeout = 5 * time.Second }},
	} {
		delta, _ := amlv1.NewDeploymentConfig(amlv1.AKSEndpoint)
		for path, text := range c.given {
			if err := delta.Set(path, text).Err(); err != nil {
				t.Fatal(err)
			}
		}
		got, _, findings, err := running().Update(endpoint.Auth{Mode: endpoint.AuthKey}, delta)
		want := running()
		c.want(&want)
		if err != nil || findings.Err() != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v %v\ngot  %+v\nwant %+v", name, err, findings, got, want)
		}
	}
}

func TestAnUpdateOfAVersionThatRests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given map[string]string
		want  endpoint.Scaling
	}{
		"rests on": {map[string]string{"scoringTimeoutMs": "5000"}, endpoint.Scaling{}},
		"wakes up": {map[string]string{"numReplicas": "1"}, endpoint.Scaling{Replicas: 1}},
		"with load": {map[string]string{"autoScaler.autoscaleEnabled": "true"}, endpoint.Scaling{Replicas: 1,
			Autoscale: &endpoint.Autoscale{MinReplicas: 1, MaxReplicas: 10, TargetUtilization: 70}}},
	} {
		delta, _ := amlv1.NewDeploymentConfig(amlv1.AKSEndpoint)
		for path, text := range c.given {
			if err := delta.Set(path, text).Err(); err != nil {
				t.Fatal(err)
			}
		}
		v := running()
		v.Scaling = endpoint.Scaling{}
		got, _, findings, err := v.Update(endpoint.Auth{Mode: endpoint.AuthKey}, delta)
		if err != nil || findings.Err() != nil || !reflect.DeepEqual(got.Scaling, c.want) {
			t.Errorf("%s: %v %v: got %+v, want %+v", name, err, findings, got.Scaling, c.want)
		}
	}
}

func TestAnUpdateIsHeldAgainstWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, text, want string }{
		"limit below the request": {"containerResourceRequirements.cpuLimit", "0.5",
			"--cpu-cores-limit: must not be less than cpu, but 0.5 is less than 1: write 1 or more"},
		"request above the limit": {"containerResourceRequirements.cpu", "2.5",
			"containerResourceRequirements.cpuLimit: must not be less than cpu, but 2 is less than 2.5: write 2.5 or more"},
		"a range without autoscaling": {"autoScaler.minReplicas", "2", "--autoscale-min-replicas: has no meaning without " +
			"autoscaling: set autoScaler.autoscaleEnabled to true, or remove it"},
		"token auth beside keys": {"tokenAuthEnabled", "true", "--token-auth-enabled: cannot be on together with " +
			"authEnabled: set one of the two to false"},
	} {
		delta, _ := amlv1.NewDeploymentConfig(amlv1.AKSEndpoint)
		if err := delta.Set(c.path, c.text).Err(); err != nil {
			t.Fatal(err)
		}
		_, _, findings, err := running().Update(endpoint.Auth{Mode: endpoint.AuthKey}, delta)
		if err != nil || findings.Err() == nil || findings.Err().Error() != c.want {
			t.Errorf("%s: %v\ngot  %v\nwant %s", name, err, findings.Err(), c.want)
		}
	}
}

func TestAnUpdateOpensAndClosesAnEndpoint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]endpoint.AuthMode{"false": endpoint.AuthNone, "true": endpoint.AuthKey} {
		delta, _ := amlv1.NewDeploymentConfig(amlv1.AKS)
		if err := delta.Set("authEnabled", text).Err(); err != nil {
			t.Fatal(err)
		}
		for _, now := range []endpoint.AuthMode{endpoint.AuthNone, endpoint.AuthKey} {
			_, auth, _, err := running().Update(endpoint.Auth{Mode: now, ExistingSecret: "s"}, delta)
			if err != nil || auth.Mode != want || now == want && auth.ExistingSecret != "s" {
				t.Errorf("authEnabled %s on %s: %+v, %v", text, now, auth, err)
			}
		}
	}
}
