// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// watching is one document of status -w -o json.
type watching struct {
	Versions []struct {
		Name      string
		Effective float64
		Measured  struct {
			Requests float64
			RPS      float64  `json:"requestsPerSecond"`
			P50      *float64 `json:"p50Ms"`
			P99      *float64 `json:"p99Ms"`
			Errors   *float64 `json:"5xxPercent"`
			Queued   *int
			Share    *struct {
				Low, High float64
				Doubted   bool
			}
		}
	}
}

// The split of 80/20 under load, as the lines of a watch tell it. An interval of
// 95 % may miss: of the documents, each with requests of its own, most must not.
func TestWatchingMeasuresTheSplit(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	s.echo("green", "grass", "--traffic", "20")
	const rate = 40
	end := s.client().steady(s.url("echo"), rate, 5*time.Minute, bearer(s.key("echo")), "-body={}")

	held, documents := 0, s.watch(12, "-o", "json", "--window", "2s")
	for _, d := range documents {
		green := d.Versions[1]
		m := green.Measured
		if green.Name != "green" || green.Effective != 20 || m.Share == nil || m.Share.Doubted {
			t.Fatalf("measured %+v", green)
		}
		if m.Share.Low <= 20 && 20 <= m.Share.High {
			held++
		}
	}
	// 12 intervals around independent draws miss 5 times or more once in 4,000
	// runs, and the router's split is more even than those.
	t.Logf("20 %% is inside %d of %d intervals", held, len(documents))
	if held < 8 {
		t.Errorf("20 %% is inside %d of %d intervals only", held, len(documents))
	}
	last := s.watch(8, "-o", "json")[7]
	sum := 0.0
	for _, v := range last.Versions {
		m := v.Measured
		sum += m.RPS
		if m.P50 == nil || m.P99 == nil || *m.P50 <= 0 || *m.P50 > *m.P99 || m.Errors == nil || *m.Errors != 0 || m.Queued == nil {
			t.Errorf("%s: %+v", v.Name, m)
		}
	}
	t.Logf("%.1f requests a second of %d sent", sum, rate)
	if sum < rate/2 || sum > rate*1.2 {
		t.Errorf("%.1f requests a second are measured, %d are sent", sum, rate)
	}
	s.seesTheTree()
	r := end().allOK(t)
	r.nearly(t, "green", 20)
}

// watch runs status -w until it has written so many documents in which
// something is measured, and then interrupts it.
func (s *space) watch(count int, args ...string) []watching {
	s.t.Helper()
	var documents []watching
	s.untilInterrupted(append([]string{"status", "echo", "-w"}, args...), func(line string) bool {
		var d watching
		must(s.t, json.Unmarshal([]byte(line), &d))
		if d.Versions[0].Measured.Share != nil {
			documents = append(documents, d)
		}
		return len(documents) == count
	})
	return documents
}

// seesTheTree reads the tree as it is written where there is no terminal.
func (s *space) seesTheTree() {
	s.t.Helper()
	line := regexp.MustCompile(`version/green +20% +[0-9.]+% \(([0-9.]+)–([0-9.]+)\) +1/1 +[0-9.]+ +[0-9.]+m?s +[0-9.]+m?s +0\.0% +[0-9]+ +Ready$`)
	var text strings.Builder
	s.untilInterrupted([]string{"status", "echo", "-w"}, func(row string) bool {
		text.WriteString(row + "\n")
		found := line.FindStringSubmatch(row)
		if found == nil {
			return false
		}
		low, err := strconv.ParseFloat(found[1], 64)
		must(s.t, err)
		high, err := strconv.ParseFloat(found[2], 64)
		must(s.t, err)
		if low >= high || low > 30 || high < 10 {
			s.t.Errorf("an interval that cannot be: %s", row)
		}
		return true
	})
	s.t.Logf("the watch wrote\n%s", text.String())
}

// untilInterrupted runs the plugin, gives each line of its answer to done, and
// interrupts it once that says so. It ends the test unless the plugin then ends
// well.
func (s *space) untilInterrupted(args []string, done func(line string) bool) {
	s.t.Helper()
	c := s.command(s.t.Context(), args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	must(s.t, err)
	must(s.t, c.Start())
	over := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
	defer over.Stop()
	lines, seen := bufio.NewScanner(out), false
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !seen && done(lines.Text()) {
			seen = true
			must(s.t, c.Process.Signal(os.Interrupt))
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); errors.As(err, &exit) || !seen {
		s.t.Fatalf("%v ended before it had written enough, or not well: %v", args, err)
	}
}
