// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"fmt"
	"strconv"

	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// unknown stands for what was not or cannot be measured.
const unknown = "-"

// share writes a measured share with its interval: "19.4% (17.1–21.9)". An
// exclamation mark says that the share set is not the true one.
func share(s *status.Share) string {
	if s == nil {
		return unknown
	}
	text := fmt.Sprintf("%.1f%% (%.1f–%.1f)", s.Percent, s.Low, s.High)
	if s.Doubted {
		text += "!"
	}
	return text
}

// measuredCells are RPS, P50, P99, 5XX and QUEUE.
func measuredCells(m status.Measured) []string {
	cells := []string{unknown, millis(m.P50), millis(m.P99), unknown, unknown}
	if m.RPS != nil {
		cells[0] = rate(*m.RPS)
	}
	if m.Errors != nil {
		cells[3] = fmt.Sprintf("%.1f%%", *m.Errors)
	}
	if m.Waiting != nil {
		cells[4] = strconv.Itoa(*m.Waiting)
	}
	return cells
}

// rate writes requests a second with three digits or what there is before the point.
func rate(rps float64) string {
	switch {
	case rps == 0:
		return "0"
	case rps < 10:
		return fmt.Sprintf("%.2f", rps)
	case rps < 100:
		return fmt.Sprintf("%.1f", rps)
	}
	return fmt.Sprintf("%.0f", rps)
}

// millis writes a time of milliseconds in the unit that suits it.
func millis(ms *float64) string {
	switch {
	case ms == nil:
		return unknown
	case *ms < 10:
		return fmt.Sprintf("%.1fms", *ms)
	case *ms < 1000:
		return fmt.Sprintf("%.0fms", *ms)
	}
	return fmt.Sprintf("%.1fs", *ms/1000)
}
