// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import "slices"

// InferenceConfig is what an inferenceconfig.json says. Empty texts and nil
// pointers are keys that are absent.
type InferenceConfig struct {
	// EntryScript is the path of the score script: inside SourceDirectory when
	// that is given, else from the working directory.
	EntryScript string
	// SourceDirectory is the folder that goes into the container, from the
	// working directory. Empty for the entry script alone.
	SourceDirectory string

	// Environment is nil when the file has none.
	Environment *Environment

	// Old is the form that came before Environment. Never set together with it.
	Old OldForm

	source *source
	// referenced is set when the environment is only named.
	referenced bool
}

// ReadInferenceConfig reads an inferenceconfig.json, which may be YAML. file is
// the name used in findings. The old form (runtime, condaFile, …) is read too.
// Whether the files it names exist is told by Resolve. When the findings have
// an error, the config holds what could be read and is not fit for use.
func ReadInferenceConfig(file string, src []byte) (InferenceConfig, Findings) {
	c := InferenceConfig{source: newSource(file)}
	root, findings := parse(c.source, src)
	if root == nil {
		return c, findings
	}
	r := reader[InferenceConfig]{source: c.source, rules: inferenceRules(), nulls: true, target: &c}
	r.object("", root)
	findings = append(findings, r.findings...)
	findings = append(findings, c.readEnvironment(root.get("environment"))...)
	return c, append(findings, c.Validate()...).sorted()
}

func (c *InferenceConfig) readEnvironment(n *node) Findings {
	const key = "environment"
	if n == nil || n.kind == nullKind {
		return nil
	}
	if n.kind == textKind && n.text != "" {
		return Findings{c.source.finding(key, referenced(n.text, "")+writeInFull)}
	}
	if n.kind != objectKind {
		return Findings{c.source.finding(key, "must be an object, not "+n.describe()+": "+writeInFull)}
	}
	e, findings := readEnvironment(c.source, key, n)
	c.Environment = &e
	only := e.checkContent(c.source, key, n)
	c.referenced = len(only) > 0 && e.Name != ""
	findings = append(findings, only...)
	findings = append(findings, e.checkImage(c.source, key+".docker.baseDockerfile")...)
	return append(findings, e.checkPackages(c.source, key+".python.condaDependencies")...)
}

// Validate holds the values against their ranges and the two forms against each
// other, with the rules of Azure ML v1, and returns all findings. A config that
// was read is validated already; call it again after changing fields. An
// environment is checked when it is read.
func (c InferenceConfig) Validate() Findings {
	findings := check(c.source, inferenceRules(), "", &c)
	if c.EntryScript == "" && !c.source.isRefused("entryScript") {
		findings = append(findings, c.source.finding("entryScript",
			`is required: write the path of the score script, such as "score.py"`))
	}
	findings = append(findings, checkRegistry(c.source, "baseImageRegistry", c.Old.BaseImageRegistry)...)
	return append(findings, c.CheckForms()...).sorted()
}

// CheckForms refuses both forms at once. Validate does that, too.
func (c InferenceConfig) CheckForms() Findings {
	if c.Environment == nil {
		return nil
	}
	var findings Findings
	for _, key := range c.oldKeys() {
		findings = append(findings, c.source.finding(key,
			"cannot be given together with an environment: move it into the environment and remove it here"))
	}
	return findings
}

// UseEnvironment gives c an environment that stands beside it, as from the
// folder that a flag names. As in Azure ML, one in the file goes before it; then
// a warning is the answer. The findings are those of Validate about both forms.
func (c *InferenceConfig) UseEnvironment(e Environment) Findings {
	if c.Environment != nil {
		return Findings{c.source.warning("environment", "goes before the environment given as a flag: "+
			"remove one of the two")}
	}
	c.Environment = &e
	return c.CheckForms()
}

// Reference is the environment that the file only names, with a version if that is
// not empty. Azure ML failed on it, and reading has an error that says so;
// UseRegistered takes that away. ok is false when there is no such environment.
func (c InferenceConfig) Reference() (name, version string, ok bool) {
	if !c.referenced {
		return "", "", false
	}
	return c.Environment.Name, c.Environment.Version, true
}

// UseRegistered gives c the environment that the file only names, nil if an image
// stands for it, and returns findings without the one about the name.
func (c *InferenceConfig) UseRegistered(e *Environment, findings Findings) Findings {
	c.Environment, c.referenced = e, false
	named := func(f Finding) bool { return f.Field == "environment" && !f.Warning }
	return slices.DeleteFunc(slices.Clone(findings), named)
}

// absent tells whether a scalar key is missing, null or empty.
func (n *node) absent() bool {
	return n == nil || n.kind == nullKind || n.kind == textKind && n.text == ""
}
