// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

const (
	// shown is the quantile of the normal distribution for an interval that
	// holds the true share in 95 % of all cases or more.
	shown = 1.959964
	// doubted is that for 99.99 %. An interval of 95 % misses one time in twenty,
	// and a watch looks at it every two seconds.
	doubted = 3.890592
	// millionth is the smallest step of a share, in percent.
	millionth = 1e-4
)

// Traffic is what routers and replicas counted over some time.
type Traffic struct {
	// Seconds are how long was counted, 0 for not yet.
	Seconds float64
	// Versions are the counts and Queues the queues, by version.
	Versions map[string]Counts
	Queues   map[string]Queue
}

// Counts are what was counted of one version.
type Counts struct {
	// Requests are those its replicas got, Named those of them that asked for it
	// by name, as far as that is known.
	Requests, Named float64
	// Answers are those given for it, Errors those of them with 5xx.
	Answers, Errors float64
	// Times count the answers by how long they took: by the end of the interval,
	// in milliseconds, that begins with the end of the one before.
	Times map[float64]float64
}

// Queue is what the replicas of a version have to do at the moment.
type Queue struct{ Waiting, Running int }

// Measured is what a version did over some time. What cannot be told is nil:
// everything but the queue while nothing was counted yet, and all that is about
// answers while there are none.
type Measured struct {
	Requests *float64 `json:"requests,omitempty"`
	RPS      *float64 `json:"requestsPerSecond,omitempty"`
	// Share is the part of the endpoint's requests that the version got.
	Share *Share `json:"share,omitempty"`
	// P50 and P99 are milliseconds until the answer, interpolated as Prometheus'
	// histogram_quantile does it.
	P50 *float64 `json:"p50Ms,omitempty"`
	P99 *float64 `json:"p99Ms,omitempty"`
	// Errors is the share of answers with 5xx, in percent.
	Errors *float64 `json:"5xxPercent,omitempty"`
	// Waiting are the requests that wait for a replica, Running those that are
	// being scored; nil if no replica told.
	Waiting *int `json:"queued,omitempty"`
	Running *int `json:"running,omitempty"`
}

