// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

const condaPath = "environment.python.condaDependencies"

// readConda reads a conda file that stands inline in an environment.
func (c *InferenceConfig) readConda(n *node) Findings {
	if n == nil || n.kind == nullKind {
		return nil
	}
	if n.kind != objectKind {
		return Findings{c.source.finding(condaPath, "must be an object, not "+n.describe()+
			`: write {"channels": […], "dependencies": […]}`)}
	}
	conda := &CondaDependencies{}
	c.Environment.Python.CondaDependencies = conda
	r := reader[CondaDependencies]{source: c.source, rules: condaRules(), prefix: condaPath, target: conda}
	findings := conda.checkKeys(c.source, n)
	r.object("", knownEntries(n, r.rule))
	findings = append(findings, r.findings...)
	findings = append(findings, conda.readDependencies(c.source, n.get("dependencies"))...)
	return append(findings, conda.checkDefaults(c.source)...)
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

// checkKeys refuses other keys, as Azure ML did.
func (*CondaDependencies) checkKeys(s *source, n *node) Findings {
	var findings Findings
	r := reader[CondaDependencies]{rules: condaRules()}
	for _, e := range n.entries {
		if r.rule(e.key) == nil {
			findings = append(findings, Finding{File: s.file, Line: e.at.line, Column: e.at.column,
				Field:   join(condaPath, e.key),
				Message: "is not a key of a conda file: write one of name, channels, dependencies, prefix, variables"})
		}
	}
	return findings
}

func knownEntries(n *node, known func(string) *rule[CondaDependencies]) *node {
	out := &node{kind: objectKind, at: n.at}
	for _, e := range n.entries {
		if known(e.key) != nil {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

// readDependencies reads the list of packages, in which the pip packages are
// an object with a list of their own.
func (d *CondaDependencies) readDependencies(s *source, n *node) Findings {
	const path = condaPath + ".dependencies"
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
				d.Pip = append(d.Pip, p.text)
			}
		}
	}
	return findings
}

func (d *CondaDependencies) checkDefaults(s *source) Findings {
	for _, p := range d.Pip {
		if azuremlDefaults.MatchString(p) {
			return nil
		}
	}
	f := s.finding(condaPath, `has no pip package azureml-defaults, which brings the scoring server: add it below "pip"`)
	f.Warning = true
	return Findings{f}
}
