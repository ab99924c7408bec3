// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"slices"
	"strings"
)

// tree is the content of a generated file: an object, a list, a text or a
// plain word, which stands in the file as it is.
type tree struct {
	shape   shape
	word    string
	items   []*tree
	entries []entry
}

type shape int

const (
	plainShape shape = iota
	textShape
	listShape
	objectShape
)

// entry is a key of an object. A key may be there twice.
type entry struct {
	key   string
	value *tree
}

func plain(word string) *tree       { return &tree{shape: plainShape, word: word} }
func text(word string) *tree        { return &tree{shape: textShape, word: word} }
func list(items ...*tree) *tree     { return &tree{shape: listShape, items: items} }
func object(entries ...entry) *tree { return &tree{shape: objectShape, entries: entries} }

func texts(words ...string) *tree {
	out := list()
	for _, w := range words {
		out.items = append(out.items, text(w))
	}
	return out
}

// get returns the value of a key, the last one if there are several; nil when
// there is none.
func (t *tree) get(key string) *tree {
	for i := len(t.entries) - 1; i >= 0; i-- {
		if t.entries[i].key == key {
			return t.entries[i].value
		}
	}
	return nil
}

// set puts a value at a path of keys joined by dots, and makes the objects on
// the way to it. A value that is no object and stands in the way is replaced.
func (t *tree) set(path string, value *tree) {
	key, rest, nested := strings.Cut(path, ".")
	if nested {
		inner := t.get(key)
		if inner == nil || inner.shape != objectShape {
			inner = object()
		}
		inner.set(rest, value)
		value = inner
	}
	for i := len(t.entries) - 1; i >= 0; i-- {
		if t.entries[i].key == key {
			t.entries[i].value = value
			return
		}
	}
	t.entries = append(t.entries, entry{key, value})
}

// drop removes the value at a path.
func (t *tree) drop(path string) {
	key, rest, nested := strings.Cut(path, ".")
	if nested {
		if inner := t.get(key); inner != nil {
			inner.drop(rest)
		}
		return
	}
	t.entries = slices.DeleteFunc(t.entries, func(e entry) bool { return e.key == key })
}

func (t *tree) clone() *tree {
	if t == nil {
		return nil
	}
	out := &tree{shape: t.shape, word: t.word}
	for _, item := range t.items {
		out.items = append(out.items, item.clone())
	}
	for _, e := range t.entries {
		out.entries = append(out.entries, entry{e.key, e.value.clone()})
	}
	return out
}

// size is the number of values in the tree.
func (t *tree) size() int {
	n := 1
	for _, item := range t.items {
		n += item.size()
	}
	for _, e := range t.entries {
		n += e.value.size()
	}
	return n
}

// without returns a copy that lacks the nth value below the root, counted in
// the order of the file; nil when there is no nth.
func (t *tree) without(n int) *tree {
	out := t.clone()
	if n <= 0 || !out.remove(&n) {
		return nil
	}
	return out
}

// remove counts n down by the values it passes and takes away the one at 0.
func (t *tree) remove(n *int) bool {
	for i := range t.items {
		if *n--; *n == 0 {
			t.items = slices.Delete(t.items, i, i+1)
			return true
		}
		if t.items[i].remove(n) {
			return true
		}
	}
	for i := range t.entries {
		if *n--; *n == 0 {
			t.entries = slices.Delete(t.entries, i, i+1)
			return true
		}
		if t.entries[i].value.remove(n) {
			return true
		}
	}
	return false
}
