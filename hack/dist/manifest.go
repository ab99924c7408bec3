// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	_ "embed"
	"text/template"
)

//go:embed aml.yaml.tmpl
var manifestText string

// renderManifest returns the krew manifest of a version whose archives are to be had below base.
func renderManifest(version, base string, archives []archive) ([]byte, error) {
	t, err := template.New("aml.yaml.tmpl").Parse(manifestText)
	if err != nil {
		return nil, err
	}
	var manifest bytes.Buffer
	err = t.Execute(&manifest, map[string]any{"Version": version, "Base": base, "Archives": archives})
	return manifest.Bytes(), err
}
