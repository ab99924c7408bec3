// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// TestMain collects garbage less often: the tests render charts all the time and
// keep next to nothing.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// hurry is the real clock, but what is waited for is over at once.
type hurry struct {
	clock.RealClock
	mu      sync.Mutex
	skipped time.Duration
}

func (h *hurry) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.RealClock.Now().Add(h.skipped)
}

func (h *hurry) Since(t time.Time) time.Duration { return h.Now().Sub(t) }

func (h *hurry) After(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	h.skipped += d
	h.mu.Unlock()
	over := make(chan time.Time, 1)
	over <- h.Now()
	return over
}
