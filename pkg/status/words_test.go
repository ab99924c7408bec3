// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import "testing"

func TestLastWordsAreTheExceptionOrTheOnlyLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ left, want string }{
		"nothing":      {"", ""},
		"one line":     {"no disk left\n", "no disk left"},
		"a log's end":  {"[1] [INFO] starting\n[1] [ERROR] Reason: Worker failed to boot.\n", ""},
		"a traceback":  {"Traceback (most recent call last):\n  File \"score.py\"\nKeyError: 'x'\n[1] [ERROR] bye\n", "KeyError: 'x'"},
		"a cut one":    {"  File \"score.py\", line 3\nKeyError: 'x'\n", ""},
		"with colours": {"\x1b[31mboom\x1b[0m", "boom"},
	} {
		if got := lastWords(c.left); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
