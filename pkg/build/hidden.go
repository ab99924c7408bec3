// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// hidden are texts that are not to be told.
type hidden []string

// Telling returns what makes a line of a builder one that can be told: without
// what is secret in secrets, which are the contents of files, and without what
// moves a terminal.
func Telling(secrets map[string][]byte) func(line string) string {
	h := hide(secrets)
	return func(line string) string { return h.out(plain(line)) }
}

// hide finds what is secret in the files of a build. An address is none but for
// its login, so that a package index can be told.
func hide(secrets map[string][]byte) hidden {
	// What is shorter would be found in what is no secret.
	const shortest = 6
	var h hidden
	for _, content := range secrets {
		for line := range strings.Lines(string(content)) {
			h = append(h, secretsOf(strings.TrimSpace(line))...)
		}
	}
	h = slices.DeleteFunc(h, func(s string) bool { return len(s) < shortest })
	slices.SortFunc(h, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(h)
}

var (
	setting = regexp.MustCompile(`^([\w .-]+?)\s*[=:]\s*(.+)$`)
	telling = regexp.MustCompile(`(?i)pass|token|secret|key|auth|cred|login`)
	heading = regexp.MustCompile(`^(?:\[.*\]|-----.*-----|[#;].*)$`)
	words   = regexp.MustCompile(`(?i)\b(?:password|token)\s+(\S+)`)
)

// secretsOf are those in a line: the logins of its addresses; of a setting its
// value, if the name says that it is one; else the line.
func secretsOf(line string) []string {
	var found []string
	for word := range strings.FieldsSeq(line) {
		found = append(found, loginOf(word)...)
	}
	if m := words.FindStringSubmatch(line); m != nil {
		found = append(found, m[1])
	}
	m := setting.FindStringSubmatch(line)
	switch {
	case heading.MatchString(line), strings.Contains(line, "://"):
	case m == nil:
		found = append(found, line)
	case telling.MatchString(m[1]):
		found = append(found, strings.Trim(m[2], `"'`))
	}
	return found
}

func loginOf(word string) []string {
	_, rest, ok := strings.Cut(word, "://")
	if !ok {
		return nil
	}
	host, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(host, '@')
	if at < 0 {
		return nil
	}
	login := host[:at]
	user, password, ok := strings.Cut(login, ":")
	if !ok {
		password = user // a token in the place of the name
	}
	found := []string{login, password}
	if clear, err := url.PathUnescape(password); err == nil {
		found = append(found, clear)
	}
	return found
}

// out replaces what is hidden. The longest is looked for first.
func (h hidden) out(line string) string {
	for _, secret := range h {
		line = strings.ReplaceAll(line, secret, "***")
	}
	return line
}
