// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package table prints the tables of benchmarks.
package table

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print aligns the cells of lines, which are separated by tabs, and leaves no spaces at their ends.
func Print(out io.Writer, fill func(w io.Writer)) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fill(w)
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
