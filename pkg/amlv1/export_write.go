// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// DeploymentFile is a deploymentconfig.json that describes the version. The
// keys are part of it if they are given; otherwise it holds no secret.
func (v ExportedVersion) DeploymentFile(keys Keys) []byte {
	c := v.Config
	c.Keys = keys
	c.ComputeType, c.VersionName = AKS, ""
	if v.Name != "" {
		c.ComputeType, c.VersionName = AKSEndpoint, v.Name
	}
	root := &node{kind: objectKind}
	root.set("computeType", &node{kind: textKind, text: string(c.ComputeType)})
	rules := deploymentRules()
	for i := range rules {
		u := &rules[i]
		if u.into == nil || u.only != "" && u.only != c.ComputeType {
			continue
		}
		if value := written(u.into(&c)); value != nil {
			root.set(u.path, value)
		}
	}
	return root.file()
}

// InferenceFile is an inferenceconfig.json for the version. An entry script
// that is not known is called score.py.
func (v ExportedVersion) InferenceFile() []byte {
	root := &node{kind: objectKind}
	root.set("entryScript", &node{kind: textKind, text: cmp.Or(v.EntryScript, "score.py")})
	if v.SourceDirectory != "" {
		root.set("sourceDirectory", &node{kind: textKind, text: v.SourceDirectory})
	}
	environment := v.knownEnvironment()
	if len(v.variables) > 0 {
		variables := environment.child("environmentVariables")
		for _, name := range slices.Sorted(maps.Keys(v.variables)) {
			variables.put(name, &node{kind: textKind, text: v.variables[name]})
		}
		environment.put("environmentVariables", variables)
	}
	if len(environment.entries) > 0 {
		root.set("environment", environment)
	}
	return root.file()
}

// knownEnvironment has the keys of the export's environment that a file may
// have, and that say something.
func (v ExportedVersion) knownEnvironment() *node {
	out := &node{kind: objectKind}
	rules := environmentRules()
	for i := range rules {
		u := &rules[i]
		value := v.environment.reach(u.path)
		if u.into == nil || u.secret || value == nil || value.isEmpty() {
			continue
		}
		out.set(u.path, value)
	}
	return out
}

// reach is the value at a path.
func (n *node) reach(path string) *node {
	for _, key := range strings.Split(path, ".") {
		n = n.get(key)
	}
	return n
}

func (n *node) isEmpty() bool {
	return n.kind == nullKind || n.kind == textKind && n.text == "" ||
		n.kind >= listKind && len(n.items)+len(n.entries) == 0
}

// child is the object at a key; an empty one that is not in n if there is none.
func (n *node) child(key string) *node {
	if c := n.get(key); c != nil && c.kind == objectKind {
		return c
	}
	return &node{kind: objectKind}
}

// set puts a value at a path, with the objects around it.
func (n *node) set(path string, value *node) {
	key, rest, deeper := strings.Cut(path, ".")
	if deeper {
		inner := n.child(key)
		inner.set(rest, value)
		value = inner
	}
	n.put(key, value)
}

// put puts a value at a key.
func (n *node) put(key string, value *node) {
	for i := range n.entries {
		if n.entries[i].key == key {
			n.entries[i].value = value
			return
		}
	}
	n.entries = append(n.entries, entry{key: key, value: value})
}

// written is the node of a field's value; nil for an absent one.
func written(field any) *node {
	switch v := field.(type) {
	case **bool:
		if *v != nil {
			return &node{kind: boolKind, truth: **v}
		}
	case **int:
		if *v != nil {
			return &node{kind: numberKind, number: float64(**v)}
		}
	case **float64:
		if *v != nil {
			return &node{kind: numberKind, number: **v}
		}
	case *string:
		if *v != "" {
			return &node{kind: textKind, text: *v}
		}
	}
	return nil
}

// file is n as JSON that people can read, with a line end.
func (n *node) file() []byte {
	var b bytes.Buffer
	n.write(&b, "\n")
	b.WriteByte('\n')
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer, newline string) {
	inner := newline + "    "
	switch n.kind {
	case boolKind:
		b.WriteString(strconv.FormatBool(n.truth))
	case numberKind:
		b.WriteString(decimal(n.number))
	case textKind:
		b.WriteString(quote(n.text))
	case listKind:
		b.WriteByte('[')
		for i, item := range n.items {
			b.WriteString(separator(i) + inner)
			item.write(b, inner)
		}
		b.WriteString(newline + "]")
	case objectKind:
		b.WriteByte('{')
		for i, e := range n.entries {
			b.WriteString(separator(i) + inner + quote(e.key) + ": ")
			e.value.write(b, inner)
		}
		b.WriteString(newline + "}")
	default:
		b.WriteString("null")
	}
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return `""` // a string always has a JSON form
	}
	return strings.TrimSuffix(b.String(), "\n")
}
