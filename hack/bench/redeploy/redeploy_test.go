// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package redeploy

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const want = `
Redeploy: from a changed script until it answers, a model of 50 MB unchanged; medians of 3 (least..most)
in seconds.

                                  image pushed      serving
kubectl aml deploy                2.00 (1.00..3.00)  4.00 (4.00..4.00)
docker build, push, helm upgrade  4.00 (4.00..4.00)  8.00 (8.00..8.00)
ratio                             0.50               0.50
ratio <= 0.2                                         MISSED
`
	var out strings.Builder
	s := time.Second
	if err := report(Options{Out: &out, Changes: 3}, times{[]time.Duration{s, 3 * s, 2 * s}, []time.Duration{4 * s}},
		times{[]time.Duration{4 * s}, []time.Duration{8 * s}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != strings.Replace(want, "image pushed      serving", "image pushed       serving", 1) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
