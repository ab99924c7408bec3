// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// run asks both sides about samples.
type run struct {
	probe interface {
		ask(q question) (answer, error)
	}
	// dir is the working directory that the samples are written to.
	dir        string
	deviations []*deviation
	out        io.Writer

	counts map[string]*count
	// found are the samples with differences that nothing explains, by signature.
	found map[string]*found
}

type count struct{ accepted, refused int }

type found struct {
	sample     sample
	difference difference
	times      int
}

// outcome is what both sides say to a sample.
type outcome struct {
	theirs, mine answer
	findings     amlv1.Findings
	differences  []difference
}

// all runs the samples and returns how many differences are left unexplained.
func (r *run) all(samples []sample) (int, error) {
	r.counts, r.found = map[string]*count{}, map[string]*found{}
	for _, s := range samples {
		o, err := r.one(s)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", s.kind, err)
		}
		r.count(s.kind, len(o.theirs.Refused) > 0)
		for _, d := range unexplained(r.deviations, s.kind, o.differences) {
			key := s.kind + " " + d.signature()
			if r.found[key] == nil {
				r.found[key] = &found{sample: s, difference: d}
			}
			r.found[key].times++
		}
	}
	return len(r.found), nil
}

func (r *run) count(kind string, refused bool) {
	if r.counts[kind] == nil {
		r.counts[kind] = &count{}
	}
	if refused {
		r.counts[kind].refused++
	} else {
		r.counts[kind].accepted++
	}
}

// one writes a sample and asks both sides about it.
func (r *run) one(s sample) (outcome, error) {
	q, err := s.write(r.dir)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	if o.theirs, err = r.probe.ask(q); err != nil {
		return o, fmt.Errorf("%w\n%s", err, s.text())
	}
	if o.mine, o.findings, err = ours(q); err != nil {
		return o, err
	}
	o.differences = compare(q, o.theirs, o.mine, o.findings)
	return o, nil
}

// write puts the file of a sample, or the files of its folder, into dir.
func (s sample) write(dir string) (question, error) {
	q := question{Kind: s.question, Dir: dir, File: "sample.json"}
	if s.question != "environment" {
		return q, os.WriteFile(filepath.Join(dir, q.File), []byte(s.text()), 0o644)
	}
	q.File = "environment"
	folder := filepath.Join(dir, q.File)
	if err := os.RemoveAll(folder); err != nil {
		return q, err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return q, err
	}
	files := maps.Clone(s.beside)
	if s.tree != nil {
		files["azureml_environment.json"] = s.text()
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return q, err
		}
	}
	return q, nil
}

// report prints the counts, and each difference with the smallest file that
// shows it.
func (r *run) report() error {
	for _, kind := range slices.Sorted(maps.Keys(r.counts)) {
		c := r.counts[kind]
		fmt.Fprintf(r.out, "%-32s %5d accepted %5d refused\n", kind, c.accepted, c.refused)
	}
	for _, key := range slices.Sorted(maps.Keys(r.found)) {
		f := r.found[key]
		small, err := r.minimise(f.sample, f.difference)
		if err != nil {
			return err
		}
		o, err := r.one(small)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.out, "\n%s, %d times: %s: %s\n%s\n", f.sample.kind, f.times, f.difference.aspect, f.difference.text,
			indented(small.show()))
		fmt.Fprintf(r.out, "  Azure ML: %s\n  here:     %s\n", o.theirs.show(), o.mine.show())
	}
	return nil
}

func (s sample) show() string {
	out := s.text()
	for _, name := range slices.Sorted(maps.Keys(s.beside)) {
		out += "--- " + name + "\n" + s.beside[name]
	}
	return out
}

func (a answer) show() string {
	if len(a.Refused) > 0 {
		return "refused: " + strings.Join(a.Refused, " | ")
	}
	return "accepted: " + fmt.Sprint(flatten(a.Config))
}

func indented(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

// minimise takes away from a sample what the difference does not need.
func (r *run) minimise(s sample, d difference) (sample, error) {
	shows := func(candidate sample) (bool, error) {
		o, err := r.one(candidate)
		for _, left := range o.differences {
			if left.aspect == d.aspect && left.field == d.field && explanation(r.deviations, s.kind, left) == nil {
				return true, err
			}
		}
		return false, err
	}
	for {
		smaller := false
		for _, candidate := range s.smaller() {
			ok, err := shows(candidate)
			if err != nil {
				return s, err
			}
			if ok {
				s, smaller = candidate, true
				break
			}
		}
		if !smaller {
			return s, nil
		}
	}
}

// smaller are the samples that lack one thing of s.
func (s sample) smaller() []sample {
	var out []sample
	if s.edit != (edit{}) {
		c := s
		c.edit = edit{}
		out = append(out, c)
	}
	if s.style != jsonStyle {
		c := s
		c.style = jsonStyle
		out = append(out, c)
	}
	for name := range s.beside {
		c := s
		c.beside = maps.Clone(s.beside)
		delete(c.beside, name)
		out = append(out, c)
	}
	if s.tree == nil {
		return out
	}
	for n := 1; n < s.tree.size(); n++ {
		c := s
		c.tree = s.tree.without(n)
		out = append(out, c)
	}
	return out
}
