// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command registry is the distribution registry with the file system as its
// only storage: upstream's command brings three clouds' SDKs with it.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
