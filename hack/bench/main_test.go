// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args  []string
		only  string
		wrong string
	}{
		"everything":          {},
		"some_parts":          {args: []string{"-only", "overload,startup"}, only: "overload startup"},
		"a_part_there_is_not": {args: []string{"-only", "lunch"}, only: "lunch", wrong: "-only: no part \"lunch\", there are startup, packing, memory, show, dataplane, overload, traffic, redeploy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{}
			err := b.parse(test.args)
			if got := strings.Join(b.only, " "); got != test.only {
				t.Errorf("measures %q, want %q", got, test.only)
			}
			if err == nil && test.wrong != "" || err != nil && err.Error() != test.wrong {
				t.Errorf("got error %v, want %q", err, test.wrong)
			}
		})
	}
}
