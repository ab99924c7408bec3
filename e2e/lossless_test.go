// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// fewRequests are what the suite sends; make soak sends more.
	fewRequests = 100_000
	// steadyRate is how many a second: in the time of the operations they come
	// to about fewRequests.
	steadyRate  = 350
	requestsVar = "AML_E2E_REQUESTS"
)

// Whatever is done to an endpoint that two routers and two replicas of each
// version serve, each request gets its own answer. Only a crash may lose what
// is under way in it: see TestACrashLosesOnlyWhatIsUnderWay.
func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	requests := fewRequests
	if text := os.Getenv(requestsVar); text != "" {
		n, err := strconv.Atoi(text)
		must(t, err)
		requests = n
	}
	rounds := max(1, requests/fewRequests)
	o := newOperations(s, "echo")
	o.ready()
	limit := time.Duration(rounds) * 20 * time.Minute
	end := s.client().steady(s.url("echo"), steadyRate, limit, bearer(s.key("echo")), "-numbered",
		"-count", strconv.Itoa(requests))
	var lanes sync.WaitGroup
	for _, lane := range []func() error{o.change, o.disturb} {
		lanes.Go(func() {
			for range rounds {
				if err := lane(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	lanes.Wait()
	r := end()
	lost := r.Sent - r.Status["200"] + answeredOtherwise(r.Lost)
	t.Logf("%d requests at %d/s: %d answered 200, %d lost, the slowest took %d ms, by version %v; meanwhile: %s",
		r.Sent, int64(r.Sent)*1000/max(r.Took, 1), r.Status["200"], lost, r.Millis, r.Versions, o.told())
	if r.Sent < requests || lost > 0 || len(r.Lost) > 0 {
		t.Errorf("%d of %d requests lost, of %d wanted: %s", lost, r.Sent, requests, o.blame(r.Lost))
	}
	o.wanted(rounds)
}

// answeredOtherwise counts answers of 200 that are not those of the request.
func answeredOtherwise(lost []loss) int {
	n := 0
	for _, l := range lost {
		if strings.HasPrefix(l.What, "200 ") {
			n++
		}
	}
	return n
}

// operation is something done to the endpoint while requests arrive.
type operation struct {
	kind, what string
	start, end time.Time
}

// blame tells each kind of loss, when it was and what was done meanwhile.
func (o *operations) blame(lost []loss) string {
	byKind := map[string][]loss{}
	for _, l := range lost {
		byKind[l.What] = append(byKind[l.What], l)
	}
	var said strings.Builder
	for what, all := range byKind {
		fmt.Fprintf(&said, "\n%d × %s", len(all), what)
		at := map[string]int{}
		for _, l := range all {
			sent := time.UnixMilli(l.At)
			at[fmt.Sprintf("%s (%s)", sent.Format("15:04:05"), strings.Join(o.during(sent), ", "))]++
		}
		seconds := make([]string, 0, len(at))
		for second, n := range at {
			seconds = append(seconds, fmt.Sprintf("\n  %d at %s", n, second))
		}
		slices.Sort(seconds)
		said.WriteString(strings.Join(seconds, ""))
	}
	return said.String()
}

// during are the operations that ran at that time or ended shortly before.
func (o *operations) during(at time.Time) []string {
	o.turn.Lock()
	defer o.turn.Unlock()
	var names []string
	for _, done := range o.done {
		if at.After(done.start.Add(-time.Second)) && at.Before(done.end.Add(15*time.Second)) {
			names = append(names, fmt.Sprintf("%s %+.0fs..%+.0fs", done.what,
				done.start.Sub(at).Seconds(), done.end.Sub(at).Seconds()))
		}
	}
	return names
}
