// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"fmt"
	"strings"
)

// StepError says that a step of a Dockerfile failed.
type StepError struct {
	// Step is the instruction, as it was written.
	Step string
	// Code the command ended with; 0 if it is not known.
	Code int
	// Tail are the last lines that the step said.
	Tail []string
	// Advice is why it failed and what to do, if it is not what the step said.
	Advice string
}

// Error has the step in its first line, shortened to what tells it from others,
// with the advice, and what it said last below. A command that was killed has one
// in any case.
func (e *StepError) Error() string {
	ended := "failed"
	if e.Code != 0 {
		ended = fmt.Sprintf("ended with %d", e.Code)
	}
	switch {
	case e.Advice != "":
		ended += ": " + e.Advice
	case e.Code == sigkill:
		ended += ": it was killed, most likely for want of memory: give what builds more of it"
	}
	var said strings.Builder
	for _, line := range e.Tail {
		said.WriteString("\n  " + line)
	}
	return fmt.Sprintf("step %q of the build %s%s", brief(e.Step), ended, said.String())
}

// UnavailableError says that a builder cannot be used from here.
type UnavailableError struct {
	// Builder that was asked for.
	Builder string
	// Reason it cannot be used, and what to do.
	Reason string
	// Err is the cause; nil if there is none.
	Err error
}

// Error is one line.
func (e *UnavailableError) Error() string { return e.Builder + " cannot build: " + e.Reason }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }
