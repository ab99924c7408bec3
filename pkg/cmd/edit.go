// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/kubectl/pkg/cmd/util/editor"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

func newEdit(o *options) *cobra.Command {
	var r rolloutFlags
	c := &cobra.Command{
		Use:   "edit ENDPOINT",
		Short: "Change the values of an endpoint in an editor",
		Long: "Change the chart values in force in the editor that KUBE_EDITOR or EDITOR names, else vi. What is wrong\n" +
			"is told in the file, which is opened again. Nothing is changed if the file is left as it is or is\n" +
			"emptied, or if somebody else changed the endpoint meanwhile. Keys are not in the values.",
		Example:           "  KUBE_EDITOR=nano kubectl aml edit diabetes",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE:              func(c *cobra.Command, args []string) error { return o.edit(c.Context(), args[0], r) },
	}
	r.add(c)
	return c
}

func (o *options) edit(ctx context.Context, name string, r rolloutFlags) error {
	if _, _, err := r.parse(); err != nil {
		return err
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	if _, err := o.attached(ctx, s); err != nil {
		return err // before anybody types
	}
	now, err := s.endpoint(ctx, name)
	if err != nil {
		return err
	}
	e := &editing{options: o, before: now}
	values, err := e.edit()
	if err == nil && values != nil {
		err = e.deploy(ctx, r, *values)
	}
	return e.keep(err)
}

// deploy makes the values a revision, and returns when the versions whose pods
// it changes serve.
func (e *editing) deploy(ctx context.Context, r rolloutFlags, values chart.Values) error {
	ours, err := chart.Load()
	if err != nil {
		return err
	}
	now := e.before.release
	next := release.Release{ChartVersion: ours.Metadata.Version}
	changed, err := changedVersions([]release.Release{now}, next, values)
	if err != nil {
		return err
	}
	return e.change(ctx, now.Name, r, edit{
		description: "edit", done: "edited",
		apply: func(d deployed) (chart.Values, error) {
			if d.release.Revision != now.Revision {
				return values, fmt.Errorf("endpoint %s was changed meanwhile, revision %d: %s: edit it again",
					now.Name, d.release.Revision, d.release.Description)
			}
			return values, nil
		},
		ready: func(ctx context.Context, w revision) error { return w.served(ctx, grace, changed...) },
	})
}

// editing is an endpoint in an editor.
type editing struct {
	*options
	before deployed
	// file is the last one that was opened.
	file string
}

// keep removes the file, unless err says that what is in it was not done.
func (e *editing) keep(err error) error {
	switch {
	case e.file == "":
		return err
	case err != nil:
		return fmt.Errorf("%w; what was edited is kept in %s", err, e.file)
	}
	return os.Remove(e.file)
}

// edit returns what somebody made of the values; nil if they changed nothing.
func (e *editing) edit() (*chart.Values, error) {
	original, err := yaml.Marshal(e.before.release.Values)
	if err != nil {
		return nil, err
	}
	text, wrong := original, error(nil)
	for {
		edited, err := e.open(e.header(wrong), text)
		if err != nil {
			return nil, err
		}
		switch unchanged := bytes.Equal(edited, text); {
		case len(bytes.TrimSpace(edited)) == 0:
			e.tell("edit cancelled, the file is empty")
			return nil, nil
		case unchanged && wrong != nil:
			return nil, fmt.Errorf("edit cancelled, nothing valid was written: %w", wrong)
		case unchanged || bytes.Equal(edited, original):
			e.tell("edit cancelled, no changes made")
			return nil, nil
		}
		values, err := e.parse(edited)
		if err == nil {
			return values, nil
		}
		text, wrong = edited, err
	}
}

// open shows text in an editor, below a header, and returns what is left of it
// without comments at its start.
func (e *editing) open(header string, text []byte) ([]byte, error) {
	if e.file != "" {
		if err := os.Remove(e.file); err != nil {
			return nil, err
		}
	}
	edited, file, err := e.editor().LaunchTempFile("kubectl-aml-edit-", ".yaml",
		bytes.NewReader(append([]byte(header), text...)))
	e.file = file
	return withoutHeader(edited), err
}

// editor is the one that the environment names, as for kubectl edit.
func (e *editing) editor() editor.Editor {
	named := cmp.Or(e.Getenv("KUBE_EDITOR"), e.Getenv("EDITOR"))
	switch {
	case named == "":
		return editor.NewDefaultEditor(nil)
	case strings.ContainsAny(named, "\"'\\"):
		return editor.Editor{Args: []string{cmp.Or(e.Getenv("SHELL"), "/bin/sh"), "-c", named}, Shell: true}
	}
	return editor.Editor{Args: strings.Fields(named)}
}

func (e *editing) header(wrong error) string {
	lines := []string{
		fmt.Sprintf("The chart values of endpoint %s in namespace %s, revision %d. They are described in", e.before.Name,
			e.before.release.Namespace, e.before.release.Revision),
		"charts/inference/README.md. Lines at the top that begin with '#' are not read. Save the file to have",
		"it deployed; leave it as it is, or empty it, to change nothing.",
	}
	if wrong != nil {
		lines = append(lines, "", "This is wrong with it:")
		for line := range strings.Lines(wrong.Error()) {
			lines = append(lines, "  "+strings.TrimRight(line, "\n"))
		}
	}
	var header strings.Builder
	for _, line := range lines {
		header.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	return header.String() + "#\n"
}

// withoutHeader is text from the first line on that is no comment.
func withoutHeader(text []byte) []byte {
	for {
		line, rest, more := bytes.Cut(text, []byte("\n"))
		if !bytes.HasPrefix(line, []byte("#")) {
			return text
		}
		if text = rest; !more {
			return nil
		}
	}
}

// parse reads what was edited, and refuses what cannot be deployed, all findings
// at once. Callers who stay with a version are assigned anew by the new split.
func (e *editing) parse(text []byte) (*chart.Values, error) {
	var tree map[string]any
	if err := yaml.UnmarshalStrict(text, &tree); err != nil {
		return nil, fmt.Errorf("this is not YAML as it has to be: %w", err)
	}
	values, err := chart.ParseValues(tree)
	if err != nil {
		return nil, err
	}
	proposed := values.Endpoint(e.before.Name)
	split := map[string]float64{}
	for name, version := range proposed.Versions {
		split[name] = version.Traffic
	}
	next, err := proposed.SetTraffic(split)
	if err == nil {
		values = values.With(next, chart.VersionValues{})
	}
	_, renderErr := chart.Render(tree, chart.RenderOptions{Name: e.before.Name, Namespace: e.before.release.Namespace})
	return &values, errors.Join(err, renderErr)
}
