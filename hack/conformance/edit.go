// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import "strings"

// edit is a change of a file's text. The zero edit changes nothing.
type edit struct {
	name string
	// at is where in the text, in percent of its length.
	at int
}

func randomEdit(d dice) edit {
	return edit{pick(d, words(`bom tab-indent trailing-comma comment block-comment crlf cr cut second-document
		document-start document-end directive nul not-utf8 top-list top-scalar nothing blank single-quotes anchor merge tag
		tab-in-line next-line unknown-alias flow-comment python-literal`)), d.IntN(100)}
}

// apply does the edit.
func (e edit) apply(s string) string {
	if changed, ok := e.replaceAll(s); ok {
		return changed
	}
	at := len(s) * e.at / 100
	switch e.name {
	case "cut":
		return s[:at]
	case "tab-in-line":
		return replaceFrom(s, at, ": ", ":\t")
	case "trailing-comma":
		return replaceFrom(s, at, "\n}", ",\n}")
	case "comment":
		return replaceFrom(s, at, "\n", " # a comment\n")
	case "block-comment":
		return replaceFrom(s, at, "\n", "/* a comment */\n")
	case "flow-comment":
		return replaceFrom(s, at, "\n", "\n// a comment\n")
	case "anchor":
		return replaceFrom(replaceFrom(s, at, ": {", ": &x {"), 0, ": true", ": &y true")
	case "unknown-alias":
		return replaceFrom(s, at, ": ", ": *z ")
	case "tag":
		return replaceFrom(s, at, ": ", ": !!str ")
	case "nul":
		return s[:at] + "\x00" + s[at:]
	case "not-utf8":
		return s[:at] + "\xff" + s[at:]
	case "next-line":
		return replaceFrom(s, at, "\n", "\u0085")
	default:
		return s
	}
}

// replaceAll does the edits that are about the whole text.
func (e edit) replaceAll(s string) (string, bool) {
	switch e.name {
	case "bom":
		return "\ufeff" + s, true
	case "tab-indent":
		return strings.ReplaceAll(s, "\n  ", "\n\t"), true
	case "crlf":
		return strings.ReplaceAll(s, "\n", "\r\n"), true
	case "cr":
		return strings.ReplaceAll(s, "\n", "\r"), true
	case "second-document":
		return s + "\n---\n" + s, true
	case "document-start":
		return "---\n" + s, true
	case "document-end":
		return s + "...\n", true
	case "directive":
		return "%YAML 1.1\n---\n" + s, true
	case "top-list":
		return "[" + s + "]", true
	case "top-scalar":
		return "computeType\n", true
	case "nothing":
		return "", true
	case "blank":
		return " \n\n", true
	case "single-quotes":
		return strings.ReplaceAll(s, `"`, "'"), true
	case "merge":
		return "base: &base\n  numReplicas: 2\n<<: *base\n" + s, true
	case "python-literal":
		return strings.NewReplacer(": true", ": True", ": false", ": False", ": null", ": None").Replace(s), true
	}
	return s, false
}

// replaceFrom replaces the first place after at.
func replaceFrom(s string, at int, old, with string) string {
	return s[:at] + strings.Replace(s[at:], old, with, 1)
}
