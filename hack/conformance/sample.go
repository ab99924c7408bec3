// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// sample is one generated file.
type sample struct {
	// kind is what the file is for, such as "deploymentconfig AKS".
	kind string
	// question is what the probe is asked: deployment, inference or environment.
	question string
	tree     *tree
	style    style
	// edit is done to the text of the file. It makes what no tree can hold.
	edit edit
	// beside are the other files of the folder that a sample of an environment is;
	// its tree is nil when the folder lacks azureml_environment.json.
	beside map[string]string
}

// text is the content of the file.
func (s sample) text() string {
	if s.tree == nil {
		return ""
	}
	return s.edit.apply(render(s.tree, s.style))
}

// dice make the choices of a generator.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, seed))}
}

// chance is true in that many of 100 cases.
func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

// words splits a list of words at spaces.
func words(s string) []string { return strings.Fields(s) }

// generator makes the samples of one kind.
type generator struct {
	kind   string
	sample func(d dice) sample
	// share of all samples, in percent.
	share int
}

func generators() []generator {
	return []generator{
		{"deploymentconfig AKS", func(d dice) sample { return deploymentSample(d, "AKS") }, 18},
		{"deploymentconfig AKSENDPOINT", func(d dice) sample { return deploymentSample(d, "AKSENDPOINT") }, 18},
		{"deploymentconfig ACI", containerSample, 8},
		{"deploymentconfig LOCAL", localSample, 4},
		{"inferenceconfig", inferenceSample, 14},
		{"inferenceconfig, old form", oldSample, 12},
		{"environment", environmentSample, 16},
		{"environment folder", folderSample, 10},
	}
}

// generate makes count samples, the same ones for the same seed.
func generate(seed uint64, count int) []sample {
	var out []sample
	for i, g := range generators() {
		d := newDice(seed<<8 + uint64(i))
		for range max(1, count*g.share/100) {
			s := g.sample(d)
			s.kind = g.kind
			out = append(out, s)
		}
	}
	return out
}

// field is a key of a file and values that are right for it.
type field struct {
	path  string
	right []*tree
}

// plains makes a field of words that stand without quotes.
func plains(path, right string) field {
	f := field{path: path}
	for _, w := range words(right) {
		f.right = append(f.right, plain(w))
	}
	return f
}

// quotes makes a field of texts.
func quotes(path, right string) field { return field{path, texts(words(right)...).items} }

// odd are words that YAML 1.1, YAML 1.2 and JSON do not all read alike, numbers
// at and over the edges of ranges, and quantities of Kubernetes.
func odd() []string {
	return words(`yes no on off Yes NO On oFF y n true True TRUE tRUE false FALSE ~ null Null nULL 0x10 010 0o10 08 0b11
		1_000 6e4 6E4 6e+4 6.0e+1 6.0e1 6.e+1 .5e+1 1:30 1:30.5 .5 5. +3 -0 -0.0 1.0 2.0 .nan .NaN .inf -.inf NaN Infinity
		2020-01-01 2020-01-01T10:00:00Z = 0 0.0 -1 -0.5 0.5 1.5 100 100.5 101 150 65535 65536 2147483647 2147483648
		99999999999999999999 1e400 1.0e+400 500m 1Gi 0.5GB 1,5 1.2.3 50% --- ... score.py !!int !x`)
}

// wrong is a value that is most likely not right for any field.
func wrong(d dice) *tree {
	switch d.IntN(8) {
	case 0:
		return plain("null")
	case 1:
		return text(pick(d, words(`0.5 1 true false yes 500m 1Gi null 0x10 AKS score.py`)))
	case 2:
		return pick(d, []*tree{text(""), text(" "), text("a b"), text("é"), text("a\nb"), text("x\n"), text("\U0001f600")})
	case 3:
		return pick(d, []*tree{list(), list(plain("1")), texts("x"), object(), object(entry{"x", plain("1")})})
	case 4:
		return plain(pick(d, words("true false")))
	default:
		return plain(pick(d, odd()))
	}
}

// change is something done to a tree that makes it stranger.
type change func(d dice, t *tree, fields []field)

// changes are for all kinds of files.
func changes() []change {
	return []change{
		func(d dice, t *tree, fields []field) { t.set(pick(d, fields).path, wrong(d)) },
		func(d dice, t *tree, fields []field) { t.set(pick(d, fields).path, wrong(d)) },
		func(d dice, t *tree, fields []field) { t.set(pick(d, fields).path, plain(pick(d, odd()))) },
		func(d dice, t *tree, fields []field) { t.drop(pick(d, fields).path) },
		outerBlock, otherPlace, otherName, twice,
	}
}

// outerBlock makes an object null, or something that is no object.
func outerBlock(d dice, t *tree, fields []field) {
	nested := slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return !strings.Contains(f.path, ".") })
	if len(nested) == 0 {
		return
	}
	path := pick(d, nested).path
	value := wrong(d)
	if d.chance(50) {
		value = plain("null")
	}
	t.set(path[:strings.LastIndexByte(path, '.')], value)
}

// otherPlace writes a key where it does not belong.
func otherPlace(d dice, t *tree, fields []field) {
	f := pick(d, fields)
	key := f.path[strings.LastIndexByte(f.path, '.')+1:]
	other := pick(d, fields).path
	if i := strings.LastIndexByte(other, '.'); i >= 0 {
		key = other[:i] + "." + key
	}
	t.set(key, pick(d, f.right))
}

// otherName writes a key that is not known, or almost a known one.
func otherName(d dice, t *tree, fields []field) {
	f := pick(d, fields)
	name := pick(d, []string{strings.ToUpper(f.path), f.path + "s", "unknown", "$schema", "description", "tags",
		"x-" + f.path, "aadAuthEnabled", "containerResourceRequirements.gpu", "isDefault", "1", "true",
		"null", "2020-01-01", "a b"})
	t.set(name, pick(d, f.right))
}

// twice writes a key a second time. The last one counts.
func twice(d dice, t *tree, _ []field) {
	if len(t.entries) == 0 {
		return
	}
	again := pick(d, t.entries)
	value := again.value.clone()
	if d.chance(50) {
		value = wrong(d)
	}
	t.entries = append(t.entries, entry{again.key, value})
}

// spoil changes a sample until it is likely not to be right any more.
func spoil(d dice, s *sample, fields []field) {
	for range 1 + d.IntN(2) {
		pick(d, changes())(d, s.tree, fields)
	}
	if d.chance(15) {
		s.edit = randomEdit(d)
	}
}
