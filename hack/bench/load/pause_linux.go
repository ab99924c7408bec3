// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package load

import (
	"syscall"
	"time"
)

// pause sleeps without Go's timers, which wake an idle process at whole milliseconds only.
func pause(d time.Duration) {
	span := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&span, nil)
}
