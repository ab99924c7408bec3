// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// ownVariables are those that every scoring container gets, whatever an
// environment says, with what to write instead.
func ownVariables() map[string]string {
	return map[string]string{
		"AML_APP_ROOT":             "the application is always in /var/azureml-app",
		"AZUREML_ENTRY_SCRIPT":     "it is made of entryScript",
		"AZUREML_SOURCE_DIRECTORY": "it is made of sourceDirectory",
		"AZUREML_MODEL_DIR":        "it is the folder of the models",
		"SCORING_TIMEOUT_MS":       "write scoringTimeoutMs in the deployment config",
		"WORKER_TIMEOUT":           "it covers both init() and scoringTimeoutMs",
		"SERVICE_NAME":             "it is the name of the endpoint",
		"HOME":                     "it is /tmp, the only folder that can be written",
	}
}

// WithVariables returns v with the environmentVariables of an Azure ML v1
// environment, and what there is to tell about them, sorted.
//
// WORKER_COUNT becomes Workers. Variables that the container gets anyway are
// left out and told. s turns Application Insights and data collection on, if
// the variables say where to send to; if not, that is told. It refuses a
// WORKER_COUNT that is no whole number from 1.
func (v Version) WithVariables(variables map[string]string, s amlv1.Service) (Version, []string, error) {
	v.Env = maps.Clone(variables)
	var told []string
	for name, why := range ownVariables() {
		if _, given := v.Env[name]; given {
			delete(v.Env, name)
			told = append(told, fmt.Sprintf("environmentVariables.%s is left out: %s", name, why))
		}
	}
	if count, given := v.Env["WORKER_COUNT"]; given {
		workers, err := strconv.ParseUint(count, 10, 16)
		if err != nil || workers == 0 {
			return Version{}, nil, fmt.Errorf("environmentVariables.WORKER_COUNT is %q: write a whole number from 1", count)
		}
		delete(v.Env, "WORKER_COUNT")
		v.Workers = int(workers)
	}
	told = append(told, v.turnOn(s.AppInsights, appInsights())...)
	told = append(told, v.turnOn(s.CollectData, modelData())...)
	slices.Sort(told)
	return v, told, nil
}

// sender is something that sends what is scored elsewhere.
type sender struct {
	// field is the one that turns it on, what says what the variable with the
	// address holds.
	field, name, address, what string
}

// enabled is the variable that turns it on.
func (s sender) enabled() string { return s.name + "_ENABLED" }

func appInsights() sender {
	return sender{"appInsightsEnabled", "AML_APP_INSIGHTS", "AML_APP_INSIGHTS_KEY", "the instrumentation key"}
}

func modelData() sender {
	return sender{"dataCollection.storageEnabled", "AML_MODEL_DC_STORAGE", "AML_MODEL_DC_STORAGE",
		"the connection string of a storage account"}
}

func (v Version) isOn(s sender) bool { return v.Env[s.enabled()] == "true" }

// turnOn turns s on if the variable with the address is there.
func (v Version) turnOn(on bool, s sender) []string {
	switch {
	case !on:
		return nil
	case v.Env[s.address] == "":
		return []string{fmt.Sprintf("%s sends nothing: there is no workspace that knows where to. Write %s to "+
			"environmentVariables as %s", s.field, s.what, s.address)}
	}
	v.Env[s.enabled()] = "true"
	return nil
}
