// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package chartdoc writes the chart's README from the comments of its values.
package chartdoc

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

//go:embed README.tmpl
var readme string

// Value is one documented value.
type Value struct {
	// Path is how --set names it, such as router.service.port.
	Path string
	// Default is what it is when nobody sets it, as JSON.
	Default string
	// Text says what it does.
	Text string
}

// Readme returns the README of the chart in folder inference of files. It fails
// for a value that no comment "# --" explains, itself or as part of another.
func Readme(files fs.FS) (string, error) {
	page, err := template.New("README").Parse(readme)
	if err != nil {
		return "", err
	}
	sections := map[string][]Value{}
	for section, name := range map[string]string{
		"Endpoint": "inference/values.yaml",
		"Version":  "inference/files/version-defaults.yaml",
	} {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		if sections[section], err = Values(string(text)); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	var out bytes.Buffer
	if err := page.Execute(&out, sections); err != nil {
		return "", err
	}
	return out.String(), nil
}

// Values returns the documented values of a YAML file in its order. A value is
// explained by the comment above it that begins with "# --"; what is explained
// as a whole is not taken apart.
func Values(text string) ([]Value, error) {
	defaults := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &defaults); err != nil {
		return nil, err
	}
	var values []Value
	var comment []string
	var path []string
	explained := -1 // depth below which everything is explained
	for number, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if said, isComment := strings.CutPrefix(trimmed, "#"); isComment {
			comment = append(comment, strings.TrimSpace(said))
			continue
		}
		key, _, isKey := strings.Cut(trimmed, ":")
		if !isKey || strings.HasPrefix(trimmed, "- ") {
			comment = nil
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		path = append(path[:depth:depth], key)
		if explained >= 0 && depth > explained {
			continue
		}
		explained = -1
		value := at(defaults, path)
		said := strings.Join(comment, " ")
		comment = nil
		description, documented := strings.CutPrefix(said, "-- ")
		if _, isMap := value.(map[string]any); !documented && !isMap {
			return nil, fmt.Errorf("line %d: %s has no comment: say above it what it does, beginning with \"# --\"",
				number+1, strings.Join(path, "."))
		}
		if documented {
			encoded, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			values = append(values, Value{Path: strings.Join(path, "."), Default: string(encoded), Text: description})
			explained = depth
		}
	}
	return values, nil
}

// at returns the value at a path, nil for none.
func at(values map[string]any, path []string) any {
	var value any = values
	for _, key := range path {
		inner, isMap := value.(map[string]any)
		if !isMap {
			return nil
		}
		value = inner[key]
	}
	return value
}
