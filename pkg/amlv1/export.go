// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Exported is a service or endpoint of Azure ML v1 as it is known from outside
// of its files.
type Exported struct {
	Name string
	// Keys are empty when the export has none.
	Keys Keys
	// Versions are in the order to deploy them in: the default one comes first.
	Versions []ExportedVersion
}

// ExportedVersion is one version of it.
type ExportedVersion struct {
	// Name is empty for the only version of a service.
	Name string
	// Config has all that the export tells and a deploymentconfig.json can hold,
	// but for the namespace: beside the old objects there is no place for new
	// ones of the same name.
	Config DeploymentConfig
	// Default and Control are the version's parts in its endpoint.
	Default, Control bool
	// Image is the image that runs; empty when it is not known.
	Image string
	// EntryScript and SourceDirectory are as in an inferenceconfig.json.
	EntryScript, SourceDirectory string
	// Models are NAME:VERSION.
	Models []string

	variables   map[string]string
	environment *node
}

// ReadExport reads an exported service: the JSON of az ml service show -v, of az
// ml endpoint realtime show, or of serialize() in the SDK, and the params.json
// that Microsoft's migration tool for v1 services makes. What an export has
// beside that is passed over. When the findings have an error, the result is
// not fit for use.
func ReadExport(file string, src []byte) (Exported, Findings) {
	x := &exportReader{source: newSource(file)}
	root, findings := parse(x.source, src)
	if root == nil {
		return x.out, findings
	}
	x.findings = findings
	switch params := root.get("parameters"); {
	case params != nil && params.kind == objectKind:
		x.params(params)
	case root.get("onlineDeployments") != nil:
		x.params(root)
	default:
		x.service(root)
	}
	x.inOrder()
	return x.out, x.findings.sorted()
}

type exportReader struct {
	source   *source
	out      Exported
	findings Findings
}

func (x *exportReader) report(n *node, field, message string) {
	f := Finding{File: x.source.file, Field: field, Message: message}
	if n != nil {
		f.Line, f.Column = n.at.line, n.at.column
	}
	x.findings = append(x.findings, f)
}

func (x *exportReader) warn(n *node, field, message string) {
	x.report(n, field, message)
	x.findings[len(x.findings)-1].Warning = true
}

// text reads an optional text.
func (x *exportReader) text(n *node, field string) string {
	switch {
	case n.absent():
		return ""
	case n.kind != textKind:
		x.report(n, field, "must be text, not "+n.describe())
		return ""
	}
	return n.text
}

func (x *exportReader) name(root, n *node, field string) string {
	name := x.text(n, field)
	switch wrong := serviceName(name); {
	case name == "" && n.absent():
		x.report(root, field, "is missing: export one service with az ml service show -v, or one endpoint")
	case name != "" && wrong != "":
		x.report(n, field, fmt.Sprintf("%s, not %q", wrong, short(name)))
	}
	return name
}

// service reads what the SDK and the command line tell of a service.
func (x *exportReader) service(root *node) {
	x.out.Name = x.name(root, root.get("name"), "name")
	kind := strings.ToUpper(x.text(root.get("computeType"), "computeType"))
	if !slices.Contains([]string{"", "AKS", "AKSENDPOINT", "ACI"}, kind) {
		x.report(root.get("computeType"), "computeType", fmt.Sprintf("%q is not a service in a cluster", short(kind)))
	}
	x.keys(root.get("keys"), "keys")
	versions := root.get("versions")
	if versions == nil || versions.kind == nullKind {
		x.out.Versions = append(x.out.Versions, x.version(root, ""))
		if root.get("containerResourceRequirements") == nil {
			x.warn(root, "", "tells nothing of resources, replicas and time-outs, so Azure ML's defaults are written: "+
				"export the service with -v to have its own")
		}
		return
	}
	if versions.kind != objectKind || len(versions.entries) == 0 {
		x.report(versions, "versions", "must be an object with the versions, not "+versions.describe())
		return
	}
	for _, e := range versions.entries {
		field := join("versions", e.key)
		if wrong := serviceName(e.key); wrong != "" {
			x.report(&node{at: e.at}, field, wrong)
		}
		if e.value.kind != objectKind {
			x.report(e.value, field, "must be an object, not "+e.value.describe())
			continue
		}
		v := x.version(inherit(e.value, root), field)
		v.Name = e.key
		x.out.Versions = append(x.out.Versions, v)
	}
}

// inherit is a version with what is said of its endpoint as a whole.
func inherit(version, endpoint *node) *node {
	out := &node{kind: objectKind, at: version.at, entries: slices.Clone(version.entries)}
	for _, key := range []string{"authEnabled", "aadAuthEnabled", "appInsightsEnabled", "computeName"} {
		if v := version.get(key); v == nil || v.kind == nullKind {
			if from := endpoint.get(key); from != nil {
				out.entries = slices.DeleteFunc(out.entries, func(e entry) bool { return e.key == key })
				out.entries = append(out.entries, entry{key: key, at: from.at, value: from})
			}
		}
	}
	return out
}

