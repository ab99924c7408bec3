// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package amlv1 reads the files of Azure ML v1: inferenceconfig.json,
// deploymentconfig.json, the folder of an environment and .amlignore.
//
// A file is read to its end: every finding of a file comes back at once, with
// the line and column it stands at and what to write instead. What Azure ML v1
// accepted is accepted, except where Kubernetes could not do it; such a
// refusal says so.
package amlv1

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Finding is one thing about a file that its writer should know.
type Finding struct {
	// File is the name the file was read under; empty when the value did not
	// come from a file.
	File string
	// Line and Column count from 1; Column counts characters. Both are 0 when
	// the finding is about no place in particular.
	Line, Column int
	// Field is the path of the key, such as autoScaler.minReplicas. Empty for
	// the file as a whole.
	Field string
	// Warning is set when the file can be used all the same.
	Warning bool
	// Message is one line: the rule, what was found, what to write instead.
	Message string
}

// String gives the finding as one line, "file:line:column: field: message",
// leaving out the parts that are empty.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			b.WriteString(":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column))
		}
		b.WriteString(": ")
	}
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Error is String, so that a finding can stand among errors.
func (f Finding) Error() string { return f.String() }

// Findings are all findings of a file, in the order of their places.
type Findings []Finding

// Err joins the findings that are not warnings into one error, a line each;
// nil when there are none. errors.As gets a Finding out of it.
func (fs Findings) Err() error {
	var errs []error
	for _, f := range fs {
		if !f.Warning {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

// Warnings returns the findings that do not stop anything.
func (fs Findings) Warnings() Findings {
	var w Findings
	for _, f := range fs {
		if f.Warning {
			w = append(w, f)
		}
	}
	return w
}

// sorted returns the findings by place, those without a place last.
func (fs Findings) sorted() Findings {
	out := slices.Clone(fs)
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(b2i(a.Line == 0), b2i(b.Line == 0)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// place is where something stands in a file; line 0 is nowhere.
type place struct{ line, column int }

// source is the file that a config was read from. It lets findings made after
// reading (cross-field rules, missing files) point at the key they are about.
type source struct {
	file   string
	places map[string]place
	// given holds what each field was read as, to tell whether the value was
	// replaced since, by a flag for example.
	given map[string]string
	// refused are the fields whose value was not taken.
	refused map[string]bool
	// flags are the fields whose value came from a flag, with its name.
	flags map[string]string
}

func newSource(file string) *source {
	return &source{file: file, places: map[string]place{}, given: map[string]string{},
		refused: map[string]bool{}, flags: map[string]string{}}
}

// isRefused tells whether a field is empty because its value was not taken.
func (s *source) isRefused(field string) bool { return s != nil && s.refused[field] }

// finding makes a finding about a field, or about the flag that went before it.
// When the field is not in the file, the nearest object around it is pointed
// at.
func (s *source) finding(field, message string) Finding {
	f := Finding{Field: field, Message: message}
	if s == nil {
		return f
	}
	if flag := s.flags[field]; flag != "" {
		f.Field = flag
		return f
	}
	f.File = s.file
	for path := field; ; path = parent(path) {
		if p, ok := s.places[path]; ok {
			f.Line, f.Column = p.line, p.column
			return f
		}
		if path == "" {
			return f
		}
	}
}

// warning is finding for what does not stop anything.
func (s *source) warning(field, message string) Finding {
	f := s.finding(field, message)
	f.Warning = true
	return f
}

// valueFinding is finding for a field whose value may have been replaced after
// reading: then the file is not to blame and is not named.
func (s *source) valueFinding(field, value, message string) Finding {
	if s == nil || s.given[field] != value {
		return Finding{Field: field, Message: message}
	}
	return s.finding(field, message)
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return ""
	}
	return path[:i]
}
