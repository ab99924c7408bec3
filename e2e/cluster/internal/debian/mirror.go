// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package debian makes a Debian root file system, and finds in it the files
// that some packages need.
package debian

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source is one place that apt is told to take packages from.
type source struct {
	uri    string
	suites []string
}

// Mirror returns the address from which the apt configuration below etc (as
// /etc/apt) takes the suite.
func Mirror(etc, suite string) (string, error) {
	files, err := filepath.Glob(filepath.Join(etc, "sources.list.d", "*"))
	if err != nil {
		return "", err
	}
	var sources []source
	for _, file := range append([]string{filepath.Join(etc, "sources.list")}, files...) {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // no sources.list, or one that only apt may read
		}
		switch filepath.Ext(file) {
		case ".list":
			sources = append(sources, parseList(string(content))...)
		case ".sources":
			sources = append(sources, parseDeb822(string(content))...)
		}
	}
	for _, s := range sources {
		if slices.Contains(s.suites, suite) {
			return s.uri, nil
		}
	}
	return "", fmt.Errorf("no apt source below %s has Debian's %s: add one", etc, suite)
}

// parseList reads the one-line form: deb [options] uri suite component…
func parseList(content string) []source {
	var sources []source
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		if open, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(strings.TrimSpace(open), "[") {
			rest = after
		}
		if fields := strings.Fields(rest); len(fields) >= 2 {
			sources = append(sources, source{fields[0], fields[1:2]})
		}
	}
	return sources
}

// parseDeb822 reads the form in paragraphs of "Field: value" lines.
func parseDeb822(content string) []source {
	var sources []source
	for paragraph := range strings.SplitSeq(content, "\n\n") {
		fields := fieldsOf(paragraph)
		if !slices.Contains(strings.Fields(fields["types"]), "deb") || fields["enabled"] == "no" {
			continue
		}
		for _, uri := range strings.Fields(fields["uris"]) {
			sources = append(sources, source{uri, strings.Fields(fields["suites"])})
		}
	}
	return sources
}

// fieldsOf are the fields of a deb822 paragraph, by lower-case name, a value's
// further lines joined to it.
func fieldsOf(paragraph string) map[string]string {
	fields, last := map[string]string{}, ""
	for line := range strings.SplitSeq(paragraph, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " "), strings.HasPrefix(line, "\t"):
			fields[last] += " " + strings.TrimSpace(line)
		default:
			if name, value, ok := strings.Cut(line, ":"); ok {
				last = strings.ToLower(name)
				fields[last] = strings.TrimSpace(value)
			}
		}
	}
	return fields
}
