// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// fewChanges is how many changes a row of a history tells one by one.
const fewChanges = 3

// Revision is what is told of a revision of an endpoint. Its JSON names are kept
// stable: scripts read them.
type Revision struct {
	Endpoint    string    `json:"endpoint"`
	Revision    int       `json:"revision"`
	Updated     time.Time `json:"updated"`
	Status      string    `json:"status"`
	By          string    `json:"by"`
	Chart       string    `json:"chart"`
	Description string    `json:"description"`
	// Traffic is the effective split in percent; nil if the revision cannot be read.
	Traffic map[string]float64 `json:"effectiveTraffic"`
	// Split is the same as people read it.
	Split string `json:"-"`
	// Changes are those since what was in force before.
	Changes []RevisionChange `json:"changes"`
}

// RevisionChange is a change with the line that tells it.
type RevisionChange struct {
	endpoint.Change
	Text string `json:"text"`
}

// RevisionDetail is a revision with all that it holds.
type RevisionDetail struct {
	Revision
	Versions []Version      `json:"versions"`
	Values   map[string]any `json:"values"`
}

// Revisions lists the history of an endpoint.
func Revisions(list []Revision) Listing {
	l := Listing{
		Columns: []Column{{Name: "Revision"}, {Name: "Updated"}, {Name: "Status"}, {Name: "By"}, {Name: "Chart"},
			{Name: "Traffic"}, {Name: "Change"}, {Name: "Description", Wide: true}},
		Object: items(list),
		Empty:  "No revisions found.",
	}
	for _, r := range list {
		l.Rows = append(l.Rows, []any{r.Revision, utc(r.Updated), r.Status, orNone(r.By), r.Chart, orNone(r.Split),
			r.change(), r.Description})
		l.Names = append(l.Names, r.name())
	}
	return l
}

// Print writes all that the revision holds in the format given.
func (d RevisionDetail) Print(out, errOut io.Writer, f Format) error {
	if f == JSON || f == YAML || f == Name {
		return Listing{Object: d, Names: []string{d.name()}}.Print(out, errOut, f)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "endpoint/%s with revision %d\n", d.Endpoint, d.Revision.Revision)
	for _, line := range [][2]string{{"Updated", utc(d.Updated)}, {"Status", d.Status}, {"By", orNone(d.By)},
		{"Chart", d.Chart}, {"Description", orNone(d.Description)}} {
		fmt.Fprintf(&text, "%-13s%s\n", line[0]+":", line[1])
	}
	var changes, versions, values bytes.Buffer
	for _, c := range d.Changes {
		fmt.Fprintln(&changes, c.Text)
	}
	if err := revisionVersions(d.Versions).Print(&versions, &versions, Table); err != nil {
		return err
	}
	if err := WriteYAML(&values, d.Values); err != nil {
		return err
	}
	section(&text, "Changes", changes.String())
	section(&text, "Versions", versions.String())
	section(&text, "Values", values.String())
	_, err := text.WriteTo(out)
	return err
}

// section writes lines below a title, two columns to the right.
func section(to *bytes.Buffer, title, lines string) {
	fmt.Fprintf(to, "%s:\n", title)
	for line := range strings.Lines(orNone(lines)) {
		fmt.Fprintf(to, "  %s\n", strings.TrimRight(line, "\n"))
	}
}

// revisionVersions lists versions as a revision has them, with no word on what runs.
func revisionVersions(list []Version) Listing {
	l := Listing{Columns: []Column{{Name: "Name"}, {Name: "Declared"}, {Name: "Effective"}, {Name: "Role"}, {Name: "CPU"},
		{Name: "Memory"}, {Name: "Accelerator"}, {Name: "Image"}}, Empty: "No versions found."}
	for _, v := range list {
		l.Rows = append(l.Rows, []any{v.Name, Percent(v.Declared), Percent(v.Effective), orNone(v.role()), v.CPU,
			v.Memory, orNone(v.Accelerator), v.Image})
	}
	return l
}

func (r Revision) name() string { return fmt.Sprintf("revision/%d", r.Revision) }

// change is what a row says has changed: the first changes, or what was said of
// the revision when it was made.
func (r Revision) change() string {
	if len(r.Changes) == 0 {
		return orNone(strings.Join(strings.Fields(r.Description), " "))
	}
	var texts []string
	of := "" // said once for all that follow
	for i, c := range r.Changes {
		if i == fewChanges && len(r.Changes) > fewChanges+1 {
			texts = append(texts, fmt.Sprintf("and %d more", len(r.Changes)-fewChanges))
			break
		}
		texts = append(texts, strings.TrimPrefix(c.Text, of))
		of = fmt.Sprintf("version %s: ", c.Version)
	}
	return strings.Join(texts, "; ")
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
