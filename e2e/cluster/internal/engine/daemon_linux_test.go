// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestRemoveStale(t *testing.T) {
	self, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	own := strings.TrimSpace(string(self))
	for name, test := range map[string]struct {
		content, program string
		kept             bool
	}{
		"the_process_runs":       {strconv.Itoa(os.Getpid()), own, true},
		"another_has_the_number": {strconv.Itoa(os.Getpid()), "dockerd", false},
		"no_such_process":        {"999999999", own, false},
		"half_a_file":            {"", own, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			if err := os.WriteFile(file, []byte(test.content+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := removeStale(file, test.program); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) == test.kept {
				t.Errorf("kept: %v, want %v", !test.kept, test.kept)
			}
		})
	}
	if err := removeStale(filepath.Join(t.TempDir(), "none"), own); err != nil {
		t.Errorf("without a file: %v", err)
	}
}
