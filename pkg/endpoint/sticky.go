// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// WholeRange is the end of the last Range: callers are told apart by millionths.
const WholeRange = 100 * unitsPerPercent

// Sticky keeps each caller with one version.
type Sticky struct {
	// Header is what callers are told apart by; empty draws a version anew for
	// each request.
	Header string
	// Ranges say which part of all callers has which version. They cover
	// everything, and each version's part is its effective share.
	Ranges []Range
}

// Range is a part of all callers: those between the end of the Range before it
// and Until.
type Range struct {
	Version string
	// Until is in millionths of all callers, 1 to WholeRange.
	Until int
}

// headerForm is a token of RFC 9110, in lower case as HTTP/2 wants it.
var headerForm = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9a-z]{1,64}$")

// ParseStickyBy reads what callers are told apart by: header:NAME, or none.
func ParseStickyBy(text string) (header string, err error) {
	if text == "none" {
		return "", nil
	}
	kind, name, found := strings.Cut(text, ":")
	header = strings.ToLower(name)
	if !found || kind != "header" {
		return "", fmt.Errorf("%q does not say what callers are told apart by: write header:NAME, or none", text)
	}
	return header, checkHeader(header)
}

func checkHeader(name string) error {
	switch {
	case !headerForm.MatchString(name):
		return fmt.Errorf("header name %q is not valid: write 1 to 64 letters, digits and hyphens", name)
	case name == "authorization" || name == "azureml-model-deployment":
		return fmt.Errorf("callers cannot be told apart by the header %s: name one that each of them sends "+
			"with a value of its own", name)
	}
	return nil
}

// SetSticky returns e with callers kept at a version by a header, or with an
// empty one drawn anew for each request. It refuses what is no header's name.
func (e Endpoint) SetSticky(header string) (Endpoint, error) {
	next := e.Clone()
	next.Sticky.Header = header
	return e.to(next)
}

func (e Endpoint) validateSticky() error {
	if e.Sticky.Header == "" {
		return nil
	}
	return checkHeader(e.Sticky.Header)
}

// assigned returns the ranges of e, given those it had before. No more callers
// get another version than must: the sum of what the versions gain.
func (e Endpoint) assigned(before []Range) []Range {
	if e.Sticky.Header == "" {
		return nil
	}
	want := e.weights()
	parts := pieces(before)
	have := map[string]int{}
	// What was given keeps its version, as long as that has a claim to it.
	for i, p := range parts {
		size := min(p.size, max(want[p.version]-have[p.version], 0))
		have[p.version] += size
		parts[i].kept = size
	}
	var next []Range
	at, owed := 0, e.owed(want, have)
	add := func(version string, size int) {
		if size == 0 {
			return
		}
		at += size
		if n := len(next); n > 0 && next[n-1].Version == version {
			next[n-1].Until = at
			return
		}
		next = append(next, Range{Version: version, Until: at})
	}
	for _, p := range parts {
		add(p.version, p.kept)
		for free := p.size - p.kept; free > 0; {
			size := min(free, owed[0].size)
			add(owed[0].version, size)
			free -= size
			if owed[0].size -= size; owed[0].size == 0 {
				owed = owed[1:]
			}
		}
	}
	return next
}

// piece is a Range by its size; kept of it stays with its version.
type piece struct {
	version    string
	size, kept int
}

// pieces cut everything into ranges; what no range covers is nobody's.
func pieces(ranges []Range) []piece {
	var parts []piece
	at := 0
	for _, r := range ranges {
		until := min(r.Until, WholeRange)
		if until > at {
			parts = append(parts, piece{version: r.Version, size: until - at})
			at = until
		}
	}
	if at < WholeRange {
		parts = append(parts, piece{size: WholeRange - at})
	}
	return parts
}

// owed is what the versions lack, the default version last: it takes what is
// left over, here too.
func (e Endpoint) owed(want, have map[string]int) []piece {
	var owed []piece
	names := slices.DeleteFunc(e.VersionNames(), func(name string) bool { return name == e.Default })
	for _, name := range append(names, e.Default) {
		if lacks := want[name] - have[name]; lacks > 0 {
			owed = append(owed, piece{version: name, size: lacks})
		}
	}
	return owed
}
