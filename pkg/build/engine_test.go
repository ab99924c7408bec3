// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"strings"
	"testing"
)

// The address is named once, also where it is given and in the environment too.
func TestAnEngineBySSHIsNamedOnce(t *testing.T) {
	t.Setenv("DOCKER_HOST", "ssh://me@there")
	for _, host := range []string{"", "ssh://me@there"} {
		_, err := Engine(t.Context(), host)
		if err == nil || !strings.HasPrefix(err.Error(), "Docker cannot build: ssh://me@there is an address by SSH: ") {
			t.Errorf("with %q: %v", host, err)
		}
	}
}
