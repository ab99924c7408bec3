// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// A pod that is told to end has the time for all that it still has to do.
func TestPodsHaveTheTimeToEndWell(t *testing.T) {
	tests := map[string]struct {
		version            string
		preStop, scoring   int64 // of the replica, in seconds
		routerWaitsAtLeast int64
	}{
		"as Azure ML does it":        {"{}", 36, 60, 62},
		"a long queue":               {"{maxQueueWaitMs: 30000, scoringTimeoutMs: 5000}", 65, 5, 36},
		"a fraction is a second":     {"{maxQueueWaitMs: 1, scoringTimeoutMs: 1}", 36, 1, 2},
		"scoring takes five minutes": {"{scoringTimeoutMs: 300000}", 36, 300, 302},
		"scoring takes an hour":      {"{scoringTimeoutMs: 3600000}", 36, 3600, 3602},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			values := map[string]any{}
			unmarshal(t, "{defaultVersion: blue, versions: {blue: "+tt.version+"}}", &values)
			values["versions"].(map[string]any)["blue"].(map[string]any)["image"] = "i"
			manifest, err := chart.Render(values, chart.RenderOptions{Name: "sentiment", Namespace: "ml"})
			if err != nil {
				t.Fatal(err)
			}
			pods := podsOf(t, manifest)
			scoring := pods["sentiment-blue"].Spec
			container := scoring.Containers[0]
			if got := container.Lifecycle.PreStop.Sleep.Seconds; got != tt.preStop {
				t.Errorf("preStop takes %d s, want %d", got, tt.preStop)
			}
			if got := *scoring.TerminationGracePeriodSeconds; got != tt.preStop+tt.scoring+10 {
				t.Errorf("a replica is given %d s, want %d for preStop, %d for scoring and 10", got, tt.preStop, tt.scoring)
			}
			if want := fmt.Sprintf("--graceful-timeout=%d", tt.scoring); !slices.Contains(container.Command, want) {
				t.Errorf("the scoring server is not told %s: %v", want, container.Command)
			}
			router := *pods["sentiment-router"].Spec.TerminationGracePeriodSeconds
			if router < 12+tt.routerWaitsAtLeast+10 {
				t.Errorf("a router is given %d s, too little for 12 s, a request of %d s and 10", router, tt.routerWaitsAtLeast)
			}
		})
	}
}

// What nothing sends to any more, and what nothing replaces yet, must not be
// taken away by an update.
func TestNothingIsTakenAwayBeforeItIsReplaced(t *testing.T) {
	for _, name := range cases(t) {
		manifest := renderCase(t, name)
		for _, object := range manifest.Objects {
			if strings.Contains(object.Content, "\nkind: Deployment\n") &&
				!strings.Contains(object.Content, "maxUnavailable: 0\n") {
				t.Errorf("%s: a Deployment in %s lets replicas be unavailable", name, object.Template)
			}
		}
		for pod, template := range podsOf(t, manifest) {
			if template.Labels["app.kubernetes.io/component"] == "test" {
				continue
			}
			if !slices.ContainsFunc(template.Spec.Containers, endsWell) {
				t.Errorf("%s: no container of %s has a preStop hook", name, pod)
			}
		}
	}
}

func endsWell(c corev1.Container) bool { return c.Lifecycle != nil && c.Lifecycle.PreStop != nil }
