// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is one value that two states of an object do not agree on; nil where a
// state has none.
type field struct {
	path     []string
	from, to any
}

// name writes the path as people would: spec.template.spec.containers[scoring].image.
func (f field) name() string {
	var out strings.Builder
	for i, step := range f.path {
		if i > 0 && !strings.HasPrefix(step, "[") {
			out.WriteByte('.')
		}
		out.WriteString(step)
	}
	return out.String()
}

// fieldsBetween are the values that differ between two states, by path.
func fieldsBetween(from, to any) []field { return walk(nil, from, to) }

func walk(path []string, from, to any) []field {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	a, aMap := from.(map[string]any)
	b, bMap := to.(map[string]any)
	if aMap && bMap {
		return walkMap(path, a, b)
	}
	if left, ok := byName(from); ok {
		if right, ok := byName(to); ok {
			return walkMap(path, left, right)
		}
	}
	return []field{{path: slices.Clone(path), from: from, to: to}}
}

func walkMap(path []string, a, b map[string]any) []field {
	var found []field
	for _, key := range slices.Sorted(maps.Keys(union(a, b))) {
		found = append(found, walk(append(slices.Clone(path), key), a[key], b[key])...)
	}
	return found
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// byName reads a list whose elements have names, or port numbers, as a map of
// [name]. Elements without, or twice the same, are no such list.
func byName(value any) (map[string]any, bool) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	named := make(map[string]any, len(list))
	for _, element := range list {
		name := nameOf(element)
		if _, twice := named[name]; name == "" || twice {
			return nil, false
		}
		named[name] = element
	}
	return named, true
}

func nameOf(element any) string {
	content, ok := element.(map[string]any)
	if !ok {
		return ""
	}
	for _, key := range []string{"name", "port", "containerPort"} {
		switch value := content[key].(type) {
		case string:
			return "[" + value + "]"
		case int64:
			return "[" + strconv.FormatInt(value, 10) + "]"
		}
	}
	return ""
}

// at returns the value at the path of a field, nil if there is none.
func at(content map[string]any, path []string) any {
	var value any = content
	for _, step := range path {
		next, ok := value.(map[string]any)
		if !ok {
			if next, ok = byName(value); !ok {
				return nil
			}
		}
		value = next[step]
	}
	return value
}
