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
	condaName    = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(.*)$`)
	condaChannel = regexp.MustCompile(`^[^\s'"]+$`)
	condaSpaces  = regexp.MustCompile(`\s*([=<>!~,|]+)\s*`)
	// condaVersions are bounds, and a build after them.
	condaVersions = regexp.MustCompile(`^(` + condaBound + `(?:[,|]` + condaBound + `)*)([= ][A-Za-z0-9_.*+-]+)?$`)
	// condaKeys are what conda knows in brackets.
	condaKeys = regexp.MustCompile(`^\s*(?:version|build|build_number|channel|subdir|fn|url|md5|sha256|license|` +
		`license_family|features|track_features)\s*=`)
	condaArchive = regexp.MustCompile(`^(?:https?|file|s3|oci)://\S+\.(?:conda|tar\.bz2)(?:#[0-9a-f]+)?$`)
)

// condaBound has an ! only behind an epoch: elsewhere it is that of a !=.
const condaBound = `(?:==|!=|>=|<=|~=|[=<>])?(?:[0-9]+!)?[A-Za-z0-9*][A-Za-z0-9_.*+-]*`

// parseConda reads a package of a conda file
// (https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html)
// and gives it one spelling. wrong says why conda could not take it.
func parseConda(s string) (text, wrong string) {
	if wrong := unprintable(s); wrong != "" {
		return "", wrong
	}
	s = strings.TrimSpace(s)
	if condaArchive.MatchString(s) {
		return s, ""
	}
	channel := ""
	if at := strings.LastIndex(s, "::"); at >= 0 && !strings.Contains(s[:at], "[") {
		channel, s = strings.TrimSpace(s[:at]), strings.TrimSpace(s[at+2:])
		if !condaChannel.MatchString(channel) {
			return "", "has no name of a channel before its ::, write CHANNEL::NAME=VERSION"
		}
		channel += "::"
	}
	s, attributes, bracket := strings.Cut(s, "[")
	m := condaName.FindStringSubmatch(s)
	switch {
	case channel == "" && ofPip(s, attributes):
		return "", "is pip's, and not conda's: write it below \"pip\""
	case m == nil:
		return "", "is no package as conda reads it: write NAME=VERSION"
	}
	versions, ok := parseCondaVersions(m[2])
	if !ok || bracket && !condaAttributes(attributes) {
		return "", "is no package as conda reads it: write NAME=VERSION"
	}
	text = channel + strings.ToLower(m[1]) + versions
	if bracket {
		text += "[" + attributes
	}
	return text, ""
}

// parseChannel reads a channel of a conda file. wrong says why conda could not
// take it here.
func parseChannel(s string) (text, wrong string) {
	switch text = strings.TrimSpace(s); {
	case unprintable(s) != "" || !condaChannel.MatchString(text):
		return "", "is no name of a channel: write one such as conda-forge"
	case strings.HasPrefix(text, ".") || strings.HasPrefix(text, "~"):
		return "", "is a folder of yours, which is not there where the image is built: write the URL of a channel"
	}
	return text, ""
}

// ofPip tells of a text that pip takes and conda does not.
func ofPip(s, attributes string) bool {
	extras, _, _ := strings.Cut(attributes, "]")
	return strings.HasPrefix(s, "-") || isURL.MatchString(s) || strings.ContainsAny(s, ";@") ||
		extras != "" && !strings.Contains(extras, "=")
}

// condaAttributes tells whether conda knows what stands in brackets.
func condaAttributes(s string) bool {
	inside, found := strings.CutSuffix(s, "]")
	var quote rune
	parts := strings.FieldsFunc(inside, func(r rune) bool {
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		}
		return r == ',' && quote == 0
	})
	return found && quote == 0 && len(parts) > 0 &&
		!slices.ContainsFunc(parts, func(part string) bool { return !condaKeys.MatchString(part) })
}

// parseCondaVersions gives versions one spelling: a version alone is ==VERSION,
// and VERSION.* is =VERSION. With a build, =VERSION is that version alone to conda,
// but all that begin so to micromamba, so it is ==VERSION too.
func parseCondaVersions(s string) (text string, ok bool) {
	s = strings.Join(strings.Fields(condaSpaces.ReplaceAllString(s, "$1")), " ")
	if s == "" {
		return "", true
	}
	m := condaVersions.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	versions, build := strings.ToLower(m[1]), m[2]
	if !strings.Contains(versions, "|") && build == "" {
		parts := strings.Split(versions, ",")
		slices.Sort(parts)
		slices.Reverse(parts)
		versions = strings.Join(slices.Compact(parts), ",")
	}
	bare := !strings.ContainsAny(versions[:1], "=<>!~")
	switch start, star := strings.CutSuffix(strings.TrimPrefix(versions, "="), ".*"); {
	case strings.ContainsAny(start, "=<>!~,|*"):
	case build != "" && !star:
		return "==" + start + "=" + build[1:], true
	case build == "" && star:
		return "=" + start, true
	case build == "" && bare:
		return "==" + start, true
	}
	if bare {
		return " " + versions + build, true
	}
	return versions + build, true
}

// plainVersion is a version of Python or pip that pip and uv have words for too.
var (
	plainVersion = regexp.MustCompile(`^(=|==|!=|>=|<=|>|<)([0-9]+(?:\.[0-9]+)*)(\.\*)?$`)
	plainPackage = regexp.MustCompile(`^(python|pip)([=<>!].*)?$`)
)

// bound is a part of a version, such as >=3.8; "=" is any version that begins so.
type bound struct{ operator, version string }

// pipOnly gives the bounds of Python and pip in a conda file with nothing else;
// plain is false for a conda file that needs conda, if only for a Python that is
// older than what uv gets.
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
	return python, pip, !slices.ContainsFunc(python, bound.old)
}

// old tells of a bound that only a Python before 3.8 keeps, the first that uv gets
// (https://docs.astral.sh/uv/concepts/python-versions/).
func (b bound) old() bool {
	numbers := append(strings.Split(b.version, "."), "")
	major, _ := strconv.Atoi(numbers[0])
	minor, err := strconv.Atoi(numbers[1])
	switch b.operator {
	case "=", "==", "<=":
		return major < 3 || major == 3 && err == nil && minor < 8
	case "<":
		return major < 3 || major == 3 && minor <= 8
	default:
		return false
	}
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
