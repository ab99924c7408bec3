// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"fmt"
	"strings"
	"testing"

	helmrelease "helm.sh/helm/v3/pkg/release"
)

func TestDetermine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		history string // statuses, oldest first
		state   state
		next    step
		inForce int // 0: none
		since   int // first revision that may have objects
	}{
		"nothing":                             {"", stateAbsent, stepInstall, 0, 0},
		"first_is_deployed":                   {"deployed", stateDeployed, stepUpgrade, 1, 1},
		"later_is_deployed":                   {"superseded deployed", stateDeployed, stepUpgrade, 2, 2},
		"first_failed":                        {"failed", stateFailed, stepUpgrade, 0, 1},
		"later_failed":                        {"superseded deployed failed", stateFailed, stepUpgrade, 2, 2},
		"failed_twice":                        {"deployed failed failed", stateFailed, stepUpgrade, 1, 1},
		"failed_then_rolled_back":             {"superseded failed deployed", stateDeployed, stepUpgrade, 3, 3},
		"install_was_interrupted":             {"pending-install", statePending, stepMark, 0, 1},
		"upgrade_was_interrupted":             {"deployed pending-upgrade", statePending, stepMark, 1, 1},
		"upgrade_of_a_failure_interrupted":    {"failed pending-upgrade", statePending, stepMark, 0, 1},
		"rollback_was_interrupted":            {"deployed failed pending-rollback", statePending, stepMark, 1, 1},
		"upgrade_was_done_but_not_recorded":   {"superseded pending-upgrade", stateUnrecorded, stepRecord, 1, 1},
		"rollback_was_done_but_not_recorded":  {"superseded failed pending-rollback", stateUnrecorded, stepRecord, 1, 1},
		"rollback_failed":                     {"deployed superseded failed", stateFailed, stepUpgrade, 1, 1},
		"only_superseded":                     {"superseded superseded", stateSuperseded, stepUpgrade, 2, 2},
		"failed_after_only_superseded":        {"superseded failed", stateFailed, stepUpgrade, 1, 1},
		"uninstall_was_interrupted":           {"superseded uninstalling", stateUninstalling, stepPurge, 0, 1},
		"uninstall_after_failure_interrupted": {"deployed uninstalling", stateUninstalling, stepPurge, 0, 1},
		"uninstalled_with_history_kept":       {"superseded uninstalled", stateUninstalled, stepReinstall, 0, 1},
		"two_deployed_by_a_race":              {"deployed deployed", stateDeployed, stepUpgrade, 2, 2},
		"unknown_status":                      {"deployed unknown", statePending, stepMark, 1, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var history []*helmrelease.Release
			for i, status := range strings.Fields(tt.history) {
				// Newest first: the order must not matter.
				history = append([]*helmrelease.Release{{Version: i + 1,
					Info: &helmrelease.Info{Status: helmrelease.Status(status)}}}, history...)
			}
			got := determine(history)
			inForce, since := 0, 0
			if got.inForce != nil {
				inForce = got.inForce.Version
			}
			if len(got.since) > 0 {
				since = got.since[0].Version
			}
			if got.state != tt.state || got.next != tt.next || inForce != tt.inForce || since != tt.since {
				t.Errorf("got %s, %s, in force %d, since %d; want %s, %s, %d, %d", got.state, got.next,
					inForce, since, tt.state, tt.next, tt.inForce, tt.since)
			}
			if len(history) > 0 && got.reason != fmt.Sprintf("revision %d is %s", len(history), history[0].Info.Status) {
				t.Errorf("reason is %q", got.reason)
			}
		})
	}
}
