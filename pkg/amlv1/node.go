// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	nullKind kind = iota
	boolKind
	numberKind
	textKind
	listKind
	objectKind
)

// node is a value of a file with its place. JSON and YAML both become nodes.
type node struct {
	kind kind
	at   place
	// text is a scalar as it is written, without its quotes.
	text string
	// quoted tells "3" from 3.
	quoted  bool
	truth   bool
	number  float64
	items   []*node
	entries []entry
}

type entry struct {
	key   string
	at    place
	value *node
}

// get returns the value of a key, nil when there is none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// isNothing tells whether a value asks for nothing.
func (n *node) isNothing() bool {
	switch n.kind {
	case nullKind:
		return true
	case boolKind:
		return !n.truth
	case textKind:
		return n.text == ""
	case numberKind:
		return false
	default:
		return len(n.items)+len(n.entries) == 0
	}
}

// describe says what a value is, for "must be X, not Y". Long texts are cut.
func (n *node) describe() string {
	switch n.kind {
	case nullKind:
		return "null"
	case boolKind, numberKind:
		return short(n.text)
	case textKind:
		if _, err := strconv.ParseFloat(n.text, 64); err == nil && !n.quoted {
			return short(n.text) + ", which is text in YAML 1.1"
		}
		return fmt.Sprintf("the text %q", short(n.text))
	case listKind:
		return "a list"
	default:
		return "an object"
	}
}

func short(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// parse reads JSON or YAML into a tree whose root is an object. It reports what
// is wrong with the text as a whole, and keys that are written twice.
func parse(s *source, src []byte) (*node, Findings) { return parseAs(s, src, parseText) }

// parseAs is parse for a text that is read in one way.
func parseAs(s *source, src []byte, text func(*source, []byte) (*node, Findings)) (*node, Findings) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if !utf8.Valid(src) {
		return nil, Findings{{File: s.file, Message: "is not UTF-8 text: save it as UTF-8"}}
	}
	root, findings := text(s, src)
	if root == nil {
		return nil, findings
	}
	if root.kind != objectKind {
		message := "must hold an object with keys, not " + root.describe()
		if root.kind == nullKind {
			message = "is empty"
		}
		return nil, append(findings, Finding{File: s.file, Line: root.at.line, Column: root.at.column,
			Message: message + `: write it as {"key": value, …}`})
	}
	s.places[""] = root.at
	return root, findings
}

// parseYAMLAlone reads YAML, of which JSON is a part. What is a line break in
// YAML 1.1 only is none.
func parseYAMLAlone(s *source, src []byte) (*node, Findings) {
	root, findings, err := parseYAML(s, src)
	if err != nil {
		return nil, Findings{*err}
	}
	return root, findings
}

// parseStrictJSON reads what can be nothing but JSON.
func parseStrictJSON(s *source, src []byte) (*node, Findings) {
	root, findings, err := parseJSON(s, src)
	if err != nil {
		return nil, Findings{*err}
	}
	return root, findings
}

// parseText reads strict JSON as such. Everything else is YAML, which also
// takes what Azure ML's YAML reader took for JSON: comments, trailing commas.
func parseText(s *source, src []byte) (*node, Findings) {
	looksLikeJSON := bytes.HasPrefix(bytes.TrimLeft(src, " \t\r\n"), []byte("{"))
	if looksLikeJSON {
		root, findings, jsonErr := parseJSON(s, src)
		if jsonErr == nil {
			return root, findings
		}
		if hasTab(src) {
			return nil, Findings{*jsonErr}
		}
		if root, findings, err := parseYAML(s, lineBreaks(src)); err == nil {
			return root, findings
		}
		return nil, Findings{*jsonErr}
	}
	root, findings, err := parseYAML(s, lineBreaks(src))
	if err != nil {
		return nil, Findings{*err}
	}
	return root, findings
}

// add puts an entry into an object. As in Azure ML, the last of several
// entries of one key counts; the finding says so.
func (n *node) add(s *source, path string, e entry) Findings {
	for i := range n.entries {
		if n.entries[i].key != e.key {
			continue
		}
		first := n.entries[i].at
		n.entries[i] = e
		return Findings{{File: s.file, Line: e.at.line, Column: e.at.column, Field: join(path, e.key), Warning: true,
			Message: fmt.Sprintf("is written twice, first on line %d: the last one counts, remove the other", first.line)}}
	}
	n.entries = append(n.entries, e)
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// lineBreaks makes a line feed of what only YAML 1.1 takes for a line break.
func lineBreaks(src []byte) []byte {
	return []byte(strings.NewReplacer("\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(string(src)))
}

// hasTab tells whether there is a tab outside of quotes and comments. Azure ML
// could not read it as YAML then.
func hasTab(src []byte) bool {
	quote, comment := byte(0), false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case comment:
			comment = c != '\n'
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\t':
			return true
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			comment = true
		}
	}
	return false
}
