// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bytes"
	"context"
	_ "embed" // for script.py
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

//go:embed script.py
var scriptCheck string

// script is an entry script that the Python of this machine looks at.
type script struct {
	python string
	code   amlv1.Code
	// shown is the name of the script in findings.
	shown string
}

// check compiles the script. Nothing of it is executed.
func (s script) check(ctx context.Context) (amlv1.Findings, error) {
	return s.ask(ctx, "check", s.code.Script)
}

// load imports the script, as the scoring server does: what stands at its top
// is executed.
func (s script) load(ctx context.Context) (amlv1.Findings, error) {
	args := []string{"import", s.code.Script, filepath.Dir(s.code.Script)}
	if s.code.Directory != "" {
		args = append(args, s.code.Directory)
	}
	return s.ask(ctx, args...)
}

func (s script) ask(ctx context.Context, args ...string) (amlv1.Findings, error) {
	isolated := "-I" // no variables of Python, no packages of the user, not the working directory
	if args[0] == "import" {
		isolated = "-B"
	}
	c := exec.CommandContext(ctx, s.python, append([]string{isolated, "-c", scriptCheck}, args...)...)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if s.code.Directory != "" {
		c.Dir = s.code.Directory
	}
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s could not look at %s: %w: %s: run it by hand to see why", s.python, s.shown, err,
			lastWords(errOut.String()))
	}
	var findings amlv1.Findings
	for line := range strings.Lines(out.String()) {
		var said struct {
			Line, Column int
			Message      string
			Warning      bool
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			return nil, fmt.Errorf("%s answered %q about %s: is it Python 3?", s.python, strings.TrimSpace(line), s.shown)
		}
		findings = append(findings, amlv1.Finding{File: s.shown, Line: said.Line, Column: max(said.Column, min(said.Line, 1)),
			Message: said.Message, Warning: said.Warning})
	}
	return findings, nil
}

func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
