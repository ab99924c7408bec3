// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// version is stamped by the linker: -X …/pkg/cmd.version=v1.2.3.
var version = "v0.0.0-dev"

// buildInfo is what -o json tells of the program.
type buildInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the plugin",
		Args:  exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			format, err := printer.ParseFormat(output, printer.JSON, printer.YAML)
			if err != nil {
				return usageError{err}
			}
			b := buildInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			l := printer.Listing{Object: b, Columns: []printer.Column{{Name: "Version"}}}
			if format == printer.Table {
				o.answer("kubectl-aml %s (%s, %s)", b.Version, b.Go, b.Platform)
				return nil
			}
			return l.Print(o.Streams.Out, o.Streams.ErrOut, format)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: json, yaml")
	return c
}
