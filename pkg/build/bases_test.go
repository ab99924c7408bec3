// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"slices"
	"testing"
)

func TestBases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dockerfile string
		arguments  map[string]string
		want       []string
	}{
		"one":                {"FROM a/b:1\nRUN x", nil, []string{"a/b:1"}},
		"a stage is none":    {"FROM a AS Build\nFROM build\nFROM c", nil, []string{"a", "c"}},
		"scratch is none":    {"FROM scratch", nil, nil},
		"an argument":        {"ARG V=1\nFROM a:${V}", nil, []string{"a:1"}},
		"an argument given":  {"ARG V=1\nFROM a:${V}", map[string]string{"V": "2"}, []string{"a:2"}},
		"an argument of one": {"ARG V=1\nARG I=a:$V\nFROM $I", nil, []string{"a:1"}},
		"files of an image":  {"FROM a\nCOPY --from=h:5/c /x /y\nRUN --mount=from=d,target=/d x", nil, []string{"a", "h:5/c", "d"}},
		"files of a stage":   {"FROM a AS Build\nFROM c\nCOPY --from=build /x /y\nCOPY --from=0 /x /y\nCOPY --from=c /x /y", nil, []string{"a", "c"}},
		"what is no file":    {"RUNN", nil, nil},
		"a syntax and a digest": {"# syntax=docker/dockerfile:1\nFROM h:5/a@sha256:" +
			"1111111111111111111111111111111111111111111111111111111111111111", nil,
			[]string{"h:5/a@sha256:1111111111111111111111111111111111111111111111111111111111111111"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := bases(c.dockerfile, c.arguments); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
