// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package engine

import (
	"strings"
	"testing"
)

func TestMaySetLimits(t *testing.T) {
	for name, test := range map[string]struct {
		status string
		want   bool
		fails  bool
	}{
		"all_capabilities": {"Name:\tsh\nCapPrm:\t0000000000000000\nCapBnd:\t000001ffffffffff\n", true, false},
		"without_limits":   {"CapEff:\t000001ffffffffff\nCapBnd:\t000001fffeffffff\n", false, false},
		"no_such_line":     {"Name:\tsh\n", false, true},
		"not_a_number":     {"CapBnd:\tall\n", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := maySetLimits(strings.NewReader(test.status))
			if got != test.want || (err != nil) != test.fails {
				t.Fatalf("maySetLimits = %v, %v; want %v, an error: %v", got, err, test.want, test.fails)
			}
		})
	}
}
