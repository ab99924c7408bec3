// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"encoding/json"
	"strings"
)

// style is a way to write a tree into a file.
type style int

const (
	jsonStyle style = iota
	compactStyle
	tabStyle
	yamlStyle
	flowStyle
	styles
)

// render writes a tree in a style.
func render(t *tree, s style) string {
	switch s {
	case compactStyle:
		return jsonText(t, "", "")
	case tabStyle:
		return jsonText(t, "\n", "\t") + "\n"
	case yamlStyle:
		return yamlText(t)
	case flowStyle:
		return flowText(t) + "\n"
	default:
		return jsonText(t, "\n", "  ") + "\n"
	}
}

// jsonText writes JSON. newline is the line break with the indent up to here.
func jsonText(t *tree, newline, indent string) string {
	inner, space := newline+indent, " "
	if newline == "" {
		space = ""
	}
	switch t.shape {
	case textShape:
		return quoted(t.word)
	case listShape:
		if len(t.items) == 0 {
			return "[]"
		}
		var parts []string
		for _, item := range t.items {
			parts = append(parts, inner+jsonText(item, inner, indent))
		}
		return "[" + strings.Join(parts, ",") + newline + "]"
	case objectShape:
		if len(t.entries) == 0 {
			return "{}"
		}
		var parts []string
		for _, e := range t.entries {
			parts = append(parts, inner+quoted(e.key)+":"+space+jsonText(e.value, inner, indent))
		}
		return "{" + strings.Join(parts, ",") + newline + "}"
	default:
		return t.word
	}
}

// quoted writes a text as JSON does. Such a text means the same in YAML.
func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func yamlText(t *tree) string {
	if t.shape != objectShape || len(t.entries) == 0 {
		return scalarOrEmpty(t) + "\n"
	}
	return strings.Join(blockLines(t), "\n") + "\n"
}

// blockLines writes an object or a list in YAML's block style.
func blockLines(t *tree) []string {
	var lines []string
	for _, e := range t.entries {
		key := e.key
		if !isPlainSafe(key) {
			key = quoted(key)
		}
		lines = append(lines, nested(key+":", "  ", e.value)...)
	}
	for _, item := range t.items {
		if len(item.items)+len(item.entries) == 0 {
			lines = append(lines, "- "+scalarOrEmpty(item))
			continue
		}
		for i, line := range blockLines(item) {
			lines = append(lines, map[bool]string{true: "- ", false: "  "}[i == 0]+line)
		}
	}
	return lines
}

func nested(head, indent string, t *tree) []string {
	if len(t.items)+len(t.entries) == 0 {
		return []string{strings.TrimRight(head+" "+scalarOrEmpty(t), " ")}
	}
	lines := []string{head}
	for _, line := range blockLines(t) {
		lines = append(lines, indent+line)
	}
	return lines
}

func scalarOrEmpty(t *tree) string {
	switch t.shape {
	case listShape:
		return "[]"
	case objectShape:
		return "{}"
	case textShape:
		return yamlScalar(t.word)
	default:
		return t.word
	}
}

// yamlScalar writes a text: without quotes where that cannot be mistaken, else
// in the quotes that its length chooses, so that both kinds are met.
func yamlScalar(s string) string {
	switch {
	case isPlainSafe(s):
		return s
	case len(s)%2 == 0 && !strings.ContainsAny(s, "\n\t\x00\u0085"):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	default:
		return quoted(s)
	}
}

// isPlainSafe tells whether a text needs no quotes in YAML, whatever its version.
func isPlainSafe(s string) bool {
	if s == "" || len(s) < 3 {
		return false
	}
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-_./=", c)) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "yes", "true", "off", "null", "false":
		return false
	}
	return true
}

func flowText(t *tree) string {
	switch t.shape {
	case listShape:
		var parts []string
		for _, item := range t.items {
			parts = append(parts, flowText(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case objectShape:
		var parts []string
		for _, e := range t.entries {
			key := e.key
			if !isPlainSafe(key) {
				key = quoted(key)
			}
			parts = append(parts, key+": "+flowText(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return scalarOrEmpty(t)
	}
}
