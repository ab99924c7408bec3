// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"io"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// TreeOptions say how a tree is written.
type TreeOptions struct {
	// Heading stands above the tree.
	Heading string
	// Traffic adds the columns of what was measured; ACTUAL is the measured share
	// then, and without it the one that the routers say they run.
	Traffic bool
	// Colour gives states their colours.
	Colour bool
	// Width is that of the terminal: what is longer is cut, notes are broken, and
	// a sign before each name stands for a state that is cut. 0 is as wide as
	// needed.
	Width int
}

// Tree writes an endpoint as a tree: the router or route and the versions, their
// ReplicaSets and pods, each with its state and, when that is not Ready, why.
func Tree(out io.Writer, t status.Tree, o TreeOptions) error {
	g := grid{o: o, rows: []row{{cells: o.header()}}}
	g.add(entry{name: "endpoint/" + t.Endpoint, measured: t.Measured, state: t.Verdict.State, says: brief(t.Verdict)})
	if t.Route != nil {
		g.add(entry{indent: branchTo(len(t.Versions) == 0), name: "route to gateway " + t.Route.Gateway,
			state: t.Route.Verdict.State, says: full(t.Route.Verdict), leaf: true})
	} else {
		g.workload(entry{name: "router"}, t.Router, len(t.Versions) == 0)
	}
	for i, v := range t.Versions {
		e := entry{name: "version/" + v.Name, set: Percent(v.Effective), actual: Percent(v.Actual), measured: v.Measured}
		if v.Default {
			e.name += " (default)"
		}
		if o.Traffic {
			e.measure()
		}
		g.workload(e, v.Workload, i == len(t.Versions)-1)
	}
	heading := ""
	if o.Heading != "" {
		heading = wrap(o.Heading, o.Width) + "\n\n"
	}
	_, err := io.WriteString(out, heading+g.text()+notes(t, g.untold(), o.Width))
	return err
}

func (o TreeOptions) header() []string {
	if o.Traffic {
		return []string{"NAME", "SET", "ACTUAL", "READY", "RPS", "P50", "P99", "5XX", "QUEUE", "STATUS"}
	}
	return []string{"NAME", "SET", "ACTUAL", "READY", "STATUS"}
}

// entry is one object of the tree.
type entry struct {
	// indent is the branches that lead to it.
	indent, name, set, actual, ready string
	// measured is nil for what nothing is measured of.
	measured *status.Measured
	state    status.State
	says     string
	// leaf says that the state is told here and nowhere else.
	leaf bool
}

// measure makes the measured share the actual one.
func (e *entry) measure() {
	if e.measured == nil {
		e.measured = &status.Measured{}
	}
	e.actual = share(e.measured.Share)
}

func (g *grid) add(e entry) {
	if g.o.Width > 0 {
		e.indent += sign(e.state) + " "
	}
	r := row{cells: []string{e.indent + e.name, e.set, e.actual, e.ready}, state: e.state}
	if e.leaf {
		r.object = e.name
	}
	switch {
	case g.o.Traffic && e.measured != nil:
		r.cells = append(r.cells, measuredCells(*e.measured)...)
		r.doubted = e.measured.Share != nil && e.measured.Share.Doubted
	case g.o.Traffic:
		r.cells = append(r.cells, "", "", "", "", "")
	}
	r.cells = append(r.cells, e.says)
	g.rows = append(g.rows, r)
}

func branchTo(last bool) string {
	if last {
		return "└── "
	}
	return "├── "
}

// workload adds the router or a version with what it owns.
func (g *grid) workload(e entry, load status.Workload, last bool) {
	branch, under := "├── ", "│   "
	if last {
		branch, under = "└── ", "    "
	}
	e.indent, e.ready = branch, fraction(int(load.Ready), int(load.Desired))
	e.state, e.says, e.leaf = load.Verdict.State, above(load.Verdict, len(load.Sets)), len(load.Sets) == 0
	g.add(e)
	for i, s := range load.Sets {
		g.replicaSet(under, s, i == len(load.Sets)-1)
	}
}

func (g *grid) replicaSet(indent string, s status.Set, last bool) {
	branch, under := "├── ", "│   "
	if last {
		branch, under = "└── ", "    "
	}
	g.add(entry{indent: indent + branch, name: "replicaset/" + s.Name, ready: fraction(int(s.Ready), int(s.Desired)),
		state: s.Verdict.State, says: above(s.Verdict, len(s.Pods)), leaf: len(s.Pods) == 0})
	for i, p := range s.Pods {
		twig := "├── "
		if i == len(s.Pods)-1 {
			twig = "└── "
		}
		count := "0/1"
		if p.Ready {
			count = "1/1"
		}
		g.add(entry{indent: indent + under + twig, name: "pod/" + p.Name, ready: count,
			state: p.Verdict.State, says: full(p.Verdict), leaf: true})
	}
}

// above is the state of what has children: the sentence stands with the child.
func above(v status.Verdict, children int) string {
	if children > 0 {
		return brief(v)
	}
	return full(v)
}

func brief(v status.Verdict) string {
	if v.State == status.Ready || v.Reason == "" {
		return string(v.State)
	}
	return string(v.State) + ": " + v.Reason
}

func full(v status.Verdict) string {
	if v.State == status.Ready || v.Message == "" {
		return brief(v)
	}
	return string(v.State) + ": " + v.Message
}

// notes are what does not decide a state but a reader should know, after the
// states that were cut.
func notes(t status.Tree, untold []string, width int) string {
	lines := slices.Concat(untold, t.Notes)
	for _, change := range t.Drift {
		lines = append(lines, change.String())
	}
	for _, v := range t.Versions {
		for _, note := range v.Notes {
			lines = append(lines, v.Name+": "+note)
		}
	}
	for _, note := range t.Router.Notes {
		lines = append(lines, "router: "+note)
	}
	if len(lines) == 0 {
		return ""
	}
	for i, line := range lines {
		lines[i] = wrap("note: "+line, width)
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

// wrap breaks a line between words so that it fits the width, 0 for any.
func wrap(line string, width int) string {
	if width <= 0 {
		return line
	}
	var lines []string
	for _, word := range strings.Fields(line) {
		if n := len(lines); n > 0 && columns(lines[n-1])+1+columns(word) <= width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return strings.Join(lines, "\n")
}
