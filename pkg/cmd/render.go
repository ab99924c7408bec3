// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

func newRender(o *options) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "render ENDPOINT",
		Short: "Print the Kubernetes objects of an endpoint",
		Long: "Print the Kubernetes objects of an endpoint as YAML: those in force, or with --values those that the\n" +
			"chart makes of a file of values, for which no cluster is needed. Keys are in neither.",
		Example: "  # What is in force\n" +
			"  kubectl aml render diabetes\n\n" +
			"  # What a file of values would make\n" +
			"  kubectl aml render diabetes --values values.yaml",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			if file != "" {
				return o.renderFile(args[0], file)
			}
			s, err := o.connect()
			if err != nil {
				return err
			}
			d, err := s.endpoint(c.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(o.Streams.Out, d.release.Manifest)
			return err
		},
	}
	c.Flags().StringVar(&file, "values", "", "Render this file of chart values instead of what is in force")
	return c
}

func (o *options) renderFile(name, file string) error {
	values, err := o.valuesFile(file)
	if err != nil {
		return err
	}
	namespace, _, err := o.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return err
	}
	m, err := chart.Render(values, chart.RenderOptions{Name: name, Namespace: namespace})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(o.Streams.Out, m.String())
	return err
}
