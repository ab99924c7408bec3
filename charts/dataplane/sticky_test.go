// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// stickyValues are those of an endpoint whose callers x-user tells apart. parts
// are ranges as VERSION=UNTIL.
func stickyValues(green string, parts ...string) string {
	text := "{defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, traffic: " + green +
		"}}, stickiness: {header: x-user, ranges: ["
	for _, part := range parts {
		version, until, _ := strings.Cut(part, "=")
		text += "{version: " + version + ", until: " + until + "}, "
	}
	return text + "]}}"
}

// versionsOf asks once for each of n callers and tells which version each got.
func (r *router) versionsOf(n int) []string {
	r.t.Helper()
	versions := make([]string, n)
	for i := range versions {
		got := r.score("x-user", fmt.Sprintf("user-%d", i))
		if got.status != http.StatusOK {
			r.t.Fatalf("got %d %s", got.status, got.body)
		}
		versions[i] = got.version()
	}
	return versions
}

func count(versions []string, version string) int {
	n := 0
	for _, v := range versions {
		if v == version {
			n++
		}
	}
	return n
}

func TestCallersKeepTheirVersion(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	const n = 1000
	r := newRouter(t, c, stickyValues("10", "green=100000", "blue=1000000"))
	before := r.versionsOf(n)
	if got := count(before, "green"); !within5Sigma(float64(got)/n*100, 10, n) {
		t.Errorf("%d of %d callers have green, not 10 %%", got, n)
	}
	for i, version := range r.versionsOf(n) {
		if version != before[i] {
			t.Fatalf("user-%d had %s and then %s", i, before[i], version)
		}
	}
	r.apply(stickyValues("20", "green=100000", "blue=900000", "green=1000000"))
	moved := 0
	for i, version := range r.versionsOf(n) {
		switch version {
		case before[i]:
		case "green":
			moved++
		default:
			t.Errorf("user-%d went from %s to %s", i, before[i], version)
		}
	}
	if !within5Sigma(float64(moved)/n*100, 10, n) {
		t.Errorf("%d of %d callers moved, not 10 %%", moved, n)
	}
	t.Logf("%d callers of %d had green at 10 %%, %d more at 20 %%", count(before, "green"), n, moved)
	r.apply(stickyValues("10", "green=100000", "blue=1000000"))
	for i, version := range r.versionsOf(100) {
		if version != before[i] {
			t.Errorf("user-%d has %s after the way back, not %s", i, version, before[i])
		}
	}
}

// TestCallersKeepTheirVersionForYears holds the hash: another one would send
// every caller of every endpoint elsewhere when the chart is upgraded.
func TestCallersKeepTheirVersionForYears(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, stickyValues("50"))
	got := ""
	for _, version := range r.versionsOf(64) {
		got += version[:1]
	}
	const want = "bggggbgbbbbbbbggggbgbbbbgbbbggbbbbggbbbggbggbbgbggbbbbggggbgbbbb"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCallersOfOneEndpointAreNotThoseOfAnother(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	const n = 500
	r := newRouter(t, c, stickyValues("50"))
	first := r.versionsOf(n)
	files := render(t, stickyValues("50"))
	files["rds.yaml"] = strings.Replace(files["rds.yaml"], `mix(0, "sentiment/")`, `mix(0, "diabetes/")`, 1)
	// So that the router is seen to have read it.
	files["rds.yaml"] = strings.Replace(files["rds.yaml"], r.hash(), "0123456789abcdef", 1)
	r.applyFiles(files)
	same := 0
	for i, version := range r.versionsOf(n) {
		if version == first[i] {
			same++
		}
	}
	if !within5Sigma(float64(same)/n*100, 50, n) {
		t.Errorf("%d of %d callers have the same version in two endpoints, not one in two", same, n)
	}
}

func TestWhoCannotBeToldApartIsDrawn(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	c.addPod("green")
	r := newRouter(t, c, stickyValues("50"))
	for name, headers := range map[string][]string{
		"no header":       nil,
		"an empty header": {"x-user", ""},
		"another header":  {"x-users", "one"},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 300
			green := 0
			for range n {
				if r.score(headers...).version() == "green" {
					green++
				}
			}
			if !within5Sigma(float64(green)/n*100, 50, n) {
				t.Errorf("green answered %d of %d, not one in two", green, n)
			}
		})
	}
	long := strings.Repeat("x", 1024)
	if a, b := r.score("x-user", long+"a"), r.score("x-user", long+"b"); a.version() != b.version() || a.status != 200 {
		t.Errorf("callers that differ behind 1024 bytes got %d %s and %s", a.status, a.version(), b.version())
	}
}

func TestCallersOfAVersionWithoutReadyPodGoToTheDefault(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	r := newRouter(t, c, stickyValues("50"))
	if got := count(r.versionsOf(100), "blue"); got != 100 {
		t.Errorf("blue answered %d of 100, green has no pod", got)
	}
}
