// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"maps"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// bases are the images that a Dockerfile starts from or takes files of, as it names
// them, with its ARGs replaced. A Dockerfile that is wrong has none: the builder
// tells it.
func bases(dockerfile string, arguments map[string]string) []string {
	parsed, err := parser.Parse(strings.NewReader(dockerfile))
	if err != nil {
		return nil
	}
	stages, meta, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil
	}
	words, known := shell.NewLex(parsed.EscapeToken), values{}
	for _, command := range meta {
		for _, arg := range command.Args {
			if arg.Value != nil {
				known[arg.Key], _, _ = words.ProcessWord(*arg.Value, known)
			}
			if given, ok := arguments[arg.Key]; ok {
				known[arg.Key] = given
			}
		}
	}
	// What needs no look-up: stages, and images that are found already.
	names := map[string]bool{"": true, "scratch": true}
	var found []string
	for _, stage := range stages {
		from, _, err := words.ProcessWord(stage.BaseName, known)
		if err != nil {
			from = ""
		}
		for _, image := range append([]string{from}, lenders(stage)...) {
			if _, number := strconv.Atoi(image); number != nil && !names[strings.ToLower(image)] {
				found = append(found, image)
				names[strings.ToLower(image)] = true
			}
		}
		names[strings.ToLower(stage.Name)] = true
	}
	return found
}

// lenders are the images and stages that the steps of a stage take files of.
func lenders(stage instructions.Stage) []string {
	var found []string
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			found = append(found, c.From)
		case *instructions.RunCommand:
			for _, mount := range instructions.GetMounts(c) {
				found = append(found, mount.From)
			}
		}
	}
	return found
}

// values are those of ARGs.
type values map[string]string

// Get finds one.
func (v values) Get(name string) (string, bool) { value, ok := v[name]; return value, ok }

// Keys are the names of all.
func (v values) Keys() []string {
	var keys []string
	for key := range maps.Keys(v) {
		keys = append(keys, key)
	}
	return keys
}
