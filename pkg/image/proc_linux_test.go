// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Files of /proc tell a size of 0, whatever is in them.
func TestFilesThatTellNoSizeAreRefused(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/proc/self/status":  "/proc/PID/status holds more or less than its size says: put a copy of it in its place",
		"/proc/self/mem":     "/proc/PID/mem cannot be read: input/output error",
		"/proc/self/environ": "/proc/PID/environ holds more or less than its size says: put a copy of it in its place",
	} {
		_, err := newLayer(t.Context(), content{entries: must(modelEntries(Model{"odd", 1, file}))}, false)
		real := must(filepath.EvalSymlinks(file))
		equal(t, "error", err, strings.ReplaceAll(want, "/proc/PID", filepath.Dir(real)))
	}
}

func TestAFileThatMayNotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	dir, src := project(t)
	file := filepath.Join(dir, "models/model.pkl")
	must(0, os.Chmod(file, 0))
	entries := must(modelEntries(src.Models[0]))
	failed := make(chan error)
	go func() {
		// Root may read everything, so this thread is somebody else for files. It
		// ends with the goroutine.
		runtime.LockOSThread()
		_ = syscall.Setfsuid(65534) // fails for who is not root, and needs not
		_, err := newLayer(t.Context(), content{entries: entries}, false)
		failed <- err
	}()
	equal(t, "error", <-failed, file+" cannot be read: permission denied")
}
