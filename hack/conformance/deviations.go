// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

var (
	//go:embed deviations.yaml
	deviationsFile []byte
	//go:embed heading.md
	heading string
)

// deviation is a known difference from Azure ML, with its reason.
type deviation struct {
	ID string `yaml:"id"`
	// AzureML and Here say what each of the two does, Reason why.
	AzureML string `yaml:"azureml"`
	Here    string `yaml:"here"`
	Reason  string `yaml:"reason"`
	// Matches choose the differences that are explained.
	Matches []match `yaml:"matches"`

	hits int
}

// match chooses differences by a regular expression over the finding, over the
// exceptions of Azure ML, or over the two values.
type match struct {
	Aspect  aspect `yaml:"aspect"`
	Pattern string `yaml:"pattern"`
	// Kinds are the kinds of files, as a regular expression; empty for all.
	Kinds string `yaml:"kinds"`

	pattern, kinds *regexp.Regexp
}

// readDeviations reads the list, and refuses an entry that lacks something.
func readDeviations(src []byte) ([]*deviation, error) {
	var list []*deviation
	if err := yaml.UnmarshalWithOptions(src, &list, yaml.Strict()); err != nil {
		return nil, err
	}
	var errs []error
	for _, d := range list {
		if d.ID == "" || d.AzureML == "" || d.Here == "" || d.Reason == "" || len(d.Matches) == 0 {
			errs = append(errs, fmt.Errorf("deviation %q lacks one of id, azureml, here, reason, matches", d.ID))
		}
		for i := range d.Matches {
			errs = append(errs, d.Matches[i].compile())
		}
	}
	return list, errors.Join(errs...)
}

func (m *match) compile() error {
	if m.Aspect != refused && m.Aspect != accepted && m.Aspect != configured {
		return fmt.Errorf("no aspect that can be explained: %q", m.Aspect)
	}
	if m.Pattern == "" {
		return errors.New("a pattern is missing")
	}
	var patternErr, kindsErr error
	m.pattern, patternErr = regexp.Compile(m.Pattern)
	m.kinds, kindsErr = regexp.Compile(m.Kinds)
	return errors.Join(patternErr, kindsErr)
}

// unexplained returns the differences that no deviation explains, and counts
// the others for their deviations.
func unexplained(list []*deviation, kind string, differences []difference) []difference {
	var out []difference
	for _, difference := range differences {
		if d := explanation(list, kind, difference); d != nil {
			d.hits++
			continue
		}
		out = append(out, difference)
	}
	return out
}

func explanation(list []*deviation, kind string, difference difference) *deviation {
	for _, d := range list {
		for _, m := range d.Matches {
			if m.Aspect == difference.aspect && m.kinds.MatchString(kind) && m.pattern.MatchString(difference.text) {
				return d
			}
		}
	}
	return nil
}

// document is docs/conformance.md.
func document(list []*deviation) string {
	var b strings.Builder
	b.WriteString(heading)
	for _, d := range list {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.ID, cell(d.AzureML), cell(d.Here), cell(d.Reason))
	}
	return b.String()
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
