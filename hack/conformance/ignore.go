// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// vectors is the file of patterns with what pathspec does with them.
type vectors struct {
	Comment string   `json:"comment"`
	Paths   []string `json:"paths"`
	Cases   []vector `json:"cases"`
}

type vector struct {
	Patterns string `json:"patterns"`
	Refused  bool   `json:"refused,omitempty"`
	LeftOut  []int  `json:"left_out"`
	// reason is why it is refused.
	reason string
}

// ask fills in what pathspec does with lines that end in end.
func (v *vector) ask(p *probe, paths []string, end string) error {
	lines := regexp.MustCompile(`\r\n|\n|\r`).Split(v.Patterns, -1)
	for i := range lines[:len(lines)-1] {
		lines[i] += end
	}
	a, err := p.ask(question{Kind: "ignore", Lines: lines, Paths: paths})
	if err != nil {
		return err
	}
	v.Refused, v.LeftOut, v.reason = len(a.Refused) > 0, []int{}, strings.Join(a.Refused, " | ")
	indexes, _ := a.Config["leftOut"].([]any)
	for _, i := range indexes {
		n, err := i.(json.Number).Int64()
		if err != nil {
			return err
		}
		v.LeftOut = append(v.LeftOut, int(n))
	}
	return nil
}

// checkVectors holds the file of vectors against pathspec, or writes it anew.
func (o options) checkVectors(p *probe) error {
	old, err := os.ReadFile(o.vectors)
	if err != nil {
		return err
	}
	var v vectors
	if err := json.Unmarshal(old, &v); err != nil {
		return err
	}
	for i := range v.Cases {
		if err := v.Cases[i].ask(p, v.Paths, ""); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := bytes.ReplaceAll(b.Bytes(), []byte(`},{"patterns"`), []byte("},\n{\"patterns\""))
	if o.write {
		return os.WriteFile(o.vectors, text, 0o644)
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not what pathspec does: run go run ./hack/conformance -write-vectors", o.vectors)
	}
	return nil
}

// ignore compares random patterns with pathspec and returns how many sets of
// them differ. Lines come with their ends, as Azure ML gave them to pathspec.
func (r *run) ignore(p *probe, seed uint64, total int) (int, error) {
	d := newDice(seed<<8 + 255)
	different := 0
	for range total {
		v := vector{Patterns: randomPatterns(d)}
		paths := randomPaths(d)
		if err := v.ask(p, paths, "\n"); err != nil {
			return different, err
		}
		r.count(ignoreKind, v.Refused)
		for _, left := range unexplained(r.deviations, ignoreKind, v.differences(paths)) {
			different++
			fmt.Fprintf(r.out, "\nignore file %q: %s %s\n", v.Patterns, left.aspect, left.text)
		}
	}
	return different, nil
}

const ignoreKind = "ignore file"

func (v vector) differences(paths []string) []difference {
	ignore, err := amlv1.ParseIgnore([]byte(v.Patterns))
	switch {
	case err != nil && !v.Refused:
		return []difference{{refused, "", err.Error()}}
	case err == nil && v.Refused:
		return []difference{{accepted, "", v.reason}}
	case err != nil:
		return nil
	}
	for i, path := range paths {
		if got, want := ignore.Match(path), slices.Contains(v.LeftOut, i); got != want {
			return []difference{{configured, path, fmt.Sprintf("%q left out by pathspec: %t, here: %t", path, want, got)}}
		}
	}
	return nil
}

func randomPatterns(d dice) string {
	parts := append(words(`a b aa ab .a a.py b.txt é * ** *.py a* *b ? ?a [ab] [!a] [^a] [a-c] [a
		!a \a \* a\\ # \#a \!b * **`),
		"a b", " a", "a ", `a\ `, "!", "", `a\`, `b\`, `[b-a]`)
	var lines []string
	for range 1 + d.IntN(4) {
		var segments []string
		for range 1 + d.IntN(3) {
			segments = append(segments, pick(d, parts))
		}
		line := strings.Join(segments, "/")
		if d.chance(20) {
			line = "!" + line
		}
		if d.chance(20) {
			line = "/" + line
		}
		if d.chance(20) {
			line += "/"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, pick(d, []string{"\n", "\n", "\r\n"}))
}

func randomPaths(d dice) []string {
	parts := append(words(`a b c aa ab .a a.py b.txt é a* # !b \a`), "a b", "a ")
	var paths []string
	for range 30 {
		var segments []string
		for range 1 + d.IntN(4) {
			segments = append(segments, pick(d, parts))
		}
		paths = append(paths, strings.Join(segments, "/"))
	}
	return paths
}
