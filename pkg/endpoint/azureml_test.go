// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func TestResourcesOfAService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cpu, memory float64
		want        endpoint.Resources
	}{
		"fractions":                   {0.1, 0.5, endpoint.Resources{CPU: "100m", Memory: "512Mi"}},
		"rounded":                     {1.2345, 0.7, endpoint.Resources{CPU: "1235m", Memory: "717Mi"}},
		"the least":                   {0.00001, 1e-300, endpoint.Resources{CPU: "1m", Memory: "1Mi"}},
		"more than there is":          {1e300, 1e17, endpoint.Resources{CPU: "9007199254740992m", Memory: "9007199254740992Mi"}},
		"none, which stays unlimited": {0, 0, endpoint.Resources{}},
	} {
		v, _, err := endpoint.FromService(amlv1.Service{CPU: c.cpu, MemoryInGB: c.memory})
		if err != nil || v.Resources != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, v.Resources, err, c.want)
		}
	}
}