// Share is a measured share in percent, with the interval that would hold the
// true one in at least 95 of 100 such measurements.
type Share struct {
	Percent float64 `json:"percent"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	// Doubted says that the share set is not the true one, with a certainty of
	// 99.99 %. What asked for a version by name is left out of that, as far as it
	// is known.
	Doubted bool `json:"doubted,omitempty"`
}

// measure adds what was counted to the tree, and returns notes on the endpoint.
func (t *Tree) measure(e endpoint.Endpoint, m Traffic) []string {
	var sum Counts
	var queue Queue
	for _, c := range m.Versions {
		sum.add(c)
	}
	for i := range t.Versions {
		v := &t.Versions[i]
		counts := m.Versions[v.Name]
		v.Measured = counts.measured(m.Seconds)
		if q, ok := m.Queues[v.Name]; ok {
			v.Measured.Waiting, v.Measured.Running = &q.Waiting, &q.Running
			queue.Waiting, queue.Running = queue.Waiting+q.Waiting, queue.Running+q.Running
		}
		if m.Seconds == 0 || sum.Requests == 0 {
			continue
		}
		s := interval(counts.Requests, sum.Requests, shown)
		// Otherwise a few callers decide, or a note already says why the routers do
		// not split as it is set.
		if e.Sticky.Header == "" && math.Abs(v.Actual-v.Effective) < millionth {
			s.Doubted = counts.doubt(sum, v.Effective)
		}
		if s.Doubted {
			v.Notes = append(v.Notes, doubt(v.Effective, s.Percent, sum.Named > 0))
		}
		v.Measured.Share = &s
	}
	t.Seconds, t.Measured = math.Round(m.Seconds*1000)/1000, sum.measured(m.Seconds)
	if len(m.Queues) > 0 {
		t.Measured.Waiting, t.Measured.Running = &queue.Waiting, &queue.Running
	}
	if e.Sticky.Header != "" {
		return []string{"callers stay with a version by the header " + e.Sticky.Header +
			": few callers with many requests move the measured shares"}
	}
	return nil
}

func doubt(set, percent float64, named bool) string {
	word := "less"
	if percent > set {
		word = "more"
	}
	note := fmt.Sprintf("gets %s of the requests than the %s %% that is set", word, endpoint.FormatPercent(set))
	if named {
		note += ", also without those that ask for a version by name"
	}
	return note
}

// doubt tells whether the share that is set is surely not the true one.
func (c Counts) doubt(sum Counts, set float64) bool {
	drawn, all := max(c.Requests-c.Named, 0), max(sum.Requests-sum.Named, 0)
	if all == 0 {
		return false
	}
	_, low, high := wilson(drawn, all, doubted)
	return set/100 < low || set/100 > high
}

// interval is the share of part in all, in percent.
func interval(part, all, z float64) Share {
	p, low, high := wilson(part, all, z)
	return Share{Percent: percent(p), Low: percent(low), High: percent(high)}
}

// wilson is the share of part in all with Wilson's score interval. Unlike the
// interval around the measured share it is good for small numbers and for
// shares near 0 and 100 too.
// E. B. Wilson, Probable Inference, JASA 22 (1927), 209–212.
//
// It is that of independent draws. Routers draw more evenly, so it is on the
// safe side.
func wilson(part, all, z float64) (p, low, high float64) {
	p = min(part/all, 1)
	middle := p + z*z/(2*all)
	reach := z * math.Sqrt(p*(1-p)/all+z*z/(4*all*all))
	whole := 1 + z*z/all
	low, high = max((middle-reach)/whole, 0), min((middle+reach)/whole, 1)
	// At both ends the interval ends with the share itself: rounding must not
	// leave a share of exactly 0 or 100 % outside.
	return p, min(low, p), max(high, p)
}

// percent rounds a part of 1 to thousandths of a percent.
func percent(part float64) float64 { return math.Round(part*1e5) / 1e3 }

// measured is what the counts over some seconds say.
func (c Counts) measured(seconds float64) *Measured {
	m := &Measured{}
	if seconds == 0 {
		return m
	}
	requests, rps := c.Requests, math.Round(c.Requests/seconds*1000)/1000
	m.Requests, m.RPS = &requests, &rps
	if c.Answers > 0 {
		errors := percent(min(c.Errors/c.Answers, 1))
		m.Errors = &errors
	}
	if p, ok := quantile(0.5, c.Times); ok {
		m.P50 = &p
	}
	if p, ok := quantile(0.99, c.Times); ok {
		m.P99 = &p
	}
	return m
}

// quantile interpolates within the interval that the quantile q falls into, as
// Prometheus' histogram_quantile does: from 0 on in the first interval, and not
// beyond the last finite end. It returns false if nothing was counted.
func quantile(q float64, times map[float64]float64) (float64, bool) {
	ends, total := slices.Sorted(maps.Keys(times)), 0.0
	for _, count := range times {
		total += count
	}
	if total <= 0 {
		return 0, false
	}
	rank, below, begin := q*total, 0.0, 0.0
	for _, end := range ends {
		count := times[end]
		if math.IsInf(end, 1) {
			break
		}
		if count > 0 && below+count >= rank {
			return math.Round((begin+(end-begin)*(rank-below)/count)*1000) / 1000, true
		}
		below, begin = below+count, end
	}
	return begin, true
}

func (c *Counts) add(o Counts) {
	c.Requests += o.Requests
	c.Named += o.Named
	c.Answers += o.Answers
	c.Errors += o.Errors
	if c.Times == nil {
		c.Times = map[float64]float64{}
	}
	for end, count := range o.Times {
		c.Times[end] += count
	}
}
