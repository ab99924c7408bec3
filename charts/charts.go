// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package charts holds the Helm charts that the plugin installs.
package charts

import "embed"

// FS holds the chart "inference" in the folder of that name, exactly as it
// stands in the repository. The prefix all: is needed: without it go:embed
// drops _helpers.tpl and every other template whose name starts with "_".
//
//go:embed all:inference
var FS embed.FS
