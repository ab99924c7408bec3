// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import "testing"

func TestARoutersAnswerTellsWhetherAKeyIsGood(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ in, fails bool }{
		404: {in: true}, 401: {}, 200: {fails: true}, 500: {fails: true}, 503: {fails: true},
	} {
		if in, err := admitted("router-a", status); in != want.in || (err != nil) != want.fails {
			t.Errorf("%d: %v, %v", status, in, err)
		}
	}
}
