// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// errDiffers ends a diff that found a difference: exit code 1, and nothing to say.
var errDiffers = errors.New("there is a difference")

// comparisonError is why a diff could not be made. Exit code 1 is for a difference.
type comparisonError struct{ error }

func (e comparisonError) Unwrap() error { return e.error }

// diffFlags say what an endpoint is compared with.
type diffFlags struct {
	deploy   deployFlags
	file     string
	revision int
	output   string
	// deploys says that flags of deploy were given.
	deploys bool
}

func newDiff(o *options) *cobra.Command {
	d := &diffFlags{}
	c := &cobra.Command{
		Use:   "diff ENDPOINT",
		Short: "Show what was changed by hand, and what a deploy would change",
		Long: "Show how the objects of an endpoint differ from its last revision, because somebody changed them by\n" +
			"hand, and what a new revision would change: of the same values with this plugin's chart, or with deploy's\n" +
			"flags, --revision or --values what those would make. First it says what happens to the traffic and which\n" +
			"pods restart, then the objects from what is live to what is proposed. Values of Secrets and of\n" +
			"environment variables are not shown. Nothing is changed, and no image is pushed.\n\n" +
			"The exit code is 0 if nothing differs, 1 if something does, and 2 if that could not be found out.",
		Example: "  # Was anything changed by hand?\n" +
			"  kubectl aml diff diabetes\n\n" +
			"  # What would this deploy do?\n" +
			"  kubectl aml diff diabetes --version-name green -m model.pkl --traffic 20 \\\n" +
			"    --inference-config inferenceconfig.json --deploy-config deploymentconfig.json\n\n" +
			"  # What would going back to revision 3 do?\n" +
			"  kubectl aml diff diabetes --revision 3",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			d.read(c)
			err := o.diff(c.Context(), args[0], d)
			if err != nil && !errors.Is(err, errDiffers) {
				return comparisonError{err}
			}
			return err
		},
	}
	d.deploy.addVersion(c, o)
	f := c.Flags()
	f.StringVar(&d.file, "values", "", "Compare with what the chart makes of this file of values")
	f.IntVar(&d.revision, "revision", 0, "Compare with this earlier revision")
	f.StringVarP(&d.output, "output", "o", "", "Output format. One of: json, yaml")
	return c
}

// read finds out which flags were given.
func (d *diffFlags) read(c *cobra.Command) {
	d.deploy.roleGiven(c)
	own := []string{"values", "revision", "output"}
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		d.deploys = d.deploys || f.Changed && !slices.Contains(own, f.Name)
	})
}

func (d *diffFlags) parse() (printer.Format, error) {
	format, err := printer.ParseFormat(d.output, printer.JSON, printer.YAML)
	if err != nil {
		return format, usageError{err}
	}
	given := 0
	for _, is := range []bool{d.deploys, d.file != "", d.revision != 0} {
		if is {
			given++
		}
	}
	if given > 1 {
		return format, usageError{errors.New("there is one thing to compare with: " +
			"give --revision, --values or deploy's flags")}
	}
	if d.revision < 0 {
		return format, usageError{fmt.Errorf("revision %d is none: revisions count from 1", d.revision)}
	}
	return format, nil
}

// diff compares and answers. The error is errDiffers if there is a difference.
func (o *options) diff(ctx context.Context, name string, d *diffFlags) error {
	format, err := d.parse()
	if err != nil {
		return err
	}
	p, s, err := o.proposal(ctx, name, d)
	if err != nil {
		return err
	}
	found, err := s.compare(ctx, name, p)
	if err != nil {
		return err
	}
	switch format {
	case printer.JSON:
		err = printer.WriteJSON(o.Streams.Out, found)
	case printer.YAML:
		err = printer.WriteYAML(o.Streams.Out, found)
	case printer.Table, printer.Wide, printer.Name:
		err = found.Write(o.Streams.Out, o.colours())
	}
	if err == nil && found.Differs {
		return errDiffers
	}
	return err
}

// colours tells whether the reader is a terminal that wants them.
func (o *options) colours() bool {
	file, ok := o.Streams.Out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && o.Getenv("NO_COLOR") == ""
}

// proposal is what an endpoint is compared with: a revision that is not made.
func (o *options) proposal(ctx context.Context, name string, d *diffFlags) (release.Result, *Session, error) {
	if d.deploys {
		return o.deployment(ctx, name, &d.deploy)
	}
	s, err := o.connect()
	if err != nil {
		return release.Result{}, nil, err
	}
	now, err := s.endpoint(ctx, name)
	if err != nil {
		return release.Result{}, nil, err
	}
	if d.revision > 0 {
		earlier, err := s.earlier(ctx, name, d.revision)
		return release.Result{Release: earlier, Previous: &now.release}, s, err
	}
	values := now.release.Values
	if d.file != "" {
		if values, err = o.valuesFile(d.file); err != nil {
			return release.Result{}, nil, err
		}
	}
	p, err := s.Releases.Plan(ctx, name, func(*release.Release) (map[string]any, error) { return values, nil })
	return p, s, err
}

// deployment is what deploy would make with these flags.
func (o *options) deployment(ctx context.Context, name string, f *deployFlags) (release.Result, *Session, error) {
	work, err := o.prepare(ctx, name, f, release.DryRunServer)
	if err != nil {
		return release.Result{}, nil, err
	}
	planned, err := work.session.Releases.Plan(ctx, name, func(current *release.Release) (map[string]any, error) {
		return work.change(ctx, current)
	})
	return planned, work.session, err
}

// earlier is a kept revision of an endpoint.
func (s *Session) earlier(ctx context.Context, name string, revision int) (release.Release, error) {
	history, err := s.Releases.History(ctx, name)
	if err != nil {
		return release.Release{}, err
	}
	kept := make([]int, 0, len(history))
	for _, r := range history {
		if r.Revision == revision {
			return r, nil
		}
		kept = append(kept, r.Revision)
	}
	return release.Release{}, fmt.Errorf("endpoint %q has no revision %d: there are %v", name, revision, kept)
}

func (o *options) valuesFile(file string) (map[string]any, error) {
	text, err := os.ReadFile(o.path(file))
	if err != nil {
		return nil, fmt.Errorf("the values cannot be read: %w", err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		return nil, fmt.Errorf("%s is not YAML: %w", file, err)
	}
	return values, nil
}

// changesOf tells what is different in the values of a proposed revision.
func changesOf(p release.Result) (before, after deployed, err error) {
	if p.Previous != nil {
		if before, err = read(*p.Previous); err != nil {
			return before, after, err
		}
	} else if before.values, err = chart.ParseValues(nil); err != nil {
		return before, after, err
	}
	after, err = read(p.Release)
	return before, after, err
}
