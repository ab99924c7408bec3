// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// sizeEvery is how often a terminal is asked whether its size has changed.
const sizeEvery = 250 * time.Millisecond

// view chooses how a watch is shown: in place on a terminal, line by line
// elsewhere.
func (o *options) view(f printer.Format, w watchOptions) view {
	p := paper{o: o}
	switch f {
	case printer.JSON:
		return &stream{paper: p, write: func(out io.Writer, t status.Tree) error { return json.NewEncoder(out).Encode(t) }}
	case printer.YAML:
		return &stream{paper: p, write: func(out io.Writer, t status.Tree) error {
			if _, err := fmt.Fprintln(out, "---"); err != nil {
				return err
			}
			return printer.WriteYAML(out, t)
		}}
	case printer.Table, printer.Wide, printer.Name:
	}
	if _, _, ok := o.terminal(); ok && o.Getenv("TERM") != "dumb" {
		return &display{o: o, watchOptions: w, screen: printer.Screen{Out: o.Streams.Out}}
	}
	return &blocks{paper: p, retold: w.window}
}

// terminal is the size of the terminal that the answer goes to; not ok if it
// goes elsewhere.
func (o *options) terminal() (width, height int, ok bool) {
	if o.Terminal != nil {
		return o.Terminal()
	}
	file, isFile := o.Streams.Out.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	return width, height, err == nil && width > 0 && height > 0
}

// nowhere shows nothing.
type nowhere struct{}

func (nowhere) show(status.Tree) error              { return nil }
func (nowhere) trouble(error) error                 { return nil }
func (nowhere) wait(context.Context, time.Duration) {}
func (nowhere) close() error                        { return nil }

// paper is what a watch has in common where nothing can be taken back.
type paper struct {
	nowhere
	o *options
	// said is the trouble told last, empty if there is none.
	said string
}

//nolint:unparam // a view may fail to show it
func (p *paper) trouble(err error) error {
	if message := Message(err); message != p.said {
		p.said = message
		p.o.tell("note: could not look, trying again: %s", message)
	}
	return nil
}

func (p *paper) well() {
	if p.said != "" {
		p.said = ""
		p.o.tell("note: could look again")
	}
}

func (p *paper) wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-p.o.Clock.After(d):
	}
}

// stream writes a document for each look.
type stream struct {
	paper
	write func(io.Writer, status.Tree) error
}

func (s *stream) show(t status.Tree) error {
	s.well()
	return s.write(s.o.Streams.Out, t)
}

// blocks writes the tree again when a state, a share that is set or a note has
// changed, when something is measured for the first time, and after the time
// retold if only numbers have changed.
type blocks struct {
	paper
	retold      time.Duration
	facts, text string
	at          time.Time
	// shares and times say that such were measured once.
	shares, times bool
}

func (b *blocks) show(t status.Tree) error {
	b.well()
	facts, err := b.factsOf(t)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := printer.Tree(&text, t, printer.TreeOptions{Traffic: true}); err != nil {
		return err
	}
	if facts == b.facts && (text.String() == b.text || t.Time.Sub(b.at) < b.retold) {
		return nil
	}
	between := "\n"
	if b.at.IsZero() {
		between = ""
	}
	b.facts, b.text, b.at = facts, text.String(), t.Time
	_, err = fmt.Fprintf(b.o.Streams.Out, "%s%s\n\n%s", between, heading(t), text.String())
	return err
}

// factsOf is a tree without the numbers that move by themselves.
func (b *blocks) factsOf(t status.Tree) (string, error) {
	t.Time, t.Seconds, t.Measured = time.Time{}, 0, nil
	t.Versions = slices.Clone(t.Versions)
	for i, v := range t.Versions {
		b.shares = b.shares || v.Measured != nil && v.Measured.Share != nil
		b.times = b.times || v.Measured != nil && v.Measured.P50 != nil
		t.Versions[i].Measured = nil
	}
	facts, err := json.Marshal([]any{t, b.shares, b.times})
	return string(facts), err
}

// heading is the line above a tree.
func heading(t status.Tree) string {
	parts := []string{"endpoint " + t.Endpoint, "namespace " + t.Namespace, t.Time.Format(time.TimeOnly)}
	if t.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("measured over %.0fs", t.Seconds))
	}
	return strings.Join(parts, ", ")
}

// display shows the tree on a terminal, each in the place of the one before.
type display struct {
	o *options
	watchOptions
	screen        printer.Screen
	open          bool
	tree          status.Tree
	problem       string
	width, height int
}

func (d *display) show(t status.Tree) error {
	d.tree, d.problem = t, ""
	return d.draw()
}

func (d *display) trouble(err error) error {
	d.problem = Message(err)
	return d.draw()
}

func (d *display) draw() error {
	if !d.open {
		if err := d.screen.Open(); err != nil {
			return err
		}
		d.open = true
	}
	if width, height, ok := d.o.terminal(); ok {
		d.width, d.height = width, height
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	return d.screen.Show(text, d.height)
}

func (d *display) text() (string, error) {
	head := fmt.Sprintf("%s, every %s, Ctrl-C ends", heading(d.tree), d.interval)
	if d.problem != "" {
		head = fmt.Sprintf("%s: could not look, trying again: %s", heading(d.tree), d.problem)
	}
	var text strings.Builder
	err := printer.Tree(&text, d.tree, printer.TreeOptions{Heading: head, Traffic: true,
		Colour: d.o.Getenv("NO_COLOR") == "", Width: d.width})
	return text.String(), err
}

// wait waits in small steps: the size of a terminal may change.
func (d *display) wait(ctx context.Context, rest time.Duration) {
	for ; rest > 0; rest -= sizeEvery {
		select {
		case <-ctx.Done():
			return
		case <-d.o.Clock.After(min(rest, sizeEvery)):
		}
		if width, height, ok := d.o.terminal(); ok && (width != d.width || height != d.height) {
			if err := d.draw(); err != nil {
				return // the next look meets it too
			}
		}
	}
}

// close gives the terminal back and leaves what was shown last on it.
func (d *display) close() error {
	if !d.open {
		return nil
	}
	d.open = false
	if err := d.screen.Close(); err != nil {
		return err
	}
	var text strings.Builder
	if err := printer.Tree(&text, d.tree, printer.TreeOptions{Heading: heading(d.tree), Traffic: true,
		Colour: d.o.Getenv("NO_COLOR") == "", Width: d.width}); err != nil {
		return err
	}
	_, err := io.WriteString(d.o.Streams.Out, text.String())
	return err
}
