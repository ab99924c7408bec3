// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"maps"
	"slices"
	"time"
)

// timesLag is how much later than its counters Envoy tells its histograms: it
// merges them every five seconds.
const timesLag = 5 * time.Second

// Window sums what the routers counted over the last while. The zero value sums
// over everything.
type Window struct {
	// Length is the time it looks back, 0 for all.
	Length time.Duration

	at    time.Time
	steps []step
	// last are the counts of each router when it was read last.
	last map[string]seen
}

// step is what was counted between two readings.
type step struct {
	from, until time.Time
	versions    map[string]Counts
}

// seen is a router as it was read last.
type seen struct {
	Counters
	at time.Time
	// up is when each version was last seen with a healthy replica.
	up map[string]time.Time
}

// Counts are what was counted of one version over some time.
type Counts struct {
	// Requests were given to its replicas: for its share, because they asked for
	// it, or because the version they were meant for had no replica.
	Requests float64
	// Named are those that asked for it by name. Those for the default version
	// cannot be told from its share.
	Named float64
	// Answers are all that were given for it, the router's own too; Errors are
	// those with 5xx.
	Answers, Errors float64
	// Times count the answers by how long they took, as in Cluster.
	Times map[float64]float64
}

// Traffic is what was counted over some time.
type Traffic struct {
	// Seconds are 0 if nothing was measured yet.
	Seconds  float64
	Versions map[string]Counts
}

// Reset forgets everything: the next reading is where counting starts.
func (w *Window) Reset() { *w = Window{Length: w.Length} }

// Add takes a reading into the sum and leaves out what has become older than
// Length, but for the newest. Counting starts with the first reading of each router; one that has
// started anew counts from nothing. A reading without any router is no step.
// The version fallback serves for those without a healthy replica.
func (w *Window) Add(r Reading, fallback string) {
	if len(r.Routers) == 0 {
		return
	}
	s := step{from: w.at, until: r.At, versions: map[string]Counts{}}
	known := false
	now := map[string]seen{}
	for _, c := range r.Routers {
		before, ok := w.last[c.Pod]
		if ok {
			known = true
			s.count(before, c, fallback)
		}
		now[c.Pod] = before.next(c, r.At)
	}
	// A router that did not answer this time may do so again.
	for _, pod := range r.Pods {
		if before, ok := w.last[pod]; ok && now[pod].at.IsZero() {
			now[pod] = before
		}
	}
	w.at, w.last = r.At, now
	if known {
		w.steps = append(w.steps, s)
	}
	if w.Length > 0 {
		old := func(s step) bool { return r.At.Sub(s.from) > w.Length && s.until.Before(r.At) }
		w.steps = slices.DeleteFunc(w.steps, old)
	}
}

// Sum returns what was counted.
func (w *Window) Sum() Traffic {
	t := Traffic{Versions: map[string]Counts{}}
	for _, s := range w.steps {
		t.Seconds += s.until.Sub(s.from).Seconds()
		for name, c := range s.versions {
			sum := t.Versions[name]
			sum.add(c)
			t.Versions[name] = sum
		}
	}
	return t
}

// next is what is kept of a router that was read now.
func (s seen) next(c Counters, at time.Time) seen {
	up := maps.Clone(s.up)
	if up == nil {
		up = map[string]time.Time{}
	}
	for name, cluster := range c.Clusters {
		if version, ofShare, ok := versionOf(name); ok && !ofShare && !cluster.Down {
			up[version] = at
		}
	}
	return seen{Counters: c, at: at, up: up}
}

// count adds what a router has counted since it was read before.
//
// Requests are counted by the cluster that sends them, so they are always those
// of the version that gets them. Answers and times are counted by the cluster
// that was chosen: of the share of a version without a healthy replica they are
// the fallback's.
func (s step) count(before seen, now Counters, fallback string) {
	if now.Uptime < before.Uptime {
		before.Counters = Counters{}
	}
	for name, cluster := range now.Clusters {
		version, ofShare, ok := versionOf(name)
		if !ok {
			continue
		}
		delta := cluster.since(before.Clusters[name])
		if !ofShare {
			own := Counts{Requests: delta.Sent, Answers: delta.Answered, Errors: delta.Failed, Times: delta.Times}
			if version != fallback {
				own.Named = delta.Answered
			}
			s.add(version, own)
			continue
		}
		up := before.up[version]
		if !now.Clusters[version].Down {
			up = s.until
		}
		s.add(unless(up.Before(before.at), version, fallback), Counts{Answers: delta.Answered, Errors: delta.Failed})
		s.add(unless(up.Before(before.at.Add(-timesLag)), version, fallback), Counts{Times: delta.Times})
	}
}

func (s step) add(version string, c Counts) {
	sum := s.versions[version]
	sum.add(c)
	s.versions[version] = sum
}

// unless returns the version, and the fallback if the version is down and there
// is one.
func unless(down bool, version, fallback string) string {
	if down && fallback != "" {
		return fallback
	}
	return version
}

// since returns what was counted after before, all of it if the counting began
// anew in between.
func (c Cluster) since(before Cluster) Cluster {
	if c.Sent < before.Sent || c.Answered < before.Answered || c.Failed < before.Failed {
		before = Cluster{}
	}
	for until, count := range before.Times {
		if c.Times[until] < count {
			before.Times = nil
		}
	}
	delta := Cluster{Sent: c.Sent - before.Sent, Answered: c.Answered - before.Answered,
		Failed: c.Failed - before.Failed, Times: map[float64]float64{}}
	for until, count := range c.Times {
		delta.Times[until] = count - before.Times[until]
	}
	return delta
}

func (c *Counts) add(o Counts) {
	c.Requests += o.Requests
	c.Named += o.Named
	c.Answers += o.Answers
	c.Errors += o.Errors
	if c.Times == nil {
		c.Times = map[float64]float64{}
	}
	for until, count := range o.Times {
		c.Times[until] += count
	}
}
