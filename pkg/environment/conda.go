// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	condaName     = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(.*)$`)
	condaSpaces   = regexp.MustCompile(`\s*([=<>!~,|])\s*`)
	condaVersions = regexp.MustCompile(`^[A-Za-z0-9_.*+!=<>~,| -]*$`)
)

// parseConda reads a package of a conda file
// (https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html)
// and gives it one spelling. wrong says why conda could not take it.
func parseConda(s string) (text, wrong string) {
	if wrong := unprintable(s); wrong != "" {
		return "", wrong
	}
	s = strings.TrimSpace(s)
	channel, name, found := strings.Cut(s, "::")
	if found {
		channel += "::"
	} else {
		channel, name = "", s
	}
	m := condaName.FindStringSubmatch(strings.TrimSpace(name))
	switch {
	case isURL.MatchString(s) || m != nil && strings.HasPrefix(m[2], "["):
		return s, ""
	case m == nil || !condaVersions.MatchString(m[2]):
		return "", "is no package as conda reads it: write NAME=VERSION"
	}
	versions := strings.Join(strings.Fields(condaSpaces.ReplaceAllString(m[2], "$1")), " ")
	if versions != "" && !strings.ContainsAny(versions[:1], "=<>!~") {
		versions = " " + versions
	}
	return strings.TrimSpace(channel) + strings.ToLower(m[1]) + versions, ""
}

// plainVersion is a version of Python or pip that pip and uv have words for too.
var (
	plainVersion = regexp.MustCompile(`^(=|==|!=|>=|<=|>|<)([0-9]+(?:\.[0-9]+)*)(\.\*)?$`)
	plainPackage = regexp.MustCompile(`^(python|pip)([=<>!].*)?$`)
)

// bound is a part of a version, such as >=3.8; "=" is any version that begins so.
type bound struct{ operator, version string }

// python are the bounds of Python and pip in a conda file with nothing else;
// plain is false for a conda file that needs conda.
func pipOnly(conda []string) (python, pip []bound, plain bool) {
	for _, spec := range conda {
		m := plainPackage.FindStringSubmatch(spec)
		if m == nil {
			return nil, nil, false
		}
		bounds, ok := parseBounds(m[2])
		switch {
		case !ok:
			return nil, nil, false
		case m[1] == "python":
			python = append(python, bounds...)
		default:
			pip = append(pip, bounds...)
		}
	}
	return python, pip, true
}

func parseBounds(s string) ([]bound, bool) {
	if s == "" {
		return nil, true
	}
	var bounds []bound
	for part := range strings.SplitSeq(s, ",") {
		m := plainVersion.FindStringSubmatch(part)
		prefix := slices.Contains([]string{"=", "=="}, partOperator(m))
		if m == nil || m[3] != "" && !prefix {
			return nil, false
		}
		operator := m[1]
		if m[3] != "" {
			operator = "="
		}
		bounds = append(bounds, bound{operator, m[2]})
	}
	return bounds, true
}

func partOperator(m []string) string {
	if m == nil {
		return ""
	}
	return m[1]
}

// pep440 is the bound in pip's and uv's words.
func (b bound) pep440() string {
	if b.operator == "=" {
		return "==" + b.version + ".*"
	}
	return b.operator + b.version
}

// python is the condition of Python on sys.version_info.
func (b bound) python() string {
	parts := strings.Split(b.version, ".")
	if len(parts) > 3 {
		parts = parts[:3]
	}
	tuple := "(" + strings.Join(parts, ", ") + ",)"
	length := strconv.Itoa(len(parts))
	switch b.operator {
	case "=", "==":
		return "v[:" + length + "] == " + tuple
	case "!=":
		return "v[:" + length + "] != " + tuple
	case ">":
		return "v[:" + length + "] > " + tuple
	case "<=":
		return "v[:" + length + "] <= " + tuple
	default:
		return "v[:3] " + b.operator + " " + tuple
	}
}
