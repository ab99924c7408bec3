// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// What a text without quotes is in YAML 1.1 (https://yaml.org/type/), as PyYAML
// reads it, which Azure ML read its files with. YAML 1.2 differs: there, yes is
// text and 6e4 is a number.
var (
	yamlInt = regexp.MustCompile(`^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$`)
	// yamlFloat needs a point, and a sign in its exponent.
	yamlFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$`)
	// yamlBase60 are minutes and seconds, or hours before them.
	yamlBase60 = regexp.MustCompile(`^[-+]?(?:[1-9][0-9_]*(?::[0-5]?[0-9])+|[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$`)
)

// plainNode reads a text without quotes.
func plainNode(at place, text string) *node {
	digits := strings.ReplaceAll(text, "_", "")
	switch text {
	case "", "~", "null", "Null", "NULL":
		return &node{kind: nullKind, at: at}
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return &node{kind: boolKind, at: at, truth: true, text: text}
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return &node{kind: boolKind, at: at, text: text}
	}
	switch {
	case yamlInt.MatchString(text):
		return intNode(at, text, digits)
	case yamlFloat.MatchString(text):
		return floatNode(at, text, digits)
	case yamlBase60.MatchString(text):
		return base60Node(at, text, digits)
	}
	return &node{kind: textKind, at: at, text: text}
}

// intNode reads a whole number, which 0x, 0b and 0 begin in other bases.
func intNode(at place, text, digits string) *node {
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return &node{kind: numberKind, at: at, text: text, number: float64(i)}
	}
	return floatNode(at, text, digits)
}

// floatNode reads a decimal number. One that no float holds stays text, so that
// the field's type check refuses it.
func floatNode(at place, text, digits string) *node {
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return &node{kind: textKind, at: at, text: text}
	}
	return &node{kind: numberKind, at: at, text: text, number: f}
}

func base60Node(at place, text, digits string) *node {
	unsigned, negative := strings.CutPrefix(digits, "-")
	total := 0.0
	for _, part := range strings.Split(strings.TrimPrefix(unsigned, "+"), ":") {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return &node{kind: textKind, at: at, text: text}
		}
		total = total*60 + f
	}
	if negative {
		total = -total
	}
	return floatNode(at, text, strconv.FormatFloat(total, 'f', -1, 64))
}
