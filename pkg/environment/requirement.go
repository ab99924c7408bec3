// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// requirement is one package or option of pip's, in the one spelling that all
// equal ones have.
type requirement struct {
	// text is a line of a requirements file.
	text string
	// option is set for one that is no package; ordered for an option that goes
	// before the ones of its kind that came earlier.
	option, ordered bool
	// hashed is set when pip will want a hash for every package.
	hashed bool
}

var (
	comment     = regexp.MustCompile(`(^|\s+)#.*$`)
	lineOptions = regexp.MustCompile(`\s-`)
	isURL       = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	named       = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*)$`)
	extra       = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	specifier   = regexp.MustCompile(`^(===|==|~=|!=|<=|>=|<|>)\s*([A-Za-z0-9.*+!_-]+)$`)
	separators  = regexp.MustCompile(`[-_.]+`)
	archive     = regexp.MustCompile(`(?i)\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$`)
)

// tooLong is what no line may be: a longer one fits no Dockerfile.
const tooLong = 32 << 10

// parseRequirement reads one line as pip reads it in a requirements file
// (https://pip.pypa.io/en/stable/reference/requirements-file-format/). An empty
// line and a comment give nothing. wrong says why pip could not take it here.
func parseRequirement(line string) (found []requirement, wrong string) {
	if wrong := unprintable(line); wrong != "" {
		return nil, wrong
	}
	line = strings.TrimSpace(comment.ReplaceAllString(line, ""))
	switch {
	case line == "":
		return nil, ""
	case strings.HasPrefix(line, "-"):
		return parseOptions(strings.Fields(line))
	}
	options := ""
	if at := lineOptions.FindStringIndex(line); at != nil {
		line, options = strings.TrimSpace(line[:at[0]]), line[at[0]+1:]
	}
	text, wrong := parsePackage(line)
	if wrong != "" {
		return nil, wrong
	}
	own, hashed, wrong := packageOptions(strings.Fields(options))
	return []requirement{{text: text + own, hashed: hashed}}, wrong
}

// unprintable refuses what would end a line somewhere on its way.
func unprintable(line string) string {
	for _, r := range line {
		if unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return "holds a line break or another character that is none of a name: write one package in each text"
		}
	}
	if len(line) > tooLong {
		return "is longer than 32 KiB: write less"
	}
	return ""
}

// parsePackage reads what is before the options: a package by name or a place to
// get it from.
func parsePackage(s string) (text, wrong string) {
	if isURL.MatchString(s) || strings.HasPrefix(s, "/") {
		return s, ""
	}
	if strings.HasPrefix(s, ".") || !strings.ContainsAny(s, "@;") && (strings.Contains(s, "/") || archive.MatchString(s)) {
		return "", "is a file of yours, which is not there where the image is built: write NAME==VERSION or its URL"
	}
	const write = "write NAME==VERSION"
	m := named.FindStringSubmatch(s)
	if m == nil {
		return "", "is no package as pip reads it: " + write
	}
	extras, wrong := parseExtras(m[2])
	if wrong != "" {
		return "", wrong
	}
	name, rest := canonicalName(m[1])+extras, m[3]
	if strings.HasPrefix(rest, "@") {
		return parseAt(name, strings.TrimSpace(rest[1:]))
	}
	spec, marker, marked := strings.Cut(rest, ";")
	versions, wrong := parseVersions(spec)
	if wrong != "" {
		return "", wrong + ": " + write
	}
	return withMarker(name+versions, marker, marked)
}

// canonicalName is the name as PEP 503 compares names.
func canonicalName(s string) string { return strings.ToLower(separators.ReplaceAllString(s, "-")) }

func parseExtras(s string) (text, wrong string) {
	var extras []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if !extra.MatchString(part) {
			return "", "has no name of an extra in its brackets: write NAME[EXTRA]==VERSION"
		}
		extras = append(extras, canonicalName(part))
	}
	if len(extras) == 0 {
		return "", ""
	}
	slices.Sort(extras)
	return "[" + strings.Join(slices.Compact(extras), ",") + "]", ""
}

// parseAt reads NAME @ URL. A URL keeps its case and ends at a space.
func parseAt(name, rest string) (text, wrong string) {
	url, marker, _ := strings.Cut(rest, " ")
	marker = strings.TrimSpace(marker)
	switch {
	case !isURL.MatchString(url):
		return "", "has no URL after its @: write NAME @ https://…"
	case marker != "" && !strings.HasPrefix(marker, ";"):
		return "", "has something after its URL: write NAME @ URL ; MARKER"
	}
	text, wrong = withMarker(name+" @ "+url, strings.TrimPrefix(marker, ";"), false)
	if wrong == "" && marker != "" {
		// Without the space, the ; would belong to the URL.
		return withMarker(name+" @ "+url+" ", strings.TrimPrefix(marker, ";"), true)
	}
	return text, wrong
}

func parseVersions(s string) (text, wrong string) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		s = s[1 : len(s)-1]
	}
	var all []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		m := specifier.FindStringSubmatch(part)
		switch {
		case m != nil:
			all = append(all, m[1]+strings.ToLower(m[2]))
		case strings.HasPrefix(part, "=") && !strings.HasPrefix(part, "=="):
			return "", "has a single =, which is conda's"
		default:
			return "", "is no package as pip reads it"
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ","), ""
}

func withMarker(text, marker string, marked bool) (with, wrong string) {
	if !marked {
		return text, ""
	}
	canonical, ok := canonicalMarker(marker)
	if !ok {
		return "", `has no marker after its ";": write one such as NAME ; python_version < "3.12"`
	}
	return text + "; " + canonical, ""
}

var markerToken = regexp.MustCompile(`^(?:"[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_.]*|===|[<>=!~]=|[<>]|[()])`)

// canonicalMarker gives a marker one spelling of its spaces and quotes.
func canonicalMarker(s string) (text string, ok bool) {
	var tokens []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		token := markerToken.FindString(s)
		if token == "" {
			return "", false
		}
		s = s[len(token):]
		if token[0] == '\'' && !strings.Contains(token, `"`) {
			token = `"` + token[1:len(token)-1] + `"`
		}
		tokens = append(tokens, token)
	}
	return strings.Join(tokens, " "), len(tokens) > 0
}

// packageOptions reads the options that a package may have on its own line.
func packageOptions(tokens []string) (text string, hashed bool, wrong string) {
	var hashes, others []string
	for i := 0; i < len(tokens); i++ {
		name, value, joined := strings.Cut(tokens[i], "=")
		if !joined && i+1 < len(tokens) {
			i++
			value = tokens[i]
		}
		switch {
		case value == "":
			return "", false, "has the option " + name + " without a value: write " + name + "=VALUE"
		case name == "--hash":
			hashes = append(hashes, " --hash="+strings.ToLower(value))
		case name == "--global-option" || name == "--config-settings" || name == "--config-setting" || name == "-C":
			others = append(others, " "+name+"="+value)
		default:
			return "", false, "has the option " + name + " after a package: write it as a text of its own, if it is pip's"
		}
	}
	slices.Sort(hashes)
	return strings.Join(append(slices.Compact(hashes), others...), ""), len(hashes) > 0, ""
}
