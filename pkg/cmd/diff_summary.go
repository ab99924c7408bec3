// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// compare finds what is different between the last revision, the objects there
// are and those of a proposed revision.
func (s *Session) compare(ctx context.Context, name string, p release.Result) (printer.Diff, error) {
	d := printer.Diff{Namespace: s.Namespace, Endpoint: name}
	if p.Previous != nil {
		d.Revision = p.Previous.Revision
	}
	objects, err := s.Releases.Compare(ctx, name, p.Release.Manifest)
	if err != nil {
		return d, err
	}
	if d.Objects, err = drift.Differences(objects, d.Revision); err != nil {
		return d, err
	}
	d.ByHand = drift.ByHand(objects, d.Revision, true)
	d.Differs = len(d.Objects) > 0 || len(d.ByHand) > 0
	if d.Differs {
		d.Summary, err = summary(p, objects)
	}
	return d, err
}

// summary tells in sentences what happens to traffic, versions and pods.
func summary(p release.Result, objects []drift.Object) ([]string, error) {
	before, after, err := changesOf(p)
	if err != nil {
		return nil, err
	}
	changes, err := chart.Changes(before.values, after.values)
	if err != nil {
		return nil, err
	}
	lines := []string{shares(before.Endpoint, after.Endpoint)}
	if before.release.Later != "" {
		lines = append(lines, before.release.Later+" and may have changed objects too, which shows as changed by hand")
	}
	for _, c := range changes {
		if c.Field != endpoint.TrafficField {
			lines = append(lines, c.String())
		}
	}
	return append(lines, drift.Restarts(objects)...), nil
}

// shares tells how the split of the requests changes.
func shares(before, after endpoint.Endpoint) string {
	was, is := before.Effective(), after.Effective()
	var parts []string
	for _, name := range after.VersionNames() {
		from, known := was[name]
		switch share := percent(is[name]); {
		case len(before.Versions) == 0 || !known && is[name] > 0:
			parts = append(parts, fmt.Sprintf("%s gets %s", name, share))
		case known && from != is[name]:
			parts = append(parts, fmt.Sprintf("%s goes from %s to %s", name, percent(from), share))
		}
	}
	for _, name := range before.VersionNames() {
		if _, stays := after.Versions[name]; !stays && was[name] > 0 {
			parts = append(parts, fmt.Sprintf("%s loses its %s", name, percent(was[name])))
		}
	}
	if len(parts) == 0 {
		return "traffic stays as it is"
	}
	return "traffic: " + strings.Join(parts, ", ")
}

func percent(share float64) string { return endpoint.FormatPercent(share) + " %" }
