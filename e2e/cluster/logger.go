// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/kind/pkg/log"
)

// logger writes what kind has to say into a step's log.
type logger struct {
	out io.Writer
}

func (l logger) Warn(message string)               { l.line(message) }
func (l logger) Error(message string)              { l.line(message) }
func (l logger) Info(message string)               { l.line(message) }
func (l logger) Warnf(format string, args ...any)  { l.line(fmt.Sprintf(format, args...)) }
func (l logger) Errorf(format string, args ...any) { l.line(fmt.Sprintf(format, args...)) }
func (l logger) Infof(format string, args ...any)  { l.line(fmt.Sprintf(format, args...)) }
func (l logger) Enabled() bool                     { return true }
func (l logger) V(log.Level) log.InfoLogger        { return l }

func (l logger) line(message string) {
	_, _ = io.WriteString(l.out, strings.TrimSuffix(message, "\n")+"\n")
}
