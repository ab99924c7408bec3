// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

func newComputeVersions(o *options) *cobra.Command {
	var access azureAccess
	var location, output string
	c := &cobra.Command{
		Use:     "versions",
		Short:   "List the versions of Kubernetes that AKS has in a region",
		Example: "  kubectl aml compute versions -l eastus",
		Args:    exactArgs(0),
		RunE: o.compute(func(ctx context.Context) error {
			format, err := printer.ParseFormat(tableFormat(output), printer.JSON, printer.YAML, printer.Name)
			if err != nil {
				return usageError{err}
			}
			if location == "" {
				return usageError{errors.New("the region is missing: write -l LOCATION")}
			}
			client, err := access.client(o)
			if err != nil {
				return err
			}
			offered, err := client.Versions(ctx, location)
			if err != nil {
				return err
			}
			l := printer.Listing{Object: map[string]any{"items": offered}, Empty: "No versions in " + location + ".",
				Columns: []printer.Column{{Name: "Version"}, {Name: "Patches"}, {Name: "Default"}, {Name: "Preview"},
					{Name: "Support"}}}
			for _, v := range offered {
				l.Names = append(l.Names, v.Version)
				l.Rows = append(l.Rows, []any{v.Version, orNone(strings.Join(v.Patches, ",")), yesNo(v.Default), yesNo(v.Preview),
					orNone(strings.Join(v.Plans, ","))})
			}
			return l.Print(o.Streams.Out, o.Streams.ErrOut, format)
		}),
	}
	access.add(c, o.Getenv)
	c.Flags().StringVar(&location, "location", "", "Region, such as eastus")
	short(c, "location", "l")
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: table, json, yaml, name")
	completesFormats(c, "table", "json", "yaml", "name")
	return c
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
