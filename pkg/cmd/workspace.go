// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"strings"

	"github.com/spf13/cobra"
)

// workspaceFlags are those that Azure ML v1 found its workspace by. They are
// taken, so that scripts run as they are; there is no workspace to find.
type workspaceFlags struct {
	workspace, group, subscription, path string
}

func (w *workspaceFlags) add(c *cobra.Command) {
	f := c.Flags()
	const usage = "Taken and not used: there is no workspace"
	f.StringVarP(&w.workspace, "workspace-name", "w", "", usage)
	f.StringVarP(&w.group, "resource-group", "g", "", usage)
	f.StringVar(&w.subscription, "subscription-id", "", usage)
	f.StringVar(&w.path, "path", "", usage)
}

// remark says once that the flags given change nothing.
func (w *workspaceFlags) remark(o *options) {
	var given []string
	for _, f := range []struct{ flag, value string }{
		{"--workspace-name", w.workspace}, {"--resource-group", w.group}, {"--subscription-id", w.subscription},
		{"--path", w.path},
	} {
		if f.value != "" {
			given = append(given, f.flag)
		}
	}
	if len(given) > 0 {
		o.tell("note: not used: %s; there is no workspace, models are in the registry and endpoints in the cluster",
			strings.Join(given, ", "))
	}
}