func (x *exportReader) version(n *node, field string) ExportedVersion {
	v := ExportedVersion{Config: x.config(wired(n), field), environment: n.get("environmentDetails")}
	if d := n.get("isDefault"); d != nil {
		v.Default = d.truth
	}
	v.Control = strings.EqualFold(x.text(n.get("versionType"), join(field, "versionType")), "Control")
	v.Models = x.models(n.get("modelDetails"), join(field, "modelDetails"))
	if v.environment != nil && v.environment.kind != objectKind {
		v.environment = nil
	}
	return v
}

func (x *exportReader) models(n *node, field string) []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, item := range n.items {
		name, version := x.text(item.get("name"), field), item.get("version")
		switch {
		case name == "" && !item.get("id").absent():
			out = append(out, x.text(item.get("id"), field))
		case name != "" && version != nil:
			out = append(out, name+":"+version.text)
		}
	}
	return out
}

func (x *exportReader) keys(n *node, field string) {
	if n == nil || n.kind != objectKind {
		return
	}
	x.out.Keys = Keys{
		PrimaryKey:   x.secret(n.get("primaryKey"), join(field, "primaryKey")),
		SecondaryKey: x.secret(n.get("secondaryKey"), join(field, "secondaryKey")),
	}
}

func (x *exportReader) secret(n *node, field string) string {
	if !n.absent() && n.kind != textKind {
		x.report(n, field, "must be text in quotes")
		return ""
	}
	if n == nil {
		return ""
	}
	return n.text
}

// config reads the fields of an export that are called like those of a
// deploymentconfig.json.
func (x *exportReader) config(n *node, field string) DeploymentConfig {
	c := DeploymentConfig{ComputeType: AKSEndpoint, source: newSource(x.source.file)}
	r := reader[DeploymentConfig]{source: c.source, rules: deploymentRules(), kind: AKSEndpoint, nulls: true, target: &c}
	c.source.places[""] = n.at
	r.object("", n)
	if truth(c.TokenAuthEnabled) {
		r.findings = append(r.findings, Finding{File: x.source.file, Line: n.at.line, Column: n.at.column, Warning: true,
			Field: "tokenAuthEnabled", Message: "tokens are not served: callers get by with one of the two keys"})
		on := true
		c.AuthEnabled, c.TokenAuthEnabled = &on, nil
	}
	c.tidy()
	findings := append(r.findings, c.Validate()...)
	for i := range findings {
		findings[i].Field = join(field, findings[i].Field)
	}
	x.findings = append(x.findings, findings...)
	return c
}

// tidy drops what a service reports and a file may not hold: a number of
// replicas beside autoscaling, a range without it, and zeros for none.
func (c *DeploymentConfig) tidy() {
	a := &c.AutoScaler
	switch {
	case truth(a.AutoscaleEnabled):
		c.NumReplicas = nil
	case c.NumReplicas != nil && *c.NumReplicas > 0 || a.AutoscaleEnabled == nil:
		*a = AutoScaler{}
	}
	r := &c.ContainerResourceRequirements
	for _, amount := range []**float64{&r.CPU, &r.CPULimit, &r.MemoryInGB, &r.MemoryInGBLimit} {
		if *amount != nil && **amount == 0 {
			*amount = nil
		}
	}
	for _, n := range []**int{&c.GPUCores, &c.NumReplicas} {
		if *n != nil && **n == 0 {
			*n = nil
		}
	}
}

// wired is what a service reports under the names of a deploymentconfig.json.
func wired(n *node) *node {
	out := &node{kind: objectKind, at: n.at}
	take := func(key string, value *node) {
		if value != nil && out.get(key) == nil {
			out.entries = append(out.entries, entry{key: key, at: value.at, value: value})
		}
	}
	for _, key := range []string{"autoScaler", "numReplicas", "appInsightsEnabled", "authEnabled",
		"scoringTimeoutMs", "maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "livenessProbeRequirements",
		"trafficPercentile"} {
		take(key, n.get(key))
	}
	take("tokenAuthEnabled", n.get("aadAuthEnabled"))
	resources := n.get("containerResourceRequirements")
	take("containerResourceRequirements", without(resources, "gpu"))
	take("gpuCores", resources.get("gpu"))
	take("dataCollection", without(n.get("dataCollection"), "eventHubEnabled"))
	return out
}

// without is an object without one of its keys.
func without(n *node, key string) *node {
	if n == nil || n.kind != objectKind {
		return n
	}
	return &node{kind: objectKind, at: n.at,
		entries: slices.DeleteFunc(slices.Clone(n.entries), func(e entry) bool { return e.key == key })}
}

// inOrder puts the default version first: it is the default of a new endpoint.
func (x *exportReader) inOrder() {
	slices.SortStableFunc(x.out.Versions, func(a, b ExportedVersion) int {
		return cmp.Compare(b2i(b.Default), b2i(a.Default))
	})
}

// ReadKeys reads two keys as az ml service get-keys prints them. Findings do not
// tell a key.
func ReadKeys(file string, src []byte) (Keys, Findings) {
	x := &exportReader{source: newSource(file)}
	root, findings := parse(x.source, src)
	if root == nil {
		return Keys{}, findings
	}
	x.findings = findings
	x.keys(root, "")
	if x.out.Keys == (Keys{}) && x.findings.Err() == nil {
		x.report(root, "primaryKey", "is missing: give the JSON that az ml service get-keys prints")
	}
	return x.out.Keys, x.findings
}
