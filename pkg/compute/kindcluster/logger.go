// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/kind/pkg/log"
)

// logger tells what kind has to say, and leaves its details out.
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

// V is l for what concerns users, and nothing for more.
func (l logger) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return l
}

func (l logger) line(message string) {
	if message = strings.TrimSpace(message); message != "" {
		_, _ = io.WriteString(l.out, "kind: "+message+"\n")
	}
}
