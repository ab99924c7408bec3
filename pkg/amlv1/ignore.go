// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Ignore tells which files of a folder are left out. The zero Ignore leaves
// nothing out.
type Ignore struct {
	// Name is the file that the patterns come from; empty when there was none.
	Name     string
	patterns []pattern
}

type pattern struct {
	path *regexp.Regexp
	// keep is set by a leading "!".
	keep bool
	// below is set when a folder itself does not match, only what is in it.
	below bool
}

// neverNeeded are left out of every folder. An ignore file can bring them back
// with "!": its patterns come later.
//
// Azure ML left nothing out without an ignore file, and did not read one when
// it packed code for a deployment. An image is handed around more than that
// archive was: the history and the caches of the working folder do not belong
// in it, and would give every build of the same code another digest.
func neverNeeded() []string {
	return []string{".git/", "__pycache__/", ".ipynb_checkpoints/", ".azureml/"}
}

// ReadIgnore reads the ignore file of a folder: .amlignore if there is one, even
// an empty one, else .gitignore, else none. Only the one at the root counts.
// Four folders are left out in any case unless the file brings them back: .git,
// __pycache__, .ipynb_checkpoints and .azureml. The error names the line that
// is not a pattern.
func ReadIgnore(folder fs.FS) (Ignore, error) {
	defaults, err := ParseIgnore([]byte(strings.Join(neverNeeded(), "\n")))
	if err != nil {
		return Ignore{}, err
	}
	for _, name := range []string{".amlignore", ".gitignore"} {
		info, err := fs.Stat(folder, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !info.Mode().IsRegular() { // reading a pipe may never end
			return Ignore{}, fmt.Errorf("%s is not a file: put one there, or remove it", name)
		}
		var src []byte
		if err == nil {
			src, err = fs.ReadFile(folder, name)
		}
		if err != nil {
			return Ignore{}, fmt.Errorf("read %s: %w", name, err)
		}
		own, err := ParseIgnore(src)
		if err != nil {
			return Ignore{}, fmt.Errorf("%s:%w", name, err)
		}
		return Ignore{Name: name, patterns: append(defaults.patterns, own.patterns...)}, nil
	}
	return defaults, nil
}

// ParseIgnore reads patterns, one a line, with the syntax and the meaning that
// they had in Azure ML ("gitwildmatch" of Python's pathspec): those of
// .gitignore, except that a file can be brought back from a folder that is left
// out. The error begins with the number of the line that is not a pattern.
func ParseIgnore(src []byte) (Ignore, error) {
	var out Ignore
	for i, line := range lineBreak.Split(string(src), -1) {
		text, keep, ok := clean(line)
		if !ok {
			continue
		}
		expression, err := translate(text)
		if err != nil {
			return Ignore{}, fmt.Errorf("%d: %q is not a pattern: %w", i+1, line, err)
		}
		path, err := regexp.Compile(expression)
		if err != nil {
			return Ignore{}, fmt.Errorf("%d: %q is not a pattern: write the brackets as in [a-z]", i+1, line)
		}
		out.patterns = append(out.patterns, pattern{path: path, keep: keep,
			below: strings.HasSuffix(expression, `/.*)$`)})
	}
	return out, nil
}

var lineBreak = regexp.MustCompile(`\r\n|\n|\r`)

// Match tells whether a file is left out. path is relative to the folder, with
// "/" between its parts, and names a file, not a folder. The last pattern that
// matches decides.
func (g Ignore) Match(path string) bool {
	for i := len(g.patterns) - 1; i >= 0; i-- {
		if g.patterns[i].path.MatchString(path) {
			return !g.patterns[i].keep
		}
	}
	return false
}

// MatchAll tells whether all files below a folder are left out for certain, so
// that there is no need to look into it. False may also mean that it cannot be
// told from the folder alone.
func (g Ignore) MatchAll(folder string) bool {
	all := false
	for _, p := range g.patterns {
		if p.keep {
			return false
		}
		// Every expression ends in "and what is below", so that what matches a
		// folder matches all that is in it.
		if p.below {
			all = all || p.path.MatchString(folder+"/")
		} else {
			all = all || p.path.MatchString(folder)
		}
	}
	return all
}

// clean takes spaces and the "!" off a line. ok is false for blank lines and
// comments, and for "/", which matches nothing.
func clean(line string) (text string, keep, ok bool) {
	text = strings.TrimLeftFunc(line, isSpace)
	if !strings.HasSuffix(line, `\ `) {
		text = strings.TrimRightFunc(text, isSpace)
	}
	if text == "" || text == "/" || strings.HasPrefix(text, "#") {
		return "", false, false
	}
	text, keep = strings.CutPrefix(text, "!")
	return text, keep, true
}

// translate makes a regular expression of a pattern.
func translate(text string) (string, error) {
	parts := strings.Split(text, "/")
	if text == "" {
		return "", errors.New(`write the pattern after "!"`)
	}
	parts = collapse(parts)
	if len(parts) == 2 && parts[0] == "**" && parts[1] == "" {
		return `^(?s:.+/.*)$`, nil
	}
	if parts[0] == "" {
		parts = parts[1:]
	} else if (len(parts) == 1 || len(parts) == 2 && parts[1] == "") && parts[0] != "**" {
		// Without a slash before its end a pattern holds at any depth.
		parts = append([]string{"**"}, parts...)
	}
	if last := len(parts) - 1; last > 0 && parts[last] == "" {
		parts[last] = "**"
	}
	return expression(parts)
}

// collapse makes one "**" of several in a row.
func collapse(parts []string) []string {
	out := parts[:1:1]
	for _, p := range parts[1:] {
		if p != "**" || out[len(out)-1] != "**" {
			out = append(out, p)
		}
	}
	return out
}

func expression(parts []string) (string, error) {
	var b strings.Builder
	b.WriteString("^(?s:")
	end := len(parts) - 1
	slash := false
	for i, part := range parts {
		switch {
		case part == "**" && i == 0 && i == end:
			b.WriteString(`[^/]+(?:/.*)?`)
		case part == "**" && i == 0:
			b.WriteString(`(?:.+/)?`)
			slash = false
		case part == "**" && i == end:
			b.WriteString(`/.*`)
		case part == "**":
			b.WriteString(`(?:/.+)?`)
			slash = true
		default:
			if slash {
				b.WriteByte('/')
			}
			glob, err := segment(part)
			if err != nil {
				return "", err
			}
			b.WriteString(glob)
			if i == end {
				b.WriteString(`(?:/.*)?`)
			}
			slash = true
		}
	}
	b.WriteString(")$")
	return b.String(), nil
}

// segment translates the part of a pattern between two slashes.
func segment(part string) (string, error) {
	if part == "*" {
		return `[^/]+`, nil
	}
	var b strings.Builder
	rest := []rune(part)
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case '*':
			b.WriteString(`[^/]*`)
		case '?':
			b.WriteString(`[^/]`)
		case '\\':
			if len(rest) == 0 {
				return "", errors.New(`write a character after the last "\"`)
			}
			b.WriteString(regexp.QuoteMeta(string(rest[0])))
			rest = rest[1:]
		case '[':
			class, n := bracket(rest)
			b.WriteString(class)
			rest = rest[n:]
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String(), nil
}

// bracket translates what follows a "[" and says how much of it belongs to the
// brackets. Without a closing one the "[" stands for itself.
func bracket(rest []rune) (string, int) {
	start := 0
	not := ""
	if len(rest) > 0 && (rest[0] == '!' || rest[0] == '^') {
		start, not = 1, "^"
	}
	end := start
	if end < len(rest) && rest[end] == ']' {
		end++
	}
	for end < len(rest) && rest[end] != ']' {
		end++
	}
	if end >= len(rest) {
		return `\[`, 0
	}
	// A backslash and an inner bracket are themselves between brackets.
	inside := strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(string(rest[start:end]))
	return "[" + not + inside + "]", end + 1
}

func isSpace(r rune) bool {
	return strings.ContainsRune(" \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u00a0", r)
}
