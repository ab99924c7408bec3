// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import "regexp"

// ModelMetadata is a model metadata file: what "model register" writes of a
// registered model, and deployments read instead of its name.
type ModelMetadata struct {
	// ModelID is NAME:VERSION.
	ModelID string
	// Workspace and ResourceGroup are where Azure ML had the model.
	Workspace, ResourceGroup string
}

var modelID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}:[1-9][0-9]{0,8}$`)

// ReadModelMetadata reads a model metadata file. file is the name used in
// findings. The modelId is required; other keys than those of ModelMetadata are
// warned of. When the findings have an error, what is returned is not fit for
// use.
func ReadModelMetadata(file string, src []byte) (ModelMetadata, Findings) {
	var m ModelMetadata
	s := newSource(file)
	root, findings := parse(s, src)
	if root == nil {
		return m, findings
	}
	r := reader[ModelMetadata]{source: s, rules: metadataRules(), target: &m}
	r.object("", root)
	findings = append(findings, r.findings...)
	if root.get("modelId").absent() {
		findings = append(findings, s.finding("modelId", `is missing: write it as {"modelId": "NAME:VERSION"}`))
	}
	return m, append(findings, check(s, metadataRules(), "", &m)...).sorted()
}

func metadataRules() []rule[ModelMetadata] {
	return []rule[ModelMetadata]{
		{path: "modelId", into: func(m *ModelMetadata) any { return &m.ModelID }, text: isModelID,
			write: `the model and its version, such as "sentiment:3"`, also: []string{"id", "model"}},
		{path: "workspaceName", into: func(m *ModelMetadata) any { return &m.Workspace }, write: "a name in quotes"},
		{path: "resourceGroupName", into: func(m *ModelMetadata) any { return &m.ResourceGroup }, write: "a name in quotes"},
	}
}

func isModelID(text string) string {
	if modelID.MatchString(text) {
		return ""
	}
	return "must be NAME:VERSION"
}
