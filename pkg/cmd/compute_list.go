// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// computeListed is a compute as the kubeconfig knows it.
type computeListed struct {
	Name       string           `json:"name"`
	Context    string           `json:"context"`
	Current    bool             `json:"current"`
	Provider   compute.Provider `json:"provider,omitempty"`
	Namespace  string           `json:"namespace"`
	Server     string           `json:"server"`
	ResourceID string           `json:"resourceId,omitempty"`
	// Attachment is the UID of the attachment that the kubeconfig knows.
	Attachment string `json:"attachmentUID,omitempty"`
	// Problem says why the context is not understood.
	Problem string `json:"problem,omitempty"`
}

func listed(c compute.Context) computeListed {
	l := computeListed{Name: c.Name, Context: c.Name, Current: c.Current, Namespace: c.Namespace, Server: c.Server}
	if c.Problem != nil {
		l.Problem = c.Problem.Error()
	}
	if m := c.Marker; m != nil {
		l.Name, l.Provider, l.ResourceID, l.Attachment = m.Name, m.Provider, m.ResourceID, string(m.AttachmentUID)
	}
	return l
}

// newComputeList lists computes; get compute is the same under kubectl's verb.
func newComputeList(o *options, use string, aliases ...string) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: use, Aliases: aliases,
		Short: "List the computes of the kubeconfig",
		Long:  "List the computes of the kubeconfig. No cluster is asked; kubectl aml compute show does.",
		Args:  exactArgs(0),
		RunE: o.compute(func(context.Context) error {
			format, err := printer.ParseFormat(tableFormat(output), printer.Wide, printer.JSON, printer.YAML, printer.Name)
			if err != nil {
				return usageError{err}
			}
			return o.listComputes(format)
		}),
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: table, wide, json, yaml, name")
	completesFormats(c, "table", "wide", "json", "yaml", "name")
	return c
}

// tableFormat is the format that a word stands for: table is none in kubectl.
func tableFormat(word string) string {
	if word == "table" {
		return string(printer.Table)
	}
	return word
}

// completesFormats has -o of c offer the formats.
func completesFormats(c *cobra.Command, formats ...string) {
	// The only error is a second function for the same flag.
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func (o *options) listComputes(format printer.Format) error {
	all, err := o.kubeconfig().Computes()
	if err != nil {
		return err
	}
	items := make([]computeListed, 0, len(all))
	l := printer.Listing{
		Columns: []printer.Column{{Name: "Current"}, {Name: "Name"}, {Name: "Provider"}, {Name: "Namespace"},
			{Name: "Server"}, {Name: "Context", Wide: true}, {Name: "Resource-Id", Wide: true}},
		Empty: "No computes in the kubeconfig: attach one with kubectl aml compute attach kubernetes -n NAME.",
	}
	for _, c := range all {
		one := listed(c)
		current := ""
		if one.Current {
			current = "*"
		}
		if c.Problem != nil {
			o.tell("warning: %v", c.Problem)
		}
		items = append(items, one)
		l.Names = append(l.Names, "compute/"+one.Name)
		l.Rows = append(l.Rows, []any{current, one.Name, orNone(string(one.Provider)), one.Namespace, one.Server,
			one.Context, orNone(one.ResourceID)})
	}
	l.Object = map[string]any{"items": items}
	return l.Print(o.Streams.Out, o.Streams.ErrOut, format)
}

// newComputeUse switches to a compute.
func newComputeUse(o *options) *cobra.Command {
	return o.offersComputes(o.named(&cobra.Command{
		Use:     "use",
		Short:   "Make a compute the one that commands work on",
		Long:    "Make a compute the one that commands work on: its context becomes the current one, for kubectl too.",
		Example: "  kubectl aml compute use fraud",
	}, func(ctx context.Context, name string) error {
		c, ok, err := o.computeContext(name)
		if err != nil {
			return err
		}
		if !ok {
			return noCompute{name}
		}
		if err := o.kubeconfig().Use(ctx, c.Name); err != nil {
			return err
		}
		o.answer("Switched to compute %q.", name)
		return nil
	}))
}
