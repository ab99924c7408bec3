// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

// tail is how many of the last lines of a step, and of a log, are kept.
const tail = 20

// transcript finds the step that failed in the log of a run: in what docker build
// with BuildKit says without a terminal. Lines begin with the number of a step.
//
//	#7 [2/3] RUN pip install nothing
//	#7 0.512 ERROR: No matching distribution found
//	#7 ERROR: process "/bin/sh -c pip install nothing" did not complete successfully: exit code: 1
type transcript struct {
	steps  map[string]*said
	failed *build.StepError
	last   []string
}

type said struct {
	name string
	tail []string
}

func (t *transcript) line(text string) {
	t.last = keep(t.last, text)
	m := regexp.MustCompile(`^#(\d+) (.*)$`).FindStringSubmatch(text)
	if m == nil {
		return
	}
	if t.steps == nil {
		t.steps = map[string]*said{}
	}
	s := t.steps[m[1]]
	if s == nil {
		s = &said{}
		t.steps[m[1]] = s
	}
	if why, failed := strings.CutPrefix(m[2], "ERROR: "); failed {
		t.fail(s, why)
		return
	}
	if output := regexp.MustCompile(`^\d+\.\d+ (.*)$`).FindStringSubmatch(m[2]); output != nil {
		s.tail = keep(s.tail, output[1])
		return
	}
	if name := regexp.MustCompile(`^\[[^\]]*\d+/\d+\] (.*)$`).FindStringSubmatch(m[2]); name != nil {
		s.name = name[1]
	} else if s.name == "" {
		s.name = m[2]
	}
}

func (t *transcript) fail(s *said, why string) {
	if t.failed != nil || strings.HasPrefix(why, "context canceled") || why == "CANCELED" {
		return
	}
	t.failed = &build.StepError{Step: s.name, Tail: s.tail}
	code := regexp.MustCompile(`exit code: (\d+)`).FindStringSubmatch(why)
	if code == nil {
		t.failed.Tail = keep(s.tail, why)
		return
	}
	// Digits; a code that is no int stays 0.
	t.failed.Code, _ = strconv.Atoi(code[1])
}

func keep(lines []string, line string) []string {
	if strings.TrimSpace(line) == "" {
		return lines
	}
	lines = append(lines, line)
	return lines[max(0, len(lines)-tail):]
}
