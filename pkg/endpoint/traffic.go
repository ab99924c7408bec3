// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"fmt"
	"math"
	"strings"
)

// unitsPerPercent is the resolution of a percentile: 0.0001 %.
const unitsPerPercent = 10_000

// Effective returns the share of the requests, in percent, that each version
// gets: its own percentile, and for the default version also what the
// percentiles leave over (Azure ML v1, AksEndpoint). The shares of a valid
// endpoint sum to 100. An endpoint without a default version gives the declared
// percentiles.
func (e Endpoint) Effective() map[string]float64 {
	shares := make(map[string]float64, len(e.Versions))
	for name, weight := range e.weights() {
		shares[name] = float64(weight) / unitsPerPercent
	}
	return shares
}

// weights are the effective shares in units of 0.0001 %.
func (e Endpoint) weights() map[string]int {
	weights := make(map[string]int, len(e.Versions))
	for name, v := range e.Versions {
		weights[name] = int(units(v.Traffic))
	}
	if _, ok := weights[e.Default]; ok {
		weights[e.Default] += int(100*unitsPerPercent - e.declared())
	}
	return weights
}

// FormatPercent writes a percentile as briefly as it can be: "20", "2.5".
func FormatPercent(p float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", p), "0"), ".")
}

// declared is the sum of all percentiles in units of 0.0001 %.
func (e Endpoint) declared() int64 {
	var sum int64
	for _, v := range e.Versions {
		sum += units(v.Traffic)
	}
	return sum
}

func units(percent float64) int64 {
	return int64(math.Round(percent * unitsPerPercent))
}

// checkPercentile refuses what is not a percentile: outside 0 to 100, not a
// number, or finer than 0.0001.
func checkPercentile(p float64) error {
	switch {
	case math.IsNaN(p) || p < 0 || p > 100:
		return fmt.Errorf("traffic %v is not a percentile: write a number from 0 to 100", p)
	case math.Abs(p*unitsPerPercent-math.Round(p*unitsPerPercent)) > 1e-6:
		return fmt.Errorf("traffic %v is finer than can be split: write at most four decimals", p)
	}
	return nil
}
