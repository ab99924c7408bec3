// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func TestWithVariables(t *testing.T) {
	t.Parallel()
	key := "00000000-0000-0000-0000-000000000000"
	for name, c := range map[string]struct {
		given   map[string]string
		service amlv1.Service
		want    map[string]string
		workers int
		told    []string
		err     string
	}{
		"none":                    {workers: 1},
		"they are passed on":      {given: map[string]string{"A": "1", "AML_CORS_ORIGINS": "*"}, want: map[string]string{"A": "1", "AML_CORS_ORIGINS": "*"}, workers: 1},
		"the workers are a value": {given: map[string]string{"WORKER_COUNT": "3"}, workers: 3},
		"no workers": {given: map[string]string{"WORKER_COUNT": "0"},
			err: `environmentVariables.WORKER_COUNT is "0": write a whole number from 1`},
		"workers in words": {given: map[string]string{"WORKER_COUNT": "two"},
			err: `environmentVariables.WORKER_COUNT is "two": write a whole number from 1`},
		"the container's own are left out": {
			given: map[string]string{"HOME": "/root", "AZUREML_MODEL_DIR": "x", "B": "2"}, want: map[string]string{"B": "2"}, workers: 1,
			told: []string{"environmentVariables.AZUREML_MODEL_DIR is left out: it is the folder of the models",
				"environmentVariables.HOME is left out: it is /tmp, the only folder that can be written"}},
		"insights with a key": {given: map[string]string{"AML_APP_INSIGHTS_KEY": key}, service: amlv1.Service{AppInsights: true},
			want: map[string]string{"AML_APP_INSIGHTS_KEY": key, "AML_APP_INSIGHTS_ENABLED": "true"}, workers: 1},
		"a key alone turns nothing on": {given: map[string]string{"AML_APP_INSIGHTS_KEY": key},
			want: map[string]string{"AML_APP_INSIGHTS_KEY": key}, workers: 1},
		"insights without a key": {service: amlv1.Service{AppInsights: true}, workers: 1,
			told: []string{"appInsightsEnabled sends nothing: there is no workspace that knows where to. Write the " +
				"instrumentation key to environmentVariables as AML_APP_INSIGHTS_KEY"}},
		"collection with a storage": {given: map[string]string{"AML_MODEL_DC_STORAGE": "c"}, service: amlv1.Service{CollectData: true},
			want: map[string]string{"AML_MODEL_DC_STORAGE": "c", "AML_MODEL_DC_STORAGE_ENABLED": "true"}, workers: 1},
		"collection without a storage": {service: amlv1.Service{CollectData: true}, workers: 1,
			told: []string{"dataCollection.storageEnabled sends nothing: there is no workspace that knows where to. Write the " +
				"connection string of a storage account to environmentVariables as AML_MODEL_DC_STORAGE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(c.given)
			got, told, err := endpoint.Version{Workers: 1}.WithVariables(c.given, c.service)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Fatalf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil || !maps.Equal(got.Env, c.want) || got.Workers != c.workers || !slices.Equal(told, c.told) {
				t.Errorf("variables %v, %d workers, error %v, told\n%s", got.Env, got.Workers, err, strings.Join(told, "\n"))
			}
			if !maps.Equal(before, c.given) {
				t.Errorf("the environment was changed to %v", c.given)
			}
		})
	}
}
