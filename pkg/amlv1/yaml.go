// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML reads one YAML document. The third result is what is wrong with it.
func parseYAML(s *source, src []byte) (*node, Findings, *Finding) {
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, nil, yamlError(s, err)
	}
	var docs []*ast.DocumentNode
	for _, d := range file.Docs {
		if _, directive := d.Body.(*ast.DirectiveNode); d.Body != nil && !directive {
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 {
		return &node{kind: nullKind, at: place{1, 1}}, nil, nil
	}
	if len(docs) > 1 {
		at := placeOf(docs[1].Body)
		return nil, nil, &Finding{File: s.file, Line: at.line, Column: at.column,
			Message: "holds a second YAML document: write one file for each"}
	}
	p := &yamlParser{source: s, anchors: map[string]*node{}}
	root, err := p.value("", docs[0].Body)
	if err != nil {
		return nil, nil, yamlError(s, err)
	}
	return root, p.findings, nil
}

// yamlError makes one line of an error of the YAML parser, which draws the
// excerpt of the file below its message.
func yamlError(s *source, err error) *Finding {
	f := &Finding{File: s.file, Message: "is neither valid JSON nor valid YAML: " + firstLine(err.Error())}
	var placed *placedError
	if errors.As(err, &placed) {
		f.Line, f.Column = placed.at.line, placed.at.column
	}
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		f.Message = "is neither valid JSON nor valid YAML: " + firstLine(syntax.GetMessage())
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			f.Line, f.Column = max(t.Position.Line, 1), max(t.Position.Column, 1)
		}
	}
	return f
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

type placedError struct {
	at      place
	message string
}

func (e *placedError) Error() string { return e.message }

type yamlParser struct {
	source   *source
	anchors  map[string]*node
	findings Findings
	depth    int
}

// maxDepth is far more than a config needs, and keeps a hostile file from
// exhausting the stack.
const maxDepth = 100

func (p *yamlParser) value(path string, n ast.Node) (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, &placedError{placeOf(n), "is nested too deeply"}
	}
	switch v := n.(type) {
	case nil:
		return &node{kind: nullKind}, nil
	case *ast.MappingNode:
		return p.object(path, placeOf(n), v.Values)
	case *ast.MappingValueNode:
		return p.object(path, placeOf(n), []*ast.MappingValueNode{v})
	case *ast.SequenceNode:
		return p.list(path, v)
	case *ast.AnchorNode:
		out, err := p.value(path, v.Value)
		if err == nil {
			p.anchors[v.Name.String()] = out
		}
		return out, err
	case *ast.AliasNode:
		if known, ok := p.anchors[v.Value.String()]; ok {
			return known, nil
		}
		return nil, &placedError{placeOf(n), fmt.Sprintf("alias *%s has no anchor before it", v.Value)}
	case *ast.TagNode:
		return p.tagged(path, v)
	default:
		return scalar(n), nil
	}
}

// tagged honours the one tag that changes what a config says, !!str.
func (p *yamlParser) tagged(path string, n *ast.TagNode) (*node, error) {
	out, err := p.value(path, n.Value)
	if err != nil {
		return nil, err
	}
	if n.Start != nil && n.Start.Value == "!!str" && out.kind < listKind {
		return &node{kind: textKind, at: out.at, text: out.text, quoted: true}, nil
	}
	return out, nil
}

func (p *yamlParser) list(path string, v *ast.SequenceNode) (*node, error) {
	out := &node{kind: listKind, at: placeOf(v)}
	for _, item := range v.Values {
		n, err := p.value(path, item)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, n)
	}
	return out, nil
}

func (p *yamlParser) object(path string, at place, values []*ast.MappingValueNode) (*node, error) {
	out := &node{kind: objectKind, at: at}
	var merged []*node
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			m, err := p.value(path, v.Value)
			if err != nil {
				return nil, err
			}
			merged = append(merged, m)
			continue
		}
		key, err := p.key(v.Key)
		if err != nil {
			return nil, err
		}
		value, err := p.value(join(path, key.text), v.Value)
		if err != nil {
			return nil, err
		}
		if value.at == (place{}) {
			value.at = key.at
		}
		p.findings = append(p.findings, out.add(p.source, path, entry{key: key.text, at: key.at, value: value})...)
	}
	for _, m := range merged {
		out.merge(m)
	}
	return out, nil
}

func (p *yamlParser) key(n ast.MapKeyNode) (*node, error) {
	var inner ast.Node = n
	if k, ok := n.(*ast.MappingKeyNode); ok {
		inner = k.Value
	}
	key, err := p.value("", inner)
	if err != nil {
		return nil, err
	}
	if key.kind >= listKind {
		return nil, &placedError{placeOf(n), "a key must be text"}
	}
	return key, nil
}

// merge takes over the entries of a "<<" value that n does not have itself.
func (n *node) merge(from *node) {
	if from.kind == listKind {
		for _, item := range from.items {
			n.merge(item)
		}
		return
	}
	for _, e := range from.entries {
		if n.get(e.key) == nil {
			n.entries = append(n.entries, e)
		}
	}
}

func scalar(n ast.Node) *node {
	at := placeOf(n)
	switch v := n.(type) {
	case *ast.LiteralNode:
		return &node{kind: textKind, at: at, text: v.Value.Value, quoted: true}
	case *ast.StringNode:
		if v.Token.Type == token.SingleQuoteType || v.Token.Type == token.DoubleQuoteType {
			return &node{kind: textKind, at: at, text: v.Value, quoted: true}
		}
		return plainNode(at, v.Value)
	case *ast.NullNode:
		return &node{kind: nullKind, at: at}
	default:
		return plainNode(at, n.GetToken().Value)
	}
}

// placeOf returns where a node begins. An object of YAML has no token of its
// own: it begins with its first key.
func placeOf(n ast.Node) place {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return placeOf(v.Values[0])
		}
	case *ast.MappingValueNode:
		return placeOf(v.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}
