// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"strings"
	"time"
)

// FailedError says that something waited for will not come.
type FailedError struct {
	// Object is what was waited for: router, or version NAME.
	Object string
	// Reason is one word in CamelCase, such as CrashLoopBackOff.
	Reason string
	// Message says what happened, with the pod it happened in.
	Message string
	// Pod and Container are where, if it was in one.
	Pod, Container string
	// Logs are the last lines of that container, at most LogLines; none if it
	// has not run or they could not be read.
	Logs []string
}

// Error tells all but the log, in one line. The reason is in it as Kubernetes
// spells it, because that is what people look up.
func (e *FailedError) Error() string {
	return fmt.Sprintf("%s failed: %s: %s", e.Object, e.Reason, e.Message)
}

// TimeoutError says that what was waited for was still on its way when the time
// was up.
type TimeoutError struct {
	// After is how long was waited.
	After time.Duration
	// Waiting are the sentences, object by object, about what was missing.
	Waiting []string
	// Cause is the last error of asking the cluster, if the last look failed.
	Cause error
}

// Error tells what was missing, in one line.
func (e *TimeoutError) Error() string {
	missing := strings.Join(e.Waiting, "; ")
	if missing == "" {
		missing = "nothing was seen yet"
	}
	text := fmt.Sprintf("still progressing after %s: %s", e.After.Round(time.Second), missing)
	if e.Cause != nil {
		text += fmt.Sprintf(" (the last look failed: %v)", e.Cause)
	}
	return text
}

// Unwrap returns the error of the last look.
func (e *TimeoutError) Unwrap() error { return e.Cause }
