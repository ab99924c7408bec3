// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// watched is an endpoint whose blue version gets more than is set, whose green
// one crashes and whose red one was never asked.
func watched() status.Tree {
	crash := status.Verdict{State: status.Failed, Reason: "CrashLoopBackOff",
		Message: "container scoring ended with exit code 3: FileNotFoundError: model.pkl"}
	green := ready("diabetes-green")
	green.Ready, green.Verdict, green.Sets[0].Ready, green.Sets[0].Verdict = 0, crash, 0, crash
	green.Sets[0].Pods[0] = status.Pod{Name: "diabetes-green-5d8f-x2x4", Restarts: 3, Verdict: crash}
	green.Notes = []string{"no pod is ready: its share of 20 % goes to blue"}
	red := ready("diabetes-red")
	red.Verdict = status.Verdict{State: status.Progressing, Reason: "Starting", Message: "0 of 1 replicas ready"}
	return status.Tree{
		Namespace: "models", Endpoint: "diabetes", Verdict: crash, Router: ready("diabetes-router"),
		Measured: &status.Measured{RPS: ptr.To(1234.5), P50: ptr.To(11.4), P99: ptr.To(1250.0), Errors: ptr.To(0.04), Waiting: ptr.To(12)},
		Versions: []status.Version{
			{Name: "blue", Default: true, Effective: 70, Actual: 90, Workload: ready("diabetes-blue"), Measured: &status.Measured{
				RPS: ptr.To(1222.0), Share: &status.Share{Percent: 98.97, Low: 98.72, High: 99.17, Doubted: true},
				P50: ptr.To(4.64), P99: ptr.To(38.0), Errors: ptr.To(0.0), Waiting: ptr.To(12)}},
			{Name: "green", Declared: 20, Effective: 20, Workload: green, Measured: &status.Measured{
				RPS: ptr.To(12.5), Share: &status.Share{Percent: 1.03, Low: 0.83, High: 1.28}, Errors: ptr.To(100.0)}},
			{Name: "red", Declared: 10, Effective: 10, Workload: red},
		},
	}
}

func TestTreesWithWhatWasMeasured(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]printer.TreeOptions{
		"plain":     {Traffic: true},
		"terminal":  {Traffic: true, Colour: true, Width: 200, Heading: "endpoint diabetes, namespace models, 12:00:02"},
		"no-colour": {Traffic: true, Width: 200},
		"narrow":    {Traffic: true, Width: 60, Heading: "endpoint diabetes, namespace models, 12:00:02, measured over 28s, every 2s, Ctrl-C ends"},
		"medium":    {Traffic: true, Width: 100},
		"tiny":      {Traffic: true, Width: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := printer.Tree(&out, watched(), o); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, "testdata/watch."+name+".txt", out.String())
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); o.Width > 5 && !o.Colour && n > o.Width {
					t.Errorf("%d columns wide: %s", n, line)
				}
			}
		})
	}
}

// TestWideCharactersTakeTwoColumns has a model that speaks Japanese, with a
// combining mark.
func TestWideCharactersTakeTwoColumns(t *testing.T) {
	t.Parallel()
	tree := watched()
	set := tree.Versions[1].Sets[0]
	set.Pods[0].Verdict.Message = strings.Repeat("モデル", 20) + " " + strings.Repeat("e\u0301", 20)
	for _, width := range []int{60, 120, 121} {
		var out bytes.Buffer
		if err := printer.Tree(&out, tree, printer.TreeOptions{Traffic: true, Width: width}); err != nil {
			t.Fatal(err)
		}
		seen := false
		for line := range strings.Lines(out.String()) {
			wide := strings.Count(line, "モ") + strings.Count(line, "デ") + strings.Count(line, "ル")
			marks := strings.Count(line, "\u0301")
			seen = seen || wide > 0
			n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) + wide - marks
			if n > width && !strings.HasPrefix(line, "モ") { // a word alone is not broken
				t.Errorf("%d columns wide, not %d: %s", n, width, line)
			}
		}
		if !seen {
			t.Errorf("nothing of the message in\n%s", out.String())
		}
	}
}

func TestAScreenShowsEachTextInPlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := printer.Screen{Out: &out}
	for _, err := range []error{s.Open(), s.Show("one\ntwo\n", 3), s.Show("one\ntwo\nthree\n", 3), s.Show("one\ntwo\n", 1), s.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "\x1b[?1049h\x1b[?25l" +
		"\x1b[H\x1b[Kone\n\x1b[Ktwo\n\x1b[J" +
		"\x1b[H\x1b[Kone\n\x1b[K… 2 more lines\n\x1b[J" +
		"\x1b[H\x1b[K… 2 more lines\n\x1b[J" +
		"\x1b[?25h\x1b[?1049l"
	if got := out.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
