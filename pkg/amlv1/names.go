// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import "regexp"

var (
	namespaceForm     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	serviceForm       = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	computeTargetForm = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]*[A-Za-z0-9]$`)
)

// namespaceName is the rule of Azure ML, which is Kubernetes' too. Azure ML let
// a line feed at the end pass; Kubernetes does not.
func namespaceName(s string) string {
	if namespaceForm.MatchString(s) {
		return ""
	}
	return "must be 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit"
}

// serviceName is the rule for services, endpoints and versions.
func serviceName(s string) string {
	if serviceForm.MatchString(s) && len(s) >= 3 && len(s) <= 32 {
		return ""
	}
	return "must be 3 to 32 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen"
}

// computeTargetName is the rule for an attached compute.
func computeTargetName(s string) string {
	switch {
	case oneOfFold(s, "amlcompute", "local", "containerinstance"):
		return "must be none of the reserved names amlcompute, local and containerinstance"
	case computeTargetForm.MatchString(s) && len(s) >= 3 && len(s) <= 24:
		return ""
	}
	return "must be 3 to 24 letters, digits and hyphens, beginning with a letter and not ending with a hyphen"
}
