// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	helmchart "helm.sh/helm/v3/pkg/chart"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// chartName is the name of the chart whose releases are endpoints.
const chartName = "inference"

// refuse returns why a release must not be changed by us, if there is a reason.
func (c *Client) refuse(name string, at situation) error {
	if err := c.foreign(name, at); err != nil {
		return err
	}
	return c.newer(name, at)
}

// newer refuses to replace what a newer kubectl-aml made: its values may mean
// things our chart does not know, and we would drop them.
func (c *Client) newer(name string, at situation) error {
	release := at.inForce
	if release == nil {
		release = at.last
	}
	if release == nil {
		return nil
	}
	theirs, err := semver.NewVersion(release.Chart.Metadata.Version)
	if err != nil {
		return nil // Helm refuses charts without one, so this is nobody's chart of ours
	}
	ours, err := semver.NewVersion(c.opts.Chart.Metadata.Version)
	if err != nil {
		return fmt.Errorf("chart version %q: %w", c.opts.Chart.Metadata.Version, err)
	}
	if !theirs.GreaterThan(ours) {
		return nil
	}
	return &explained{is: ErrNewerChart, text: fmt.Sprintf(
		"endpoint %q was deployed with chart %s, this kubectl-aml has %s: upgrade kubectl-aml", name, theirs, ours)}
}

// unchanged tells whether what is asked for is there already: the last revision
// is in force, with these values and this chart, and its objects are as it says.
// What somebody changed in them it tells.
func (s *session) unchanged(ctx context.Context, at situation, w wanted) (bool, error) {
	if at.state != stateDeployed {
		return false, nil
	}
	lost, err := s.tellDrift(ctx, at, w)
	if err != nil {
		s.opts.Log(fmt.Sprintf("warning: whether somebody changed the objects by hand is not known: %v", err))
	}
	if err != nil || lost || w.earlier != nil && w.earlier.Manifest != at.last.Manifest {
		return false, nil
	}
	have, err := normal(at.last.Config)
	return err == nil && reflect.DeepEqual(have, w.values) && digest(at.last.Chart) == digest(w.chart(s.opts.Chart)), err
}

// tellDrift tells what was changed by hand since the revision in force, and what
// the new one makes of it. lost says that applying the old one again would set
// something back.
func (s *session) tellDrift(ctx context.Context, at situation, w wanted) (lost bool, err error) {
	_, g, err := s.configure(ctx)
	if err != nil {
		return false, err
	}
	objects, err := g.Build(strings.NewReader(at.inForce.Manifest), false)
	if err != nil {
		return true, nil // a kind is gone from the cluster; the upgrade tells
	}
	now, err := s.states(ctx, states{revision: objects})
	if err != nil {
		return false, s.explain(err)
	}
	changes := drift.ByHand(now, at.inForce.Version, false)
	if len(changes) == 0 {
		return false, nil
	}
	lost = drift.Lost(changes)
	rendered, err := s.try(ctx, at, w, ApplyOptions{DryRun: DryRunServer})
	if err != nil {
		return lost, nil // what is wrong with the values, the upgrade tells
	}
	next, err := s.compare(ctx, at, rendered.Manifest)
	if err != nil {
		return lost, s.explain(err)
	}
	for _, change := range drift.ByHand(next, at.inForce.Version, true) {
		s.opts.Log("note: " + change.String())
	}
	return lost, nil
}

// digest stands for all of a chart that is stored with a release, in whatever
// order its files were read.
func digest(chart *helmchart.Chart) [sha256.Size]byte {
	sorted := func(files []*helmchart.File) []*helmchart.File {
		return slices.SortedFunc(slices.Values(files), func(a, b *helmchart.File) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), bytes.Compare(a.Data, b.Data))
		})
	}
	raw, err := json.Marshal(map[string]any{
		"metadata": chart.Metadata, "values": chart.Values, "schema": string(chart.Schema),
		"templates": sorted(chart.Templates), "files": sorted(chart.Files),
	})
	if err != nil { // no digest equals it but by the same error
		raw = []byte(err.Error())
	}
	return sha256.Sum256(raw)
}
