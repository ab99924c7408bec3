// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"slices"
	"strings"
)

// ContainerInstance are the keys that a deploymentconfig.json has for the
// computeType ACI alone. Kubernetes has no use for them: a warning says so of
// each that is given.
type ContainerInstance struct {
	Location     string
	DNSNameLabel string

	SSLEnabled *bool
	// SSLCertificate and SSLKey are paths from the working directory.
	SSLCertificate, SSLKey string
	CName                  string

	VaultBaseURL, KeyName, KeyVersion string
	VnetName, SubnetName              string
}

// rulesFor are the keys that are read for a computeType.
func rulesFor(kind ComputeType) []rule[DeploymentConfig] {
	switch kind {
	case ACI:
		return slices.Concat(commonRules(), sharedRules(), containerRules())
	case Local:
		return slices.Concat(commonRules(), localRules())
	}
	return deploymentRules()
}

// readFor names the computeTypes that have a field, "AKS and AKSENDPOINT" for
// example; empty when none has.
func readFor(path string) string {
	var kinds []string
	for _, kind := range computeTypes() {
		rules := rulesFor(kind)
		if u := ruleOf(rules, path); holds(rules, path) || u != nil && (u.only == "" || u.only == kind) {
			kinds = append(kinds, string(kind))
		}
	}
	last := max(len(kinds)-1, 0)
	return strings.TrimPrefix(strings.Join(kinds[:last], ", ")+" and "+strings.Join(kinds[last:], ""), " and ")
}

// sharedRules are the keys that ACI has in common with AKS. Its services are
// open unless the file says otherwise.
func sharedRules() []rule[DeploymentConfig] {
	var rules []rule[DeploymentConfig]
	for _, u := range deploymentRules() {
		switch u.path {
		case "authEnabled":
			u.fallback = false
			rules = append(rules, u)
		case "containerResourceRequirements.cpu", "containerResourceRequirements.memoryInGB", "appInsightsEnabled",
			"keys.primaryKey", "keys.secondaryKey":
			rules = append(rules, u)
		}
	}
	return rules
}

func containerRules() []rule[DeploymentConfig] {
	rules := append(placeRules(), tlsRules()...)
	for i := range rules {
		rules[i].only = ACI
	}
	return rules
}

func placeRules() []rule[DeploymentConfig] {
	const (
		name    = "a name in quotes"
		place   = "has no effect: it runs where the cluster is"
		network = "has no effect: it runs in the cluster's network"
		vault   = "has no effect: encryption is a setting of the cluster"
	)
	return []rule[DeploymentConfig]{
		{path: "location", flag: "location lo", about: "region of Azure that is deployed to",
			into: func(c *deployment) any { return &c.ACI.Location }, write: `a region such as "eastus"`, remark: place},
		{path: "dnsNameLabel", flag: "dns-name-label dn", about: "first part of the host name",
			into: func(c *deployment) any { return &c.ACI.DNSNameLabel }, write: name,
			remark: "has no effect: enter the address of the endpoint in your DNS"},
		{path: "vnetName", flag: "vnet-name", about: "virtual network that is deployed to",
			into: func(c *deployment) any { return &c.ACI.VnetName }, write: name, remark: network},
		{path: "subnetName", flag: "subnet-name", about: "subnet of the virtual network",
			into: func(c *deployment) any { return &c.ACI.SubnetName }, write: name, remark: network},
		{path: "vaultBaseUrl", flag: "vault-base-url", about: "vault with the key that data is encrypted with",
			into: func(c *deployment) any { return &c.ACI.VaultBaseURL }, write: "a URL in quotes", remark: vault},
		{path: "keyName", flag: "key-name", about: "name of the key in the vault",
			into: func(c *deployment) any { return &c.ACI.KeyName }, write: name, remark: vault},
		{path: "keyVersion", flag: "key-version", about: "version of the key in the vault",
			into: func(c *deployment) any { return &c.ACI.KeyVersion }, write: "a version in quotes", remark: vault},
	}
}

