// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// load is a Deployment that was once ready as a whole.
func load(name string, v status.Verdict) status.Workload {
	return status.Workload{Deployment: name, Desired: 2, UpdatedReplicas: 2, Available: 1, Verdict: v, RolledOut: true,
		Created: noon().Add(-time.Hour), Updated: noon().Add(123456 * time.Microsecond)}
}

func diabetes() printer.Served {
	ok := status.Verdict{State: status.Ready}
	return printer.Served{
		Namespace: "models", Created: noon().Add(-48 * time.Hour), Updated: noon(), Address: "http://10.0.0.4:30080",
		Endpoint: endpoint.Endpoint{
			Name: "diabetes", Default: "main", Auth: endpoint.Auth{Mode: endpoint.AuthKey},
			About: endpoint.About{Description: "of the blue team", Tags: map[string]string{"team": "blue"}},
			Versions: map[string]endpoint.Version{"main": {
				About:  endpoint.About{Properties: map[string]string{"run": "12"}},
				Models: []string{"diabetes:3"}, Image: "registry.example/diabetes@sha256:12ab", Env: map[string]string{"MODE": "fast"},
				Resources: endpoint.Resources{CPU: "100m", CPULimit: "1", Memory: "102Mi"},
				Scaling:   endpoint.Scaling{Replicas: 2},
				Limits: endpoint.Limits{MaxConcurrentRequests: 1, MaxQueueWait: 500 * time.Millisecond,
					ScoringTimeout: time.Minute},
				Probes: endpoint.Probes{Liveness: endpoint.Liveness{InitialDelaySeconds: 310, PeriodSeconds: 10,
					TimeoutSeconds: 2, SuccessThreshold: 1, FailureThreshold: 3}},
			}},
		},
		Tree: status.Tree{Verdict: ok, Router: load("diabetes-router", ok),
			Versions: []status.Version{{Name: "main", Default: true, Workload: load("diabetes-main", ok)}}},
	}
}

// split is diabetes with a second version that has failed.
func split() printer.Served {
	s := diabetes()
	s.Control = "main"
	crash := status.Verdict{State: status.Failed, Reason: "CrashLoopBackOff", Message: "container scoring exited with code 3"}
	s.Versions["green"] = endpoint.Version{Traffic: 20, Image: "registry.example/green:1",
		Scaling:     endpoint.Scaling{Autoscale: &endpoint.Autoscale{MinReplicas: 1, MaxReplicas: 10, TargetUtilization: 70}},
		Accelerator: endpoint.Accelerator{Type: "nvidia", Count: 2}}
	s.Tree.Versions = append(s.Tree.Versions, status.Version{Name: "green", Workload: load("diabetes-green", crash)})
	s.Tree.Verdict = crash
	s.Tree.Verdict.Message = "version green: " + crash.Message
	return s
}

func TestServicesInEveryFormAndFormat(t *testing.T) {
	t.Parallel()
	for file, answer := range map[string]any{
		"service-short":  printer.ServiceOf(diabetes()).Brief(),
		"service-long":   printer.ServiceOf(diabetes()),
		"realtime-short": printer.RealtimeOf(split()).Brief(),
		"realtime-long":  printer.RealtimeOf(split()),
		"list":           []any{printer.ServiceOf(diabetes()).Brief(), printer.ServiceOf(split()).Brief()},
	} {
		var text strings.Builder
		for _, format := range strings.Split(printer.AzureFormats, ", ") {
			text.WriteString("--- " + format + "\n" + printed(t, printer.AzureFormat(format), "", answer))
		}
		golden.Assert(t, "testdata/"+file+".txt", text.String())
	}
}

func TestTheStateOfAServiceIsAWordOfAzureML(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verdict   status.Verdict
		rolledOut bool
		state     string
		code      string
	}{
		"ready":                {status.Verdict{State: status.Ready}, true, "Healthy", ""},
		"on its way":           {status.Verdict{State: status.Progressing, Reason: "Pulling"}, false, "Transitioning", ""},
		"not ready any more":   {status.Verdict{State: status.Progressing, Reason: "NotReady"}, true, "Unhealthy", ""},
		"without a node yet":   {status.Verdict{State: status.Progressing, Reason: "Unschedulable"}, false, "Transitioning", ""},
		"without a node":       {status.Verdict{State: status.Failed, Reason: "Unschedulable"}, false, "Unschedulable", "KubernetesError"},
		"crashing":             {status.Verdict{State: status.Failed, Reason: "CrashLoopBackOff"}, false, "Failed", "KubernetesDeploymentFailed"},
		"an image not there":   {status.Verdict{State: status.Failed, Reason: "ImagePullBackOff"}, true, "Failed", "KubernetesDeploymentFailed"},
		"without a deployment": {status.Verdict{State: status.Failed, Reason: "Missing"}, false, "Failed", "KubernetesDeploymentFailed"},
	} {
		s := diabetes()
		s.Tree.Verdict = c.verdict
		s.Tree.Versions[0].Verdict, s.Tree.Versions[0].RolledOut = c.verdict, c.rolledOut
		told := printer.ServiceOf(s)
		if told.State != c.state || (told.Error == nil) != (c.code == "") {
			t.Errorf("%s: %s, %+v, want %s", name, told.State, told.Error, c.state)
		}
		if told.Error != nil && (told.Error.Code != c.code || told.Error.Details[0].Code != c.verdict.Reason) {
			t.Errorf("%s: error %+v", name, told.Error)
		}
	}
}

func TestWhatIsMissingWhileARevisionIsMadeIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := diabetes()
	s.Tree.Verdict = status.Verdict{State: status.Failed, Reason: status.ReasonMissing}
	for pending, want := range map[bool]string{true: "Transitioning", false: "Failed"} {
		s.Pending = pending
		if told := printer.RealtimeOf(s); told.State != want || (told.Error != nil) == pending {
			t.Errorf("pending %v: %s, %+v", pending, told.State, told.Error)
		}
	}
}

func TestTheComputeTypeComesFromTheVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		versions []string
		want     string
	}{
		"one called main":              {[]string{"main"}, "AKS"},
		"one called like the endpoint": {[]string{"diabetes"}, "AKS"},
		"one with another name":        {[]string{"blue"}, "AKSENDPOINT"},
		"two":                          {[]string{"main", "blue"}, "AKSENDPOINT"},
	} {
		s := printer.Served{Endpoint: endpoint.Endpoint{Name: "diabetes", Default: c.versions[0],
			Versions: map[string]endpoint.Version{}}}
		for _, version := range c.versions {
			s.Versions[version] = endpoint.Version{}
		}
		if got := s.ComputeType(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWhatIsNotKnownIsNull(t *testing.T) {
	t.Parallel()
	s := diabetes()
	s.Address, s.Created, s.Updated, s.Tree = "", time.Time{}, time.Time{}, status.Tree{}
	told := printer.ServiceOf(s)
	if told.ScoringURI != nil || told.CreatedTime != nil || told.UpdatedTime != nil || told.VersionType != nil {
		t.Errorf("got %+v", told)
	}
	if version := printer.RealtimeOf(s).Versions["main"]; version.CreatedTime != nil || version.ScoringURI != nil {
		t.Errorf("got %+v", version)
	}
}
