// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"strings"
)

// unknown says of a key that no rule knows which one was probably meant.
func (r *reader[T]) unknown(path, key string) string {
	meant := r.meant(path, key)
	if meant == "" {
		return "is not a key that is known here and is ignored: remove it"
	}
	if parent(meant) != path {
		where := "at the top level"
		if up := parent(meant); up != "" {
			where = "in " + r.full(up)
		} else if r.prefix != "" {
			where = "in " + r.prefix
		}
		return fmt.Sprintf("is ignored: write %q %s", lastPart(meant), where)
	}
	return fmt.Sprintf("is not a key that is known here and is ignored: did you mean %q?", lastPart(meant))
}

// meant finds the field that a key stands for: by another name it has, by the
// same name in another place, or by a slip of the pen.
func (r *reader[T]) meant(path, key string) string {
	k := plain(key)
	for _, u := range r.rules {
		for _, other := range append(u.also, u.path) {
			if u.into != nil && (plain(other) == k || plain(other) == plain(join(path, key))) {
				return u.path
			}
		}
	}
	for _, known := range r.paths() {
		if plain(lastPart(known)) == k {
			return known
		}
	}
	for _, known := range r.paths() {
		if len(k) >= 4 && parent(known) == path && strings.HasPrefix(plain(lastPart(known)), k) {
			return known
		}
	}
	best, distance := "", 1+min(3, len([]rune(k))/3)
	for _, known := range r.paths() {
		d := edits(k, plain(lastPart(known)))
		if parent(known) != path {
			d++
		}
		if d < distance {
			best, distance = known, d
		}
	}
	return best
}

// paths lists all fields that have an effect, and the objects around them.
func (r *reader[T]) paths() []string {
	var out []string
	seen := map[string]bool{}
	for _, u := range r.rules {
		if u.into == nil {
			continue
		}
		for p := u.path; p != "" && !seen[p]; p = parent(p) {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// plain is a key without case and punctuation: num_replicas is numReplicas.
func plain(key string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
}

// edits is the number of letters to change, add or drop between two words.
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diagonal
			if x[i] != y[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}
