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
Redeploy: from a changed script until it answers, a model of 50 MB unchanged; medians (least..most) in seconds.

everything else cached, 3 changes            image pushed          serving
kubectl aml deploy                           2.00 (1.00..3.00)     4.00 (4.00..4.00)
docker build, push, helm upgrade             4.00 (4.00..4.00)     8.00 (8.00..8.00)
ratio                                        0.50                  0.50
ratio <= 0.2                                                       MISSED

nothing cached, 1 changes                    image pushed          serving
kubectl aml deploy, without an engine        1.00 (1.00..1.00)     4.00 (4.00..4.00)
docker build --no-cache, push, helm upgrade  20.00 (20.00..20.00)  40.00 (40.00..40.00)
ratio                                        0.05                  0.10
ratio <= 0.2                                                       met
`
	taken := func(pushed, served int) times {
		return times{[]time.Duration{time.Duration(pushed) * time.Second}, []time.Duration{time.Duration(served) * time.Second}}
	}
	cached := []times{taken(1, 4), taken(4, 8)}
	cached[0].pushed = append(cached[0].pushed, 3*time.Second, 2*time.Second)
	var out strings.Builder
	err := report(Options{Out: &out, Changes: 3, Uncached: 1}, cached, []times{taken(1, 4), taken(20, 40)})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
