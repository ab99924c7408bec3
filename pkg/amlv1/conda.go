// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"regexp"
	"slices"
)

// ReadConda reads a conda file, which is YAML. file is the name used in findings.
// Places find the packages of it: dependencies[0] is the first one, and
// dependencies.pip[0] the first of pip. When the findings have an error, what
// could be read is not fit for use.
func ReadConda(file string, src []byte) (CondaDependencies, Places, Findings) {
	s := newSource(file)
	root, findings := parseAs(s, src, parseYAMLAlone)
	if root == nil {
		return CondaDependencies{}, Places{s}, findings
	}
	conda, found := readConda(s, "", root)
	return *conda, Places{s}, append(findings, found...).sorted()
}

// readConda reads a conda file: a file of its own when path is empty, else the
// object that stands inline at path.
func readConda(s *source, path string, n *node) (*CondaDependencies, Findings) {
	if n.kind != objectKind {
		return nil, Findings{s.finding(path, "must be an object, not "+n.describe()+
			`: write {"channels": […], "dependencies": […]}`)}
	}
	conda := &CondaDependencies{}
	r := reader[CondaDependencies]{source: s, rules: condaRules(), prefix: path, target: conda}
	known := &node{kind: objectKind, at: n.at}
	for _, e := range n.entries {
		if r.rule(e.key) != nil {
			known.entries = append(known.entries, e)
			continue
		}
		// Azure ML refused other keys too.
		r.report(e.at, e.key, "is not a key of a conda file: write one of name, channels, dependencies, prefix, variables")
	}
	r.object("", known)
	return conda, append(r.findings, conda.readDependencies(s, join(path, "dependencies"), n.get("dependencies"))...)
}

func condaRules() []rule[CondaDependencies] {
	return []rule[CondaDependencies]{
		{path: "name", into: func(d *CondaDependencies) any { return &d.Name }, write: "a name in quotes", scalar: true},
		{path: "channels", into: func(d *CondaDependencies) any { return &d.Channels }, write: `["conda-forge"]`},
		{path: "dependencies", into: func(*CondaDependencies) any { return &opaque{} }},
		{path: "prefix", into: func(d *CondaDependencies) any { return &d.Prefix }, write: "a path in quotes"},
		{path: "variables", into: func(d *CondaDependencies) any { return &d.Variables }, write: `{"NAME": "value"}`},
	}
}

// readDependencies reads the list of packages, in which the pip packages are
// an object with a list of their own.
func (d *CondaDependencies) readDependencies(s *source, path string, n *node) Findings {
	const write = `: write ["python=3.8", {"pip": ["azureml-defaults"]}]`
	if n == nil || n.kind == nullKind {
		return nil
	}
	var findings Findings
	wrong := func(at *node, message string) {
		findings = append(findings, Finding{File: s.file, Line: at.at.line, Column: at.at.column, Field: path,
			Message: message + write})
	}
	if n.kind != listKind {
		wrong(n, "must be a list, not "+n.describe())
	}
	for _, item := range n.items {
		pip := item.get("pip")
		switch {
		case item.kind == textKind:
			s.places[fmt.Sprintf("%s[%d]", path, len(d.Dependencies))] = item.at
			d.Dependencies = append(d.Dependencies, item.text)
		case len(item.entries) != 1 || pip == nil:
			wrong(item, `must hold package names and one {"pip": […]}, not `+item.describe())
		case pip.kind != listKind && pip.kind != nullKind:
			wrong(pip, `must have a list of package names for "pip", not `+pip.describe())
		default:
			for _, p := range pip.items {
				if p.kind != textKind {
					wrong(p, "must hold package names, not "+p.describe())
					continue
				}
				s.places[fmt.Sprintf("%s.pip[%d]", path, len(d.Pip))] = p.at
				d.Pip = append(d.Pip, p.text)
			}
		}
	}
	return findings
}

// checkPackages warns when the scoring server is not among the packages. path
// leads to them in s.
func (e Environment) checkPackages(s *source, path string) Findings {
	conda := e.Python.CondaDependencies
	if conda == nil || truth(e.Python.UserManagedDependencies) || conda.HasServer() {
		return nil
	}
	return Findings{s.warning(path, "has no pip package azureml-defaults, which brings the scoring server: "+
		`add it below "pip"; an image that is built gets the server without it`)}
}

// HasServer tells whether pip brings the scoring server, by itself or with
// azureml-defaults.
func (d CondaDependencies) HasServer() bool {
	return slices.ContainsFunc(d.Pip, serverPackage.MatchString)
}

var serverPackage = regexp.MustCompile(
	`(?i)^\s*azureml[-_.]+(?:defaults|inference[-_.]+server[-_.]+http)(?:$|[^-_.\w])`)
