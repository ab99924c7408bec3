// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"maps"
	"reflect"
	"testing"
	"time"
)

// total are Counts with the sum of their times.
type total struct{ requests, named, answers, errors, timed float64 }

func totals(t Traffic) map[string]total {
	sums := map[string]total{}
	for name, c := range t.Versions {
		sum := total{c.Requests, c.Named, c.Answers, c.Errors, 0}
		for _, n := range c.Times {
			sum.timed += n
		}
		if sum != (total{}) {
			sums[name] = sum
		}
	}
	return sums
}

// at is a reading some seconds after the first.
func at(seconds int, routers ...Counters) Reading {
	r := Reading{At: time.Unix(int64(seconds), 0), Routers: routers}
	for _, c := range routers {
		r.Pods = append(r.Pods, c.Pod)
	}
	return r
}

// What the callers saw between the recordings is what has to come out.
func TestEachAnswerIsCountedOnceForTheVersionThatGaveIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		readings []string
		want     map[string]total
	}{
		"55 by their shares, 5 of them fail": {[]string{"router-0-start", "router-1-share"},
			map[string]total{"blue": {45, 0, 45, 5, 45}, "green": {10, 0, 10, 0, 10}}},
		"7 ask for blue and 11 for green": {[]string{"router-1-share", "router-2-named"},
			map[string]total{"blue": {7, 0, 7, 0, 7}, "green": {11, 11, 11, 0, 11}}},
		"60 by their shares while green is down, 4 ask for it in vain": {[]string{"router-3-down", "router-4-fallback"},
			map[string]total{"blue": {60, 0, 60, 0, 60}, "green": {0, 4, 4, 4, 0}}},
		"all one after the other": {[]string{"router-0-start", "router-1-share", "router-2-named", "router-3-down", "router-4-fallback"},
			map[string]total{"blue": {112, 0, 112, 5, 112}, "green": {21, 15, 25, 4, 21}}},
		"20 after the router started anew": {[]string{"router-5-before", "router-6-restarted"},
			map[string]total{"blue": {18, 0, 18, 0, 18}, "green": {2, 0, 2, 0, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w Window
			for i, reading := range c.readings {
				w.Add(at(10*i, counters(t, reading)), "blue")
			}
			if got := totals(w.Sum()); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got, want := w.Sum().Seconds, float64(10*(len(c.readings)-1)); got != want {
				t.Errorf("over %v seconds, want %v", got, want)
			}
		})
	}
}

// router is one that has sent so many requests to blue and green and answered
// all of them.
func router(pod string, uptime, blue, green float64) Counters {
	sent := func(n float64) Cluster { return Cluster{Sent: n} }
	answered := func(n float64) Cluster { return Cluster{Answered: n, Times: map[float64]float64{5: n}} }
	b := answered(blue)
	b.Sent = blue
	return Counters{Pod: pod, Uptime: uptime, Clusters: map[string]Cluster{
		"blue": b, "green": sent(green), "green_or_default": answered(green)}}
}

// both are the totals of so many requests that were all answered in time.
func both(blue, green float64) map[string]total {
	return map[string]total{"blue": {blue, 0, blue, 0, blue}, "green": {green, 0, green, 0, green}}
}

