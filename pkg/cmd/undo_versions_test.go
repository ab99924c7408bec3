// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"slices"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// What undo waits for: what comes or goes, and not what only gets other requests.
func TestUndoWaitsForTheVersionsThatAreNotAsTheyWere(t *testing.T) {
	t.Parallel()
	type tree = map[string]any
	revision := func(change func(all, blue, green tree)) release.Release {
		blue, green := tree{"image": "i:1"}, tree{"image": "i:1", "traffic": 20}
		all := tree{"defaultVersion": "blue", "versions": tree{"blue": blue, "green": green}}
		change(all, blue, green)
		return release.Release{Values: all, ChartVersion: "1.0.0"}
	}
	same := revision(func(_, _, _ tree) {})
	none := []string{}
	for name, c := range map[string]struct {
		now  []release.Release
		want []string
	}{
		"the same":    {[]release.Release{same}, none},
		"the split":   {[]release.Release{revision(func(_, _, green tree) { green["traffic"] = 90 })}, none},
		"the default": {[]release.Release{revision(func(all, _, _ tree) { all["defaultVersion"] = "green" })}, none},
		"the routers": {[]release.Release{revision(func(all, _, _ tree) { all["router"] = tree{"image": "e:2"} })}, none},
		"tags":        {[]release.Release{revision(func(_, blue, _ tree) { blue["tags"] = tree{"a": "b"} })}, none},
		"an image":    {[]release.Release{revision(func(_, blue, _ tree) { blue["image"] = "i:2" })}, []string{"blue"}},
		"replicas":    {[]release.Release{revision(func(_, _, green tree) { green["replicas"] = 2 })}, []string{"green"}},
		"a toleration": {[]release.Release{revision(func(_, _, green tree) {
			green["tolerations"] = []any{tree{"key": "a"}}
		})}, []string{"green"}},
		"the limiters": {[]release.Release{revision(func(all, _, _ tree) { all["limiter"] = tree{"image": "h:2"} })},
			[]string{"blue", "green"}},
		"a version that went": {[]release.Release{revision(func(all, blue, _ tree) { all["versions"] = tree{"blue": blue} })},
			[]string{"green"}},
		"a version that came": {[]release.Release{revision(func(all, blue, green tree) {
			all["versions"] = tree{"blue": blue, "green": green, "red": tree{"image": "i:1"}}
		})}, none},
		"what failed since": {[]release.Release{same, revision(func(_, blue, _ tree) { blue["image"] = "i:2" })},
			[]string{"blue"}},
		"another chart": {[]release.Release{{Values: same.Values, ChartVersion: "1.1.0"}}, []string{"blue", "green"}},
		"what cannot be read": {[]release.Release{{Values: tree{"new": 1}, ChartVersion: "1.0.0"}},
			[]string{"blue", "green"}},
	} {
		target, err := chart.ParseValues(same.Values)
		if err != nil {
			t.Fatal(err)
		}
		got, err := changedVersions(c.now, same, target)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
}

// It comes back as it was, but takes no requests before its time.
func TestADefaultThatComesBackGetsNoRequestsYet(t *testing.T) {
	t.Parallel()
	back := chart.VersionValues{Image: "i:1", Traffic: 60, Replicas: 2}
	for name, c := range map[string]struct {
		now  map[string]chart.VersionValues
		want float64
	}{
		"it was deleted":     {map[string]chart.VersionValues{"green": {Image: "i:2"}}, 0},
		"it was scaled down": {map[string]chart.VersionValues{"green": {Image: "i:2"}, "blue": {Image: "i:3", Traffic: 5}}, 5},
	} {
		now := chart.Values{DefaultVersion: "green", Versions: c.now}
		before := len(c.now)
		next := withVersion(now, "blue", back)
		blue := next.Versions["blue"]
		if blue.Image != "i:1" || blue.Replicas != 2 || blue.Traffic != c.want || next.DefaultVersion != "green" ||
			next.Versions["green"].Image != "i:2" || len(c.now) != before {
			t.Errorf("%s: got %+v", name, next)
		}
	}
}
