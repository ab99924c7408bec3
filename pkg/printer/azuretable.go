// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// table writes tables as az does.
type table struct {
	orders orders
	// given says that a query was asked, so that columns stay in its order;
	// otherwise they are sorted.
	given bool
}

// cell is a named field of a row.
type cell struct{ column, text string }

// write writes a row for each element of a list, or one for anything else. An
// object's fields are columns, but for those that are null, objects, lists, or
// called id, type or etag. Without a column there is an empty line.
func (t table) write(out *bytes.Buffer, value any) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var columns []string
	var rows [][]cell
	for _, element := range list {
		row := t.row(element)
		for _, c := range row {
			if !slices.Contains(columns, c.column) {
				columns = append(columns, c.column)
			}
		}
		rows = append(rows, row)
	}
	if len(columns) == 0 {
		fmt.Fprintln(out)
		return
	}
	writeColumns(out, columns, rows)
}

func (t table) row(element any) []cell {
	switch element := element.(type) {
	case map[string]any:
		return t.fields(element)
	case []any:
		var row []cell
		for i, one := range element {
			row = append(row, cell{fmt.Sprintf("Column%d", i+1), t.text(one)})
		}
		return row
	}
	return []cell{{"Result", t.text(element)}}
}

func (t table) fields(object map[string]any) []cell {
	o := t.orders
	if !t.given {
		o = orders{}
	}
	var row []cell
	for _, key := range o.keys(object) {
		switch object[key].(type) {
		case nil, []any, map[string]any:
			continue
		}
		if !slices.Contains([]string{"id", "type", "etag"}, key) {
			row = append(row, cell{capital(key), t.text(object[key])})
		}
	}
	return row
}

func capital(key string) string {
	first, size := utf8.DecodeRuneInString(key)
	if size == 0 {
		return key
	}
	return string(unicode.ToUpper(first)) + key[size:]
}

func (t table) text(v any) string {
	if v == nil {
		return ""
	}
	return strings.TrimSpace(python(v, t.orders))
}

// writeColumns aligns everything to the left, two spaces apart. A column is at
// least two wider than its name.
func writeColumns(out *bytes.Buffer, columns []string, rows [][]cell) {
	widths, rules := make([]int, len(columns)), make([]string, len(columns))
	var lines [][]string
	for _, row := range rows {
		lines = append(lines, spread(columns, row)...)
	}
	for i, column := range columns {
		widths[i] = utf8.RuneCountInString(column) + 2
		for _, line := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		rules[i] = strings.Repeat("-", widths[i])
	}
	for _, line := range append([][]string{columns, rules}, lines...) {
		var text strings.Builder
		for i, word := range line {
			text.WriteString(word + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(word)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(text.String(), " "))
	}
}

// spread puts a row's texts under their columns, in as many lines as the
// longest of them has.
func spread(columns []string, row []cell) [][]string {
	lines := [][]string{make([]string, len(columns))}
	for _, c := range row {
		at := slices.Index(columns, c.column)
		for i, text := range strings.Split(c.text, "\n") {
			if i == len(lines) {
				lines = append(lines, make([]string, len(columns)))
			}
			lines[i][at] = text
		}
	}
	return lines
}
