// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// overwritten is what a terminal would show of a line with carriage returns.
func overwritten(line string) string {
	end := len(strings.TrimRight(line, "\r"))
	return line[strings.LastIndexByte(line[:end], '\r')+1:]
}

var escape = regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])`)

// plain has no colours, and nothing else that moves a terminal.
func plain(line string) string {
	line = escape.ReplaceAllString(strings.ToValidUTF8(line, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
}

// oneLine has single spaces where there were ends of lines and indentation.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

var runFlags = regexp.MustCompile(`^(?i:RUN) (?:--[a-z]+=\S* (?:\\ )?)+`)

// brief is an instruction without the flags of RUN and, if it is long, without its
// middle: how a command of a shell begins is often the same, how it ends is not.
func brief(instruction string) string {
	const first, last, gap = 60, 50, " … "
	text := []rune(runFlags.ReplaceAllString(oneLine(instruction), "RUN "))
	if len(text) <= first+len([]rune(gap))+last {
		return string(text)
	}
	return strings.TrimSpace(string(text[:first])) + gap + strings.TrimSpace(string(text[len(text)-last:]))
}

// shorten cuts a line that is too long, between two characters.
func shorten(line string) string {
	const more = "…"
	if len(line) <= longest {
		return line
	}
	end := longest - len(more)
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + more
}
