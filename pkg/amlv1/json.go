// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"unicode/utf8"
)

// parseJSON reads strict JSON. The third result is what is wrong with it.
func parseJSON(s *source, src []byte) (*node, Findings, *Finding) {
	var whole json.RawMessage
	if err := json.Unmarshal(src, &whole); err != nil {
		offset := int64(len(src))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && syntax.Offset > 0 && syntax.Error() != "unexpected end of JSON input" {
			offset = syntax.Offset - 1
		}
		at := newLines(src).at(offset)
		return nil, nil, &Finding{File: s.file, Line: at.line, Column: at.column,
			Message: fmt.Sprintf("is not valid JSON: %v", err)}
	}
	p := &jsonParser{source: s, src: src, lines: newLines(src), dec: json.NewDecoder(bytes.NewReader(src))}
	p.dec.UseNumber()
	root, err := p.value("")
	if err != nil {
		return nil, nil, &Finding{File: s.file, Message: fmt.Sprintf("is not valid JSON: %v", err)}
	}
	return root, p.findings, nil
}

type jsonParser struct {
	source   *source
	src      []byte
	lines    lines
	dec      *json.Decoder
	findings Findings
}

// next returns the next token and the place where it begins.
func (p *jsonParser) next() (json.Token, place, error) {
	start := p.dec.InputOffset()
	for start < int64(len(p.src)) && bytes.IndexByte([]byte(" \t\r\n,:"), p.src[start]) >= 0 {
		start++
	}
	t, err := p.dec.Token()
	return t, p.lines.at(start), err
}

func (p *jsonParser) value(path string) (*node, error) {
	t, at, err := p.next()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			return p.object(path, at)
		}
		return p.list(path, at)
	case bool:
		return &node{kind: boolKind, at: at, truth: v, text: fmt.Sprint(v)}, nil
	case json.Number:
		return p.number(at, v.String()), nil
	case string:
		return &node{kind: textKind, at: at, text: v, quoted: true}, nil
	default:
		return &node{kind: nullKind, at: at}, nil
	}
}

// number reads a number as Azure ML did: its YAML reader came first, and did
// not get past a tab. JSON with tabs was read by a reader of JSON.
func (p *jsonParser) number(at place, text string) *node {
	if bytes.IndexByte(p.src, '\t') >= 0 {
		return floatNode(at, text, text)
	}
	return plainNode(at, text)
}

func (p *jsonParser) object(path string, at place) (*node, error) {
	n := &node{kind: objectKind, at: at}
	for p.dec.More() {
		t, keyAt, err := p.next()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		value, err := p.value(join(path, key))
		if err != nil {
			return nil, err
		}
		p.findings = append(p.findings, n.add(p.source, path, entry{key: key, at: keyAt, value: value})...)
	}
	_, _, err := p.next()
	return n, err
}

func (p *jsonParser) list(path string, at place) (*node, error) {
	n := &node{kind: listKind, at: at}
	for p.dec.More() {
		item, err := p.value(path)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, _, err := p.next()
	return n, err
}

// lines turns offsets into places.
type lines struct {
	src    []byte
	starts []int
}

func newLines(src []byte) lines {
	l := lines{src: src, starts: []int{0}}
	for i, c := range src {
		if c == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

func (l lines) at(offset int64) place {
	o := min(int(offset), len(l.src))
	line := sort.SearchInts(l.starts, o+1)
	return place{line: line, column: utf8.RuneCount(l.src[l.starts[line-1]:o]) + 1}
}
