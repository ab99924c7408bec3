// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// Two endpoints are deployed at once, so that neither has the cluster for itself.
func TestTheFirstCallsAfterADeploymentAreAnsweredByTheNewCode(t *testing.T) {
	t.Parallel()
	for name, purpose := range map[string]string{"one router": "DevTest", "two routers": "FastProd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.echo("main", "model-0", "--service-type", "NodePort", "--purpose", purpose)
			uri, key := s.tsv("scoringUri", "service", "show", "-n", "echo"), s.key("echo")
			for i := range 5 {
				model := fmt.Sprintf("model-%d", i+1)
				r := s.echo("main", model)
				for call := range 4 {
					status, body := s.post(uri, key, "{}")
					if want := fmt.Sprintf(`{"model": %q}`, model); status != http.StatusOK || body != want {
						t.Errorf("call %d after deployment %d: got %d %s, want %s\n%s", call+1, i+1, status, body, want, r.err)
					}
				}
			}
		})
	}
}
