// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"slices"
	"strings"
)

// ParseComputeType reads the value of the flag --compute-type, in any case.
func ParseComputeType(text string) (ComputeType, error) {
	kind := ComputeType(strings.ToUpper(text))
	if !slices.Contains(computeTypes(), kind) {
		return "", fmt.Errorf("compute type %q is not known: write AKS for one version, AKSENDPOINT for several that "+
			"share the traffic", short(text))
	}
	return kind, nil
}

// NewDeploymentConfig is the config of a deployment without a file, for the
// computeType that a flag gives.
func NewDeploymentConfig(kind ComputeType) (DeploymentConfig, Findings) {
	c := DeploymentConfig{ComputeType: kind, source: newSource("")}
	c.source.flags["computeType"] = "--compute-type"
	if kind != ACI {
		return c, nil
	}
	return c, Findings{c.source.warning("computeType",
		"is taken for one replica on Kubernetes, which anybody may call unless key auth is turned on, as in ACI")}
}

// ReadDeploymentConfigAs is ReadDeploymentConfig with the computeType that a
// flag gives, which goes before the file's; the file need not have any.
func ReadDeploymentConfigAs(kind ComputeType, file string, src []byte) (DeploymentConfig, Findings) {
	c, findings := NewDeploymentConfig(kind)
	c.source.file = file
	root, found := parse(c.source, src)
	findings = append(findings, found...)
	if root == nil {
		return c, findings
	}
	return c, append(findings, c.read(root)...).sorted()
}
