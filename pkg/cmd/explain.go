// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

func newExplain(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "explain [FIELD]",
		Short: "Tell what a field of Azure ML v1's files is and what becomes of it",
		Long: "Tell what a field of inferenceconfig.json or deploymentconfig.json is for, what it may hold, and what\n" +
			"becomes of it on Kubernetes. The field may be called by its path, by the last part of it, by its name in\n" +
			"Azure ML's SDK, or by a flag. Without a field, all are listed. No cluster is needed.",
		Example: "  # All fields\n" +
			"  kubectl aml explain\n\n" +
			"  # The same field by three names\n" +
			"  kubectl aml explain autoScaler.minReplicas\n" +
			"  kubectl aml explain autoscale_min_replicas\n" +
			"  kubectl aml explain --output json -- --mi",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeFields,
		RunE: func(_ *cobra.Command, args []string) error {
			format, err := printer.ParseFormat(output, printer.JSON, printer.YAML)
			if err != nil {
				return usageError{err}
			}
			return o.explain(strings.Join(args, ""), format)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: json, yaml")
	return c
}

func completeFields(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, f := range append(amlv1.DeploymentFields(), amlv1.InferenceFields()...) {
		names = append(names, f.Path+"\t"+f.About)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (o *options) explain(name string, format printer.Format) error {
	fields := append(amlv1.DeploymentFields(), amlv1.InferenceFields()...)
	if name != "" {
		found, nearest := amlv1.FieldsNamed(name)
		if len(found) == 0 {
			return usageError{fmt.Errorf("no field is called %q: did you mean %s? see kubectl aml explain", name, nearest)}
		}
		fields = found
	}
	if format != printer.Table {
		return printer.Listing{Object: explained(fields)}.Print(o.Streams.Out, o.Streams.ErrOut, format)
	}
	if name == "" || len(fields) > 2 {
		return o.fieldTree(fields)
	}
	for i, f := range fields {
		if i > 0 {
			o.answer("")
		}
		if err := o.fieldPage(f); err != nil {
			return err
		}
	}
	return nil
}

// fieldTree lists fields under the objects they are in.
func (o *options) fieldTree(fields []amlv1.Field) error {
	var file string
	var open []string
	for _, f := range fields {
		if f.File != file {
			file, open = f.File, nil
			o.answer("%s", file)
		}
		parts := strings.Split(f.Path, ".")
		last := len(parts) - 1
		for i := range last {
			if i >= len(open) || open[i] != parts[i] {
				open = append(open[:min(i, len(open))], parts[i])
				o.answer("%s%s", strings.Repeat("  ", i+1), parts[i])
			}
		}
		open = open[:min(len(open), last)]
		o.answer("%-40s%-16s%s", strings.Repeat("  ", last+1)+parts[last], cmp.Or(f.Type, "-"), f.Support)
	}
	return nil
}

// fieldPage tells all about one field.
func (o *options) fieldPage(f amlv1.Field) error {
	o.answer("%s: %s", f.Path, cmp.Or(f.About, "a key of Azure ML"))
	o.answer("")
	w := tabwriter.NewWriter(o.Streams.Out, 0, 8, 3, ' ', 0)
	e := explainField(f)
	for _, line := range [][2]string{
		{"FILE", f.File}, {"ONLY FOR", string(f.Only)}, {"TYPE", f.Type}, {"VALUES", f.Rule},
		{"DEFAULT", f.Default}, {"FLAG", flagNames(f)}, {"SUPPORT", string(f.Support)},
		{"ON KUBERNETES", e.Means}, {"ALSO KNOWN AS", strings.Join(f.Also, ", ")}, {"EXAMPLE", e.Example},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%s:\t%s\n", line[0], line[1])
		}
	}
	return w.Flush()
}

func flagNames(f amlv1.Field) string {
	switch {
	case f.Flag == "":
		return ""
	case f.Short == "":
		return "--" + f.Flag
	}
	return "--" + f.Flag + ", -" + f.Short
}

// explanation is a field for machines.
type explanation struct {
	File    string   `json:"file"`
	Field   string   `json:"field"`
	About   string   `json:"about,omitempty"`
	Only    string   `json:"computeType,omitempty"`
	Type    string   `json:"type,omitempty"`
	Rule    string   `json:"values,omitempty"`
	Default string   `json:"default,omitempty"`
	Flag    string   `json:"flag,omitempty"`
	Short   string   `json:"short,omitempty"`
	Support string   `json:"support"`
	Means   string   `json:"onKubernetes"`
	Also    []string `json:"alsoKnownAs,omitempty"`
	Example string   `json:"example,omitempty"`
}

func explainField(f amlv1.Field) explanation {
	e := explanation{File: f.File, Field: f.Path, About: f.About, Only: string(f.Only), Type: f.Type, Rule: f.Rule,
		Default: f.Default, Flag: f.Flag, Short: f.Short, Support: string(f.Support),
		Means: f.Means, Also: f.Also}
	if f.Type != "" {
		e.Example = f.Example()
	}
	return e
}

func explained(fields []amlv1.Field) []explanation {
	out := make([]explanation, 0, len(fields))
	for _, f := range fields {
		out = append(out, explainField(f))
	}
	return out
}