func TestRoutersComeAndGo(t *testing.T) {
	t.Parallel()
	silent := func(r Reading, pods ...string) Reading {
		r.Pods = append(r.Pods, pods...)
		return r
	}
	for name, c := range map[string]struct {
		readings []Reading
		want     map[string]total
		seconds  float64
	}{
		"nothing is known after one reading": {[]Reading{at(0, router("a", 5, 8, 2))}, map[string]total{}, 0},
		"two routers are added up": {[]Reading{
			at(0, router("a", 5, 8, 2), router("b", 5, 80, 20)),
			at(2, router("a", 7, 16, 4), router("b", 7, 160, 40))}, both(88, 22), 2},
		"one that comes counts from its second reading on": {[]Reading{
			at(0, router("a", 5, 8, 2)),
			at(2, router("a", 7, 16, 4), router("b", 1, 80, 20)),
			at(4, router("a", 9, 24, 6), router("b", 3, 160, 40))}, both(96, 24), 4},
		"what one counted that goes stays": {[]Reading{
			at(0, router("a", 5, 8, 2), router("b", 5, 80, 20)),
			at(2, router("a", 7, 16, 4), router("b", 7, 160, 40)),
			at(4, router("a", 9, 24, 6))}, both(96, 24), 4},
		"one that does not answer for a while misses nothing": {[]Reading{
			at(0, router("a", 5, 8, 2), router("b", 5, 80, 20)),
			silent(at(2, router("a", 7, 16, 4)), "b"),
			at(4, router("a", 9, 24, 6), router("b", 9, 160, 40))}, both(96, 24), 4},
		"a time in which none answers counts with the next reading": {[]Reading{
			at(0, router("a", 5, 8, 2)), silent(at(2), "a"), at(4, router("a", 9, 24, 6))}, both(16, 4), 4},
		"one that starts anew counts from nothing": {[]Reading{
			at(0, router("a", 500, 8, 2)), at(2, router("a", 1, 9, 3))}, both(9, 3), 2},
		"also if it does not tell when it started": {[]Reading{
			at(0, router("a", 0, 8, 2)), at(2, router("a", 0, 3, 1))}, both(3, 1), 2},
		"all are others": {[]Reading{
			at(0, router("a", 5, 8, 2)), at(2, router("b", 1, 80, 20)), at(4, router("b", 3, 88, 22))}, both(8, 2), 2},
		"no requests": {[]Reading{
			at(0, router("a", 5, 8, 2)), at(2, router("a", 7, 8, 2))}, map[string]total{}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w Window
			for _, r := range c.readings {
				w.Add(r, "blue")
			}
			if got := w.Sum(); !maps.Equal(totals(got), c.want) || got.Seconds != c.seconds {
				t.Errorf("got %v over %v s, want %v over %v s", totals(got), got.Seconds, c.want, c.seconds)
			}
		})
	}
}

func TestMirrorsAndTheRoutersOwnClustersAreNotCounted(t *testing.T) {
	t.Parallel()
	before, after := router("a", 5, 8, 2), router("a", 7, 16, 4)
	for _, name := range []string{"green_mirror", "_self", "_admin", "_or_default", ""} {
		after.Clusters[name] = Cluster{Sent: 100, Answered: 100, Failed: 100, Times: map[float64]float64{5: 100}}
	}
	var w Window
	w.Add(at(0, before), "blue")
	w.Add(at(2, after), "blue")
	if got, want := totals(w.Sum()), both(8, 2); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Envoy tells times up to five seconds later than counts: those of answers that
// green still gave are its own.
func TestTimesThatComeLateAreThoseOfTheVersionThatAnswered(t *testing.T) {
	t.Parallel()
	reading := func(seconds int, down bool, blue, green, answered, timed float64) Reading {
		return at(seconds, Counters{Pod: "a", Uptime: float64(seconds), Clusters: map[string]Cluster{
			"blue": {Sent: blue}, "green": {Sent: green, Down: down},
			"green_or_default": {Answered: answered, Times: map[float64]float64{5: timed}},
		}})
	}
	var w Window
	w.Add(reading(0, false, 0, 0, 0, 0), "blue")
	w.Add(reading(2, false, 0, 10, 10, 0), "blue") // green answers 10
	w.Add(reading(4, true, 3, 10, 13, 0), "blue")  // it goes: of 3 it is not known whose they are
	w.Add(reading(6, true, 7, 10, 17, 10), "blue") // blue answers 4; the times of the 10 are told
	w.Add(reading(8, true, 7, 10, 17, 10), "blue")
	w.Add(reading(14, true, 15, 10, 25, 25), "blue") // blue answers 8, all times are told
	want := map[string]total{"blue": {15, 0, 12, 0, 15}, "green": {10, 0, 13, 0, 10}}
	if got := totals(w.Sum()); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAWindowLooksBackAsFarAsItIsLong(t *testing.T) {
	t.Parallel()
	w := Window{Length: 5 * time.Second}
	for i := range 10 {
		w.Add(at(2*i, router("a", float64(i), float64(8*i), float64(2*i))), "blue")
	}
	if got := w.Sum(); !maps.Equal(totals(got), both(16, 4)) || got.Seconds != 4 {
		t.Errorf("got %v over %v s", totals(got), got.Seconds)
	}
	w.Add(at(60, router("a", 60, 100, 20)), "blue")
	if got := w.Sum(); !maps.Equal(totals(got), both(28, 2)) || got.Seconds != 42 {
		t.Errorf("the newest step is longer than the window: got %v over %v s", totals(got), got.Seconds)
	}
	w.Reset()
	if got := w.Sum(); len(got.Versions) > 0 || got.Seconds != 0 || !reflect.DeepEqual(w, Window{Length: w.Length}) {
		t.Errorf("after a reset: %+v", got)
	}
}