func tlsRules() []rule[DeploymentConfig] {
	const tls = "has no effect: TLS is not served yet"
	return []rule[DeploymentConfig]{
		{path: "sslEnabled", flag: "ssl-enabled se", about: "whether TLS is served",
			into: func(c *deployment) any { return &c.ACI.SSLEnabled }, write: "true or false without quotes",
			fallback: false, remark: "has no effect, TLS is not served yet: let a gateway before the endpoint serve it"},
		{path: "sslCertificate", flag: "ssl-cert-pem-file sp", about: "PEM file with the certificate",
			into: func(c *deployment) any { return &c.ACI.SSLCertificate }, write: "the path of a PEM file", remark: tls},
		{path: "sslKey", flag: "ssl-key-pem-file sk", about: "PEM file with the certificate's key",
			into: func(c *deployment) any { return &c.ACI.SSLKey }, write: "the path of a PEM file", remark: tls},
		{path: "cname", flag: "ssl-cname sc", about: "host name in the certificate",
			into: func(c *deployment) any { return &c.ACI.CName }, write: "a host name in quotes", remark: tls},
	}
}

func localRules() []rule[DeploymentConfig] {
	return []rule[DeploymentConfig]{
		{path: "port", flag: "port po", only: Local, about: "port on this machine, 0 for any that is free",
			means: "nothing yet: deployments on this machine are not available", support: Ignored,
			into: func(c *deployment) any { return &c.Port }, number: port, write: "a port such as 6789", fallback: 0},
	}
}

func port(f float64) string {
	if f >= 0 && f <= 65535 {
		return ""
	}
	return "must be from 0 to 65535"
}

// given is a field with the value it has.
type given struct{ field, value string }

// checkContainer holds the keys of ACI against each other.
func (c DeploymentConfig) checkContainer() Findings {
	a := c.ACI
	findings := c.together(given{"vaultBaseUrl", a.VaultBaseURL}, given{"keyName", a.KeyName},
		given{"keyVersion", a.KeyVersion})
	findings = append(findings, c.together(given{"vnetName", a.VnetName}, given{"subnetName", a.SubnetName})...)
	if !truth(a.SSLEnabled) {
		return findings
	}
	for _, g := range []given{{"sslCertificate", a.SSLCertificate}, {"sslKey", a.SSLKey}, {"cname", a.CName}} {
		if g.value == "" && !c.source.isRefused(g.field) {
			findings = append(findings, c.source.finding(g.field, "is required when sslEnabled is true: write "+
				ruleOf(tlsRules(), g.field).write))
		}
	}
	return findings
}

// together refuses some of the fields without the others.
func (c DeploymentConfig) together(fields ...given) Findings {
	var there []string
	var findings Findings
	for _, g := range fields {
		if g.value != "" {
			there = append(there, g.field)
		}
	}
	for _, g := range fields {
		if len(there) > 0 && g.value == "" && !c.source.isRefused(g.field) {
			findings = append(findings, c.source.finding(g.field, fmt.Sprintf(
				"is required together with %s: write all of them or none", strings.Join(there, " and "))))
		}
	}
	return findings
}

// Resolve checks that the files c names are there: the certificate and its key,
// for an ACI that is to serve TLS. base is the absolute path of the folder that
// paths are relative to; see InferenceConfig.Resolve.
func (c DeploymentConfig) Resolve(files Files, base string) Findings {
	var findings Findings
	if c.ComputeType != ACI || !truth(c.ACI.SSLEnabled) {
		return nil
	}
	for _, g := range []given{{"sslCertificate", c.ACI.SSLCertificate}, {"sslKey", c.ACI.SSLKey}} {
		if g.value == "" {
			continue
		}
		path := within(base, g.value)
		info, err := files.Stat(path)
		switch {
		case err != nil:
			findings = append(findings, c.source.valueFinding(g.field, g.value,
				fmt.Sprintf("%s %s: write a path from %s", path, missing(err), base)))
		case info.IsDir():
			findings = append(findings, c.source.valueFinding(g.field, g.value,
				fmt.Sprintf("%s is a folder: write the path of a file", path)))
		}
	}
	return findings
}
