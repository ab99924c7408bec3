// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package engine

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// capSysResource is CAP_SYS_RESOURCE's number (linux/capability.h).
const capSysResource = 24

// maySetLimits tells whether a process with this /proc/PID/status can have
// CAP_SYS_RESOURCE at all: whether it is in the bounding set.
func maySetLimits(status io.Reader) (bool, error) {
	for lines := bufio.NewScanner(status); lines.Scan(); {
		set, ok := strings.CutPrefix(lines.Text(), "CapBnd:")
		if !ok {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
		if err != nil {
			return false, fmt.Errorf("capability bounding set: %w", err)
		}
		return bits&(1<<capSysResource) != 0, nil
	}
	return false, fmt.Errorf("capability bounding set: no CapBnd line in the process status")
}
