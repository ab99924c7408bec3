// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

func TestMeasure(t *testing.T) {
	t.Parallel()
	t.Run("every_command_is_counted_once_a_round", func(t *testing.T) {
		t.Parallel()
		times, err := measure(t.Context(), clock.RealClock{}, 3, []string{"true"}, []string{"true"})
		if err != nil {
			t.Fatal(err)
		}
		if len(times) != 2 || len(times[0]) != 3 || len(times[1]) != 3 {
			t.Errorf("got %v, want 3 times for each of 2 commands", times)
		}
	})
	t.Run("a_command_that_fails_is_named_with_what_it_said", func(t *testing.T) {
		t.Parallel()
		_, err := measure(t.Context(), clock.RealClock{}, 1, []string{"sh", "-c", "echo no cluster; exit 3"})
		if err == nil || !strings.Contains(err.Error(), "exit status 3\nno cluster") {
			t.Errorf("got %v", err)
		}
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	ms := func(times ...time.Duration) []time.Duration {
		for i := range times {
			times[i] *= time.Millisecond
		}
		return times
	}
	const want = `3 rounds
                             least    median
kubectl-aml version          20 ms     30 ms
kubectl version --client     40 ms     50 ms
ratio                         0.50      0.60
`
	if got := report(3, timed{"kubectl-aml version", ms(20, 30, 90)}, timed{"kubectl version --client", ms(40, 50, 60)}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
