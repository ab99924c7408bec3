// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package load

import (
	"slices"
	"time"
)

// Result is what became of all requests.
type Result struct {
	Sent    int
	Elapsed time.Duration
	// Answers are counted by status; those that failed by 0.
	Answers map[int]Times
	// Errors are the reasons of those that failed, Versions who gave the others.
	Errors, Versions map[string]int
}

// Times are those of several answers.
type Times struct {
	Count          int
	P50, P99, Most time.Duration
}

// PerSecond is how many requests were answered each second.
func (r Result) PerSecond() float64 { return float64(r.Sent) / r.Elapsed.Seconds() }

func summarise(gathered [][]Answer, elapsed time.Duration) Result {
	result := Result{Elapsed: elapsed, Answers: map[int]Times{}, Errors: map[string]int{}, Versions: map[string]int{}}
	byStatus := map[int][]time.Duration{}
	for _, answer := range slices.Concat(gathered...) {
		result.Sent++
		byStatus[answer.Status] = append(byStatus[answer.Status], answer.Took)
		if answer.Err != nil {
			result.Errors[answer.Err.Error()]++
		} else {
			result.Versions[answer.Version]++
		}
	}
	for status, took := range byStatus {
		slices.Sort(took)
		result.Answers[status] = Times{
			Count: len(took), P50: quantile(took, 0.5), P99: quantile(took, 0.99), Most: took[len(took)-1],
		}
	}
	return result
}

// quantile is the least of the sorted times that a share of them does not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
