// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

func newKeys(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Read and change the keys of an endpoint",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newKeysGet(o), newKeysRegenerate(o))
	return c
}

func newKeysGet(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "get ENDPOINT",
		Short: "Print the two keys of an endpoint",
		Long:  "Print the two keys of an endpoint. Either is good at any time.",
		Example: "  # Call an endpoint with its first key\n" +
			"  curl -H \"Authorization: Bearer $(kubectl aml keys get diabetes -o name | head -1)\" …",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			format, err := printer.ParseFormat(output, printer.JSON, printer.YAML, printer.Name)
			if err != nil {
				return usageError{err}
			}
			s, err := o.connect()
			if err != nil {
				return err
			}
			keys, err := s.keys(c.Context(), args[0])
			if err != nil {
				return err
			}
			return keyListing(keys).Print(o.Streams.Out, o.Streams.ErrOut, format)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: json, yaml, name (the keys alone)")
	return c
}

// keyListing is the one place where keys are written out, because they were
// asked for. Its JSON names are Azure ML's.
func keyListing(keys auth.Keys) printer.Listing {
	primary, secondary := keys.Primary.Reveal(), keys.Secondary.Reveal()
	return printer.Listing{
		Columns: []printer.Column{{Name: "Name"}, {Name: "Key"}},
		Rows:    [][]any{{"primary", primary}, {"secondary", secondary}},
		Names:   []string{primary, secondary},
		Object: struct {
			Primary   string `json:"primaryKey"`
			Secondary string `json:"secondaryKey"`
		}{primary, secondary},
	}
}
