// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// historyFlags are the flags of history.
type historyFlags struct {
	revision, most int
	output         string
}

func newHistory(o *options) *cobra.Command {
	var f historyFlags
	c := &cobra.Command{
		Use:   "history ENDPOINT",
		Short: "List the revisions of an endpoint, and what each changed",
		Long: "List the revisions of an endpoint, oldest first: when and by whom they were made, how they split the\n" +
			"requests, and what they changed of what was in force before. Who made a revision is known of those that\n" +
			"this plugin made. Values of environment variables are not shown.",
		Example: "  # What happened\n" +
			"  kubectl aml history diabetes\n\n" +
			"  # All that revision 3 holds\n" +
			"  kubectl aml history diabetes --revision 3",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			if f.revision < 0 || f.most < 0 {
				return usageError{errors.New("--revision and --max are numbers from 1")}
			}
			return o.history(c.Context(), args[0], f)
		},
	}
	c.Flags().IntVar(&f.revision, "revision", 0, "Print all that this revision holds")
	c.Flags().IntVar(&f.most, "max", 0, "List so many revisions at most, the newest ones (default: all)")
	c.Flags().StringVarP(&f.output, "output", "o", "", "Output format. One of: wide, json, yaml, name")
	o.completeRevisions(c, "revision", func(release.Release) bool { return true })
	return c
}

func (o *options) history(ctx context.Context, name string, f historyFlags) error {
	format, err := printer.ParseFormat(f.output, printer.Wide, printer.JSON, printer.YAML, printer.Name)
	if err != nil {
		return usageError{err}
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	history, err := s.Releases.History(ctx, name)
	if errors.Is(err, release.ErrNotFound) {
		return s.missing(name)
	}
	if err != nil {
		return err
	}
	list, err := revisions(history)
	if err != nil {
		return err
	}
	if f.revision != 0 {
		return o.detail(history, list, f.revision, format)
	}
	if f.most > 0 {
		list = list[max(len(list)-f.most, 0):]
	}
	return printer.Revisions(list).Print(o.Streams.Out, o.Streams.ErrOut, format)
}

// detail prints all that one revision holds.
func (o *options) detail(history []release.Release, list []printer.Revision, number int, f printer.Format) error {
	i := slices.IndexFunc(history, func(r release.Release) bool { return r.Revision == number })
	if i < 0 {
		var there []string
		for _, r := range history {
			there = append(there, strconv.Itoa(r.Revision))
		}
		return fmt.Errorf("endpoint %q has no revision %d: there is %s", history[0].Name, number,
			strings.Join(there, ", "))
	}
	told := printer.RevisionDetail{Revision: list[i], Values: withoutVariables(history[i].Values)}
	if d, err := read(history[i]); err == nil {
		told.Versions = printer.Versions(d.Endpoint, nil)
	}
	return told.Print(o.Streams.Out, o.Streams.ErrOut, f)
}

// withoutVariables returns values with a mark in the place of what environment
// variables hold, because it may be secret.
func withoutVariables(values map[string]any) map[string]any {
	shown := runtime.DeepCopyJSON(values)
	versions, _ := shown["versions"].(map[string]any)
	for _, version := range versions {
		version, _ := version.(map[string]any)
		variables, _ := version["env"].(map[string]any)
		for name := range variables {
			variables[name] = drift.Hidden
		}
	}
	return shown
}

// revisions tells of a history, oldest first. What a revision changed is told
// against the one that was in force before it. A revision whose values this
// plugin cannot read is listed without them.
func revisions(history []release.Release) ([]printer.Revision, error) {
	var (
		list   []printer.Revision
		before *release.Release
	)
	for _, r := range history {
		told := printer.Revision{Endpoint: r.Name, Revision: r.Revision, Updated: r.Updated, Status: r.Status, By: r.By,
			Chart: r.ChartVersion, Description: r.Description, Changes: []printer.RevisionChange{}}
		if d, err := read(r); err == nil {
			told.Traffic, told.Split = d.Effective(), d.FormatSplit()
		}
		changes, err := changesSince(before, r, history[0].Revision == 1)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			told.Changes = append(told.Changes, printer.RevisionChange{Change: c, Text: c.String()})
		}
		list = append(list, told)
		if r.InForce {
			before = &r
		}
	}
	return list, nil
}

// changesSince tells what r changed; before is nil if nothing was in force, or,
// unless all revisions are kept, if what was is not known.
func changesSince(before *release.Release, r release.Release, allKept bool) ([]endpoint.Change, error) {
	after, err := chart.ParseValues(r.Values)
	if err != nil || before == nil && !allKept {
		return nil, nil //nolint:nilerr // of a newer plugin: nothing is known of it
	}
	if before == nil {
		return chart.Changes(chart.Values{}, after)
	}
	was, err := chart.ParseValues(before.Values)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	changes, err := chart.Changes(was, after)
	if before.ChartVersion != r.ChartVersion {
		changes = append(changes, endpoint.Change{Field: "chart", Before: before.ChartVersion, After: r.ChartVersion,
			Action: endpoint.Changed})
	}
	return changes, err
}
