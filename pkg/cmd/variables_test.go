// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"regexp"
	"strings"
	"testing"
)

// What an environment says of its variables holds, and what it cannot set is
// told.
func TestAnEnvironmentsVariablesReachTheContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("inference.json", `{"entryScript": "score.py", "environment": {"name": "e", "environmentVariables": {
		"LEVEL": 3, "DEEP": true, "WORKER_COUNT": 2, "SCORING_TIMEOUT_MS": 1, "AML_APP_INSIGHTS_KEY": "k"}}}`)
	w.write("deployment.json", `{"computeType": "AKS", "numReplicas": 1, "appInsightsEnabled": true,
		"dataCollection": {"storageEnabled": true}}`)
	r := w.run("deploy", "diabetes", "--version-name", "blue", "--wait=false",
		"--inference-config", "inference.json", "--deploy-config", "deployment.json")
	for _, want := range []string{
		"warning: environmentVariables.SCORING_TIMEOUT_MS is left out: write scoringTimeoutMs in the deployment config\n",
		"warning: dataCollection.storageEnabled sends nothing:",
	} {
		if r.code != 0 || strings.Count(r.err, want) != 1 {
			t.Errorf("exit code %d, %q is not once in\n%s", r.code, want, r.err)
		}
	}
	rendered := w.run("render", "diabetes").out
	for name, value := range map[string]string{"LEVEL": "3", "DEEP": "true", "WORKER_COUNT": "2",
		"SCORING_TIMEOUT_MS": "60000", "AML_APP_INSIGHTS_ENABLED": "true", "WORKSPACE_NAME": "models"} {
		if !regexp.MustCompile(`name: "?` + name + `"?,?\s+value: "` + value + `"`).MatchString(rendered) {
			t.Errorf("no variable %s with %s in\n%s", name, value, rendered)
		}
	}
}
