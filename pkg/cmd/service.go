// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import "github.com/spf13/cobra"

// serviceReading are the commands for services that change no version.
func serviceReading(o *options) []*cobra.Command {
	return append([]*cobra.Command{
		newAzureList(o, services()), newAzureShow(o, services()), newAzureDelete(o, services()),
	}, calling(o, services())...)
}

// realtimeReading are the commands for endpoints that deploy nothing.
func realtimeReading(o *options) []*cobra.Command {
	return append([]*cobra.Command{
		newAzureList(o, endpoints()), newAzureShow(o, endpoints()), newAzureDelete(o, endpoints()),
		newAzureDeleteVersion(o),
	}, calling(o, endpoints())...)
}

// calling are the commands about calls, which services and endpoints share.
func calling(o *options, k kind) []*cobra.Command {
	return []*cobra.Command{
		newAzureRun(o, k), newAzureLogs(o, k), newAzureKeys(o, k), newAzureRegenerate(o, k), newAzureToken(o, k),
	}
}
