// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package traffic

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/table"
)

// row is what the changes by one way took.
type row struct {
	name             string
	command, inForce []time.Duration
	sent, lost       int
}

func (r *row) add(c change) {
	r.command = append(r.command, c.command)
	r.inForce = append(r.inForce, c.inForce)
	r.sent += c.sent
	r.lost += c.lost
}

// report prints the ways, and each as a ratio to the first.
func report(o Options, unit time.Duration, rows []row) error {
	fmt.Fprintf(o.Out, "\nTraffic: from the command until the last answer by the old split, at %d requests/s; medians "+
		"(least..most)\nin seconds. kubectl get takes %.2f s.\n\n", perSecond, unit.Seconds())
	return table.Print(o.Out, func(w io.Writer) {
		fmt.Fprintln(w, "\tchanges\tcommand\t/ kubectl get\tin force\t/ traffic set\tlost")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%d\t%s\t%.1f\t%s\t%.1f\t%d of %d\n", r.name, len(r.command), seconds(r.command),
				float64(median(r.command))/float64(unit), seconds(r.inForce),
				float64(median(r.inForce))/float64(median(rows[0].inForce)), r.lost, r.sent)
		}
	})
}

// seconds is "MEDIAN (LEAST..MOST)", or the one time there is.
func seconds(times []time.Duration) string {
	if len(times) == 1 {
		return fmt.Sprintf("%.2f", times[0].Seconds())
	}
	least, most := slices.Min(times), slices.Max(times)
	return fmt.Sprintf("%.2f (%.2f..%.2f)", median(times).Seconds(), least.Seconds(), most.Seconds())
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
