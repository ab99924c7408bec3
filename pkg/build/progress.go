// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
)

const (
	// longest is how many bytes of a line are told.
	longest = 500
	// lastLines is how many lines of a step that fails are kept.
	lastLines = 20
	// every is how often a download is told.
	every = 10 * time.Second
)

// progress tells what a builder says, a line at a time, and keeps what is needed
// to tell why it failed. It is used by one goroutine.
type progress struct {
	log    func(string)
	hidden hidden
	steps  map[digest.Digest]*step
	order  []*step
}

// step is one vertex of the build.
type step struct {
	// number is such as "[2/4]"; empty for what is no step of the Dockerfile.
	number string
	// title is the instruction, or what the builder does.
	title string
	// started, cached and done were told.
	started, cached, done bool
	failure               string
	// rest is what was said after the last end of a line.
	rest string
	tail []string
	// moved are the bytes of each download, at is when they were told last.
	moved map[string]transfer
	at    time.Time
}

type transfer struct{ current, total int64 }

func newProgress(log func(string), secrets map[string][]byte) *progress {
	return &progress{log: log, hidden: hide(secrets), steps: map[digest.Digest]*step{}}
}

// update takes what the builder says next.
func (p *progress) update(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		p.vertex(v)
	}
	for _, v := range s.Statuses {
		p.transfer(v)
	}
	for _, l := range s.Logs {
		if s, ok := p.steps[l.Vertex]; ok {
			p.output(s, string(l.Data))
		}
	}
	for _, w := range s.Warnings {
		p.say("warning: " + string(w.Short))
	}
}

var numbered = regexp.MustCompile(`^(\[(?:[^\]]+ )?\d+/\d+\]) (?s:(.*))$`)

func (p *progress) vertex(v *client.Vertex) {
	s, ok := p.steps[v.Digest]
	if !ok {
		s = &step{title: v.Name, moved: map[string]transfer{}}
		if m := numbered.FindStringSubmatch(v.Name); m != nil {
			s.number, s.title = m[1], oneLine(m[2])
		}
		p.steps[v.Digest] = s
		p.order = append(p.order, s)
	}
	if v.Error != "" {
		s.failure = v.Error
	}
	if s.done || !s.shown() {
		return
	}
	switch {
	case v.Cached:
		s.started, s.cached, s.done = true, true, true
		p.say(s.label() + "CACHED " + brief(p.hidden.out(s.title)))
	case v.Started != nil && !s.started:
		s.started = true
		p.say(s.label() + brief(p.hidden.out(s.title)))
	}
	if v.Completed != nil && v.Started != nil && !s.cached {
		p.end(s, v)
	}
}

func (p *progress) end(s *step, v *client.Vertex) {
	s.done = true
	p.rest(s)
	took := v.Completed.Sub(*v.Started).Round(100 * time.Millisecond)
	label := s.label()
	if s.number == "" {
		label = s.title + ": "
	}
	switch {
	case strings.Contains(v.Error, "context canceled"):
		p.say(fmt.Sprintf("%sended after %s", label, took))
	case v.Error != "":
		p.say(fmt.Sprintf("%sfailed after %s", label, took))
	default:
		p.say(fmt.Sprintf("%sdone in %s", label, took))
	}
}

// shown leaves out what the builder does for itself.
func (s *step) shown() bool { return !strings.HasPrefix(s.title, "[") }

func (s *step) label() string {
	if s.number == "" {
		return ""
	}
	return s.number + " "
}

// transfer tells now and then how much of an image has come.
func (p *progress) transfer(v *client.VertexStatus) {
	s, ok := p.steps[v.Vertex]
	if !ok || !s.shown() || v.Total <= 0 {
		return
	}
	if s.at.IsZero() {
		s.at = v.Timestamp
	}
	s.moved[v.ID] = transfer{v.Current, v.Total}
	if v.Timestamp.Sub(s.at) < every {
		return
	}
	s.at = v.Timestamp
	var sum transfer
	for _, m := range s.moved {
		sum.current += m.current
		sum.total += m.total
	}
	p.say(fmt.Sprintf("%s%d MB of %d MB", s.label(), sum.current/1_000_000, sum.total/1_000_000))
}

// output takes what a step prints. A carriage return begins a line anew, as
// progress bars do: what was there before is not told.
func (p *progress) output(s *step, data string) {
	s.rest += data
	for {
		line, rest, found := strings.Cut(s.rest, "\n")
		if !found {
			break
		}
		s.rest = rest
		p.line(s, line)
	}
	s.rest = overwritten(s.rest)
	if len(s.rest) > 64*longest {
		p.rest(s)
	}
}

func (p *progress) rest(s *step) {
	if s.rest != "" {
		p.line(s, s.rest)
	}
	s.rest = ""
}

func (p *progress) line(s *step, line string) {
	line = shorten(p.hidden.out(plain(strings.TrimRight(overwritten(line), "\r"))))
	s.tail = append(s.tail, line)
	if len(s.tail) > lastLines {
		s.tail = s.tail[1:]
	}
	p.say(s.label() + "| " + line)
}

// say logs one line.
func (p *progress) say(line string) {
	p.log(shorten(p.hidden.out(line)))
}

// flush tells what steps printed last without an end of the line.
func (p *progress) flush() {
	for _, s := range p.order {
		p.rest(s)
	}
}

// failed is the step that made the build fail; nil if none did. Others are
// ended because of it.
func (p *progress) failed() *step {
	if p == nil {
		return nil
	}
	for _, s := range p.order {
		if s.failure != "" && !strings.Contains(s.failure, "context canceled") {
			return s
		}
	}
	return nil
}
