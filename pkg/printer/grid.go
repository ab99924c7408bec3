// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

const (
	// gap is between two columns.
	gap = "  "
	// leastName and leastState are what names are not cut below in favour of
	// the other columns, and states of names.
	leastName  = 24
	leastState = 12

	readyColour       = "\x1b[32m"
	progressingColour = "\x1b[33m"
	failedColour      = "\x1b[31m"
	headerColour      = "\x1b[1m"
	doubtedColour     = "\x1b[33m"
	plainColour       = "\x1b[0m"
)

// grid is a table whose first column are names and whose last are states.
type grid struct {
	o    TreeOptions
	rows []row
}

// row is a line of it; the header has no state.
type row struct {
	cells   []string
	state   status.State
	doubted bool
	// object is what a state is told about, which is not told elsewhere.
	object string
}

// actualColumn is where the measured share is.
const actualColumn = 2

// text is the table, each line with its end.
func (g *grid) text() string {
	widths := g.widths()
	var b strings.Builder
	for _, r := range g.rows {
		b.WriteString(g.line(r, widths))
		b.WriteByte('\n')
	}
	return b.String()
}

// untold are the states that have no room in the lines: a note has.
func (g *grid) untold() []string {
	widths, used := g.widths(), 0
	for _, w := range widths[:len(widths)-1] {
		used += w + len(gap)
	}
	var states []string
	for _, r := range g.rows {
		says := r.cells[len(r.cells)-1]
		if r.object != "" && r.state != status.Ready && g.o.Width > 0 && used+columns(says) > g.o.Width {
			states = append(states, r.object+": "+says)
		}
	}
	return states
}

// widths are those of all columns. In a narrow terminal names give way first,
// then what is at the end of a line is cut.
func (g *grid) widths() []int {
	widths := make([]int, len(g.rows[0].cells))
	for _, r := range g.rows {
		for i, cell := range r.cells {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	if g.o.Width <= 0 {
		return widths
	}
	last := len(widths) - 1
	left := g.o.Width - min(widths[last], leastState) - len(gap)*last
	for _, w := range widths[1:last] {
		left -= w
	}
	widths[0] = min(widths[0], max(left, leastName))
	return widths
}

func (g *grid) line(r row, widths []int) string {
	var plain, b strings.Builder
	room := g.o.Width
	if room <= 0 {
		room = int(^uint(0) >> 1)
	}
	last := len(r.cells) - 1
	for i, cell := range r.cells {
		if i < last {
			cell = cut(cell, widths[i])
		}
		if cell = cut(cell, room-columns(plain.String())); cell == "" && i == last {
			break
		}
		plain.WriteString(cell)
		b.WriteString(g.paint(r, i, cell))
		if i == last {
			break
		}
		fill := strings.Repeat(" ", widths[i]-min(columns(cell), widths[i])) + gap
		fill = fill[:min(len(fill), max(room-columns(plain.String()), 0))]
		plain.WriteString(fill)
		b.WriteString(fill)
	}
	return strings.TrimRight(b.String(), " ")
}

// paint gives a cell its colour.
func (g *grid) paint(r row, column int, cell string) string {
	colour := ""
	switch {
	case !g.o.Colour || cell == "":
	case r.state == "":
		colour = headerColour
	case column == actualColumn && r.doubted:
		colour = doubtedColour
	case column == len(r.cells)-1:
		colour = stateColour(r.state)
	}
	if colour == "" {
		return cell
	}
	return colour + cell + plainColour
}

func stateColour(s status.State) string {
	switch s {
	case status.Ready:
		return readyColour
	case status.Failed:
		return failedColour
	case status.Progressing:
	}
	return progressingColour
}

// sign stands for a state.
func sign(s status.State) string {
	switch s {
	case status.Ready:
		return "✔"
	case status.Failed:
		return "✖"
	case status.Progressing:
	}
	return "◌"
}

// cut shortens text to a width, and says so.
func cut(text string, room int) string {
	if columns(text) <= room {
		return text
	}
	if room <= 0 {
		return ""
	}
	kept := []rune(text)
	for len(kept) > 0 && columns(string(kept)) > room-1 {
		kept = kept[:len(kept)-1]
	}
	return string(kept) + "…"
}

// columns is how wide a terminal shows text: what a model says may be in any
// script.
func columns(text string) int {
	n := 0
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
