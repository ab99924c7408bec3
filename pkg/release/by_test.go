// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"slices"
	"strings"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
)

func TestRevisionsSayWhoMadeThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.user(`CORP\bob_smith@desk.example`, newChart("1.2.0"))
	apply := func(c *Client, o ApplyOptions, specs ...string) {
		_, _ = c.Apply(t.Context(), "iris", to(versions(specs...)), o)
	}
	apply(w.client, ApplyOptions{}, "blue=a:1")
	apply(bob, ApplyOptions{}, "blue=a:2")
	apply(w.client, ApplyOptions{Ready: notReady}, "blue=a:3") // makes two, the second by going back to bob's
	if _, err := bob.Undo(t.Context(), "iris", 1, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	// helm upgrade hands the labels on, helm rollback brings old ones back.
	for _, from := range []int{5, 1} {
		r, err := w.storage().Get("iris", from)
		if err != nil {
			t.Fatal(err)
		}
		last, err := w.storage().Last("iris")
		if err != nil {
			t.Fatal(err)
		}
		r.Version = last.Version + 1
		if err := w.storage().Create(r); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	all := w.revisions()
	for i := range len(all) {
		got = append(got, all[i+1].By)
	}
	want := []string{"ann@laptop", `CORP\bob_smith@desk.example`, "ann@laptop", "ann@laptop",
		`CORP\bob_smith@desk.example`, "", ""}
	if !slices.Equal(got, want) {
		t.Errorf("made by %q, want %q", got, want)
	}
}

func TestLongNamesOfHoldersLoseTheirEnd(t *testing.T) {
	t.Parallel()
	for holder, want := range map[string]string{
		strings.Repeat("x", 70):           strings.Repeat("x", 61),
		strings.Repeat("x", 59) + "@host": strings.Repeat("x", 59),
		"-ann@laptop.":                    "-ann@laptop",
		"äö@x":                            "äö@x",
		"":                                "",
	} {
		r := &helmrelease.Release{Version: 3, Chart: &helmchart.Chart{}}
		sign(r, holder, false)
		if got := by(r); got != want {
			t.Errorf("%q is told as %q, want %q", holder, got, want)
		}
	}
}
