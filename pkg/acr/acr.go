// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package acr builds images with ACR Tasks and signs in to Azure's container
// registries. What is asked of Azure is put together by pure functions.
package acr

import (
	"regexp"
	"strings"
)

// Server tells whether host, without a port, is the login server of an Azure
// container registry in one of Azure's clouds. Nothing is asked.
func Server(host string) bool {
	// NAME, or NAME-HASH, and .REGION.data before the suffix for what serves blobs,
	// which takes no login. https://learn.microsoft.com/azure/container-registry/container-registry-concepts
	return regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*\.azurecr\.(io|cn|us)$`).MatchString(strings.ToLower(host))
}

// fold makes one line of text.
func fold(text string) string { return strings.Join(strings.Fields(text), " ") }

// value is what p points to, or nothing.
func value[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}
