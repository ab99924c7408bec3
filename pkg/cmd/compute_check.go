// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// checkReport is what compute check tells. Fields are added, and never renamed.
type checkReport struct {
	// Name is empty for a cluster that is not attached.
	Name      string           `json:"name,omitempty"`
	Context   string           `json:"context,omitempty"`
	Namespace string           `json:"namespace"`
	Purpose   endpoint.Purpose `json:"purpose,omitempty"`
	Attached  bool             `json:"attached"`
	// Verdict is the worst of the checks'.
	Verdict compute.Verdict `json:"verdict"`
	Checks  []compute.Check `json:"checks"`
}

func newComputeCheck(o *options) *cobra.Command {
	var output string
	var azure azureAccess
	c := o.maybeNamed(&cobra.Command{
		Use:   "check",
		Short: "Check whether a cluster has what endpoints need",
		Long: "Check whether a cluster has what endpoints need: nodes, GPUs, your rights, the certificate and more. Each\n" +
			"row has a verdict and what to do about it. Nothing is changed.\n\n" +
			"Without a name, the cluster of the current context is checked, attached or not. What you may not look at is\n" +
			"unknown, with the right that is missing. Azure is asked about clusters of AKS. The exit code is 1 if a row\n" +
			"failed.",
		Example: "  # Before attaching the cluster of the current context\n" +
			"  kubectl aml compute check\n\n" +
			"  # In a pipeline\n" +
			"  kubectl aml compute check fraud -o json",
	}, func(ctx context.Context, name string) error {
		format, err := printer.ParseFormat(tableFormat(output), printer.Wide, printer.JSON, printer.YAML)
		if err != nil {
			return usageError{err}
		}
		r, err := o.checkCompute(ctx, name, azure)
		if err != nil {
			return err
		}
		if err := r.listing().Print(o.Streams.Out, o.Streams.ErrOut, format); err != nil {
			return err
		}
		return r.failed()
	})
	azure.addCloud(c, o.Getenv)
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: table, wide, json, yaml")
	completesFormats(c, "table", "wide", "json", "yaml")
	return o.offersComputes(c)
}

// checkCompute looks at the cluster, and at what Azure says of it.
func (o *options) checkCompute(ctx context.Context, name string, azure azureAccess) (checkReport, error) {
	known, err := o.checkedContext(name)
	if err != nil {
		return checkReport{}, err
	}
	s, err := o.connectCompute(known)
	if err != nil {
		return checkReport{}, err
	}
	wants, err := chart.Load()
	if err != nil {
		return checkReport{}, err
	}
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var asked []compute.Check
	done := make(chan struct{})
	go func() {
		defer close(done)
		if known.Marker != nil && known.Marker.ResourceID != "" {
			asked = o.checkAzure(limited, *known.Marker, azure)
		}
	}()
	facts := compute.Looker{Kube: s.Kube, Dynamic: s.Dynamic, Now: o.Clock.Now(), Wants: wants.Metadata.KubeVersion,
		Namespace: s.Namespace, Known: known.Marker}.Look(limited)
	<-done
	if ctx.Err() != nil {
		return checkReport{}, ctx.Err()
	}
	// The kubeconfig of somebody else's compute does not know its id.
	if record := facts.Record.Value; known.Marker == nil && record.ResourceID != "" {
		asked = o.checkAzure(limited, compute.MarkerOf(record), azure)
	}
	checks := append(compute.Judge(facts), asked...)
	record := facts.Record.Value
	if known.Marker != nil {
		name = known.Marker.Name
	}
	return checkReport{Name: cmp.Or(name, record.Name), Context: *o.flags.Context, Namespace: facts.Namespace,
		Purpose: record.Purpose, Attached: facts.Record.Err == nil, Verdict: compute.Worst(checks), Checks: checks}, nil
}

// checkedContext is the context of the compute or, without a name, the one that
// other commands would use.
func (o *options) checkedContext(name string) (compute.Context, error) {
	if name == "" {
		if given := *o.flags.Context; given != "" {
			c, _, err := o.kubeconfig().Context(given)
			return c, err
		}
		c, _, err := o.kubeconfig().Current()
		return c, err
	}
	c, ok, err := o.computeContext(name)
	if err == nil && !ok {
		err = noCompute{name}
	}
	return c, err
}

// checkAzure asks Azure about the cluster of a marker. That it cannot be asked is a
// row like the others.
func (o *options) checkAzure(ctx context.Context, m compute.Marker, access azureAccess) []compute.Check {
	cluster, err := o.askAzure(ctx, m, &access)
	if err != nil {
		return []compute.Check{{Check: "azure-state", Verdict: compute.Unsure,
			Finding: "not known: " + strings.ReplaceAll(Message(err), "\n", "; "),
			Remedy:  "sign in, for example with az login, with the right to read the cluster"}}
	}
	return cluster.Checks()
}

// failed is the error that names the checks that failed; nil for none.
func (r checkReport) failed() error {
	var names []string
	for _, c := range r.Checks {
		if c.Verdict == compute.Bad {
			names = append(names, c.Check)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New("failed: " + strings.Join(names, ", "))
}

// listing is the report as a table. What is well needs no remedy, and a table
// without wide shows what there is to do.
func (r checkReport) listing() printer.Listing {
	l := printer.Listing{Object: r, Columns: []printer.Column{{Name: "Check"}, {Name: "Verdict"}, {Name: "Finding"},
		{Name: "Remedy"}}}
	for _, c := range r.Checks {
		l.Rows = append(l.Rows, []any{c.Check, string(c.Verdict), c.Finding, orNone(c.Remedy)})
	}
	what := "compute " + r.Name
	if !r.Attached {
		what = cmp.Or(r.Name, "the cluster") + ", which is not attached"
	}
	l.Note = fmt.Sprintf("%s, namespace %s: %s", what, r.Namespace, r.Verdict)
	return l
}
