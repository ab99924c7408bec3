// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package printer writes endpoints, versions and their status as kubectl
// writes its own objects. It fetches nothing.
package printer

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"
)

// Format is a way to write an answer.
type Format string

// The formats there are.
const (
	Table Format = ""
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
	Name  Format = "name"
)

// ParseFormat returns the format called s. It refuses any that is not among
// the allowed ones, which the error names.
func ParseFormat(s string, allowed ...Format) (Format, error) {
	if slices.Contains(allowed, Format(s)) || s == "" {
		return Format(s), nil
	}
	names := make([]string, 0, len(allowed))
	for _, f := range allowed {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("output format %q is not known here: write one of %s", s, strings.Join(names, ", "))
}

// Listing is an answer that can be written in every format.
type Listing struct {
	// Columns and Rows are the table; columns that are Wide show with -o wide only.
	Columns []Column
	Rows    [][]any
	// Names are what -o name writes, a line each.
	Names []string
	// Object is what -o json and -o yaml write.
	Object any
	// Empty is written to the error stream instead of a table without rows.
	Empty string
	// Note is written to the error stream below a table.
	Note string
}

// Column is a table's column.
type Column struct {
	Name string
	Wide bool
}

// Print writes l to out in the format given. With a table, l.Note goes to
// errOut, or l.Empty and nothing else where there are no rows.
func (l Listing) Print(out, errOut io.Writer, f Format) error {
	switch f {
	case JSON:
		return WriteJSON(out, l.Object)
	case YAML:
		return WriteYAML(out, l.Object)
	case Name:
		for _, name := range l.Names {
			if _, err := fmt.Fprintln(out, name); err != nil {
				return err
			}
		}
		return nil
	case Table, Wide:
	}
	if len(l.Rows) == 0 {
		_, err := fmt.Fprintln(errOut, l.Empty)
		return err
	}
	if err := printers.NewTablePrinter(printers.PrintOptions{Wide: f == Wide}).PrintObj(l.table(), out); err != nil {
		return err
	}
	if l.Note == "" {
		return nil
	}
	_, err := fmt.Fprintln(errOut, l.Note)
	return err
}

func (l Listing) table() *metav1.Table {
	t := &metav1.Table{}
	for _, c := range l.Columns {
		column := metav1.TableColumnDefinition{Name: c.Name, Type: "string"}
		if c.Wide {
			column.Priority = 1
		}
		t.ColumnDefinitions = append(t.ColumnDefinitions, column)
	}
	for _, row := range l.Rows {
		t.Rows = append(t.Rows, metav1.TableRow{Cells: row})
	}
	return t
}

// WriteJSON writes v as indented JSON with a line end.
func WriteJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// WriteYAML writes v as YAML, its fields named as in JSON.
func WriteYAML(out io.Writer, v any) error {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
