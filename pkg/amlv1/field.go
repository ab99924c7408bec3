// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Field is what is known about one field of a file, for those who explain it
// and for the flags that stand for it.
type Field struct {
	// File is the name that the file usually has.
	File string
	// Path of the key, its parts joined by dots.
	Path string
	// About says what the field is for, in a phrase that begins in lower case.
	About string
	// Type is "true or false", "whole number", "number", "text", "list" or
	// "object".
	Type string
	// Only is the computeType the field belongs to; empty when it is more than one.
	Only ComputeType
	// Rule is the range of values, such as "must be greater than 0"; empty when
	// every value of the type is taken.
	Rule string
	// Default is the value of an absent field, as it is written in a file; empty
	// for none.
	Default string
	// Write says what to write, such as "a whole number of replicas, such as 2".
	Write string
	// Flag is the name of the flag of Azure ML's command line that goes before
	// the field, Short its second name of two or three letters. Both are empty
	// for a field that has no flag.
	Flag, Short string
	// Means says what becomes of the field on Kubernetes, in a phrase, and
	// Support how much of it that is.
	Means   string
	Support Support
	// Also are other names that people know the field by.
	Also []string
	// Secret says that the value is not for printing.
	Secret bool
	// Ignored says why the key has no effect; empty for one that has.
	Ignored string
	// Remark says what becomes of a value that is taken but has no effect; empty
	// when it has.
	Remark string
}

// DeploymentFields returns the fields of deploymentconfig.json, in the order
// they are documented in. Of fields that compute types share, the default is
// that of AKS: the one that differs is authEnabled, which ACI has off.
func DeploymentFields() []Field {
	return fields(slices.Concat(deploymentRules(), containerRules(), localRules()), deploymentFile, "")
}

// InferenceFields returns the fields of inferenceconfig.json, with those of its
// environment.
func InferenceFields() []Field {
	return append(fields(inferenceRules(), inferenceFile, ""),
		fields(environmentRules(), inferenceFile, "environment")...)
}

// The usual names of the two files.
const (
	deploymentFile = "deploymentconfig.json"
	inferenceFile  = "inferenceconfig.json"
)

func fields[T any](rules []rule[T], file, prefix string) []Field {
	out := make([]Field, 0, len(rules))
	for i := range rules {
		u := &rules[i]
		f := Field{File: file, Path: join(prefix, u.path), About: u.about, Only: u.only, Write: u.write,
			Means: cmp.Or(u.means, u.remark, u.ignored, "nothing"), Support: u.supported(), Also: u.also,
			Secret: u.secret, Ignored: u.ignored, Remark: u.remark}
		f.Flag, f.Short, _ = strings.Cut(u.flag, " ")
		if u.into != nil {
			f.Type = u.typeName()
			f.Rule = u.refusal()
		}
		if u.fallback != nil {
			f.Default = fmt.Sprint(u.fallback)
		}
		out = append(out, f)
	}
	return out
}

func (u *rule[T]) typeName() string {
	if u.path == "computeType" {
		return "text"
	}
	var zero T
	switch u.into(&zero).(type) {
	case **bool:
		return "true or false"
	case **int:
		return "whole number"
	case **float64:
		return "number"
	case *[]string:
		return "list"
	case *string:
		return "text"
	default:
		return "object"
	}
}

// refusal is what the rule says of a value that it does not take. Every range
// there is refuses -1 and a line feed.
func (u *rule[T]) refusal() string {
	switch {
	case u.number != nil:
		return u.number(-1)
	case u.text != nil:
		return u.text("\n")
	}
	return ""
}

// Set gives the field at path the value of the command-line flag that stands
// for it: what is given as a flag goes before what the file says. Numbers and
// truth values are read as in a file; true and false may have any case. A
// finding names the flag. A path without a flag is refused; of a field that the
// compute type does not have, a warning is all.
//
// Call Validate when all flags are set.
func (c *DeploymentConfig) Set(path, text string) Findings {
	if c.source == nil {
		c.source = newSource("")
	}
	rules := rulesFor(c.ComputeType)
	u, kinds := ruleOf(rules, path), readFor(path)
	if kinds != "" && (u == nil || u.only != "" && u.only != c.ComputeType) {
		return Findings{{Field: flagOf(path), Warning: true, Message: notRead(c.ComputeType, kinds)}}
	}
	r := reader[DeploymentConfig]{source: c.source, rules: rules, kind: c.ComputeType, target: c}
	return r.override(path, text)
}

// flagOf names the flag of a field of deploymentconfig.json.
func flagOf(path string) string {
	for _, f := range DeploymentFields() {
		if f.Path == path && f.Flag != "" {
			return "--" + f.Flag
		}
	}
	return path
}

// Set is DeploymentConfig.Set for an InferenceConfig.
func (c *InferenceConfig) Set(path, text string) Findings {
	if c.source == nil {
		c.source = newSource("")
	}
	r := reader[InferenceConfig]{source: c.source, rules: inferenceRules(), target: c}
	return r.override(path, text)
}

func (r *reader[T]) override(path, text string) Findings {
	u := r.rule(path)
	if u == nil || u.flag == "" {
		return Findings{{Field: path, Message: "has no flag: write it in the file"}}
	}
	name, _, _ := strings.Cut(u.flag, " ")
	r.source.flags[r.full(path)] = "--" + name
	delete(r.source.refused, r.full(path))
	r.set(u, u.parse(text))
	for i := range r.findings {
		f := r.source.finding(path, r.findings[i].Message)
		f.Warning = r.findings[i].Warning
		r.findings[i] = f
	}
	return r.findings
}

// parse makes the node that text would be in a file, by the type of the field.
func (u *rule[T]) parse(text string) *node {
	var zero T
	switch u.into(&zero).(type) {
	case **bool:
		if truth, err := strconv.ParseBool(strings.ToLower(text)); err == nil {
			return &node{kind: boolKind, text: text, truth: truth}
		}
	case **int, **float64:
		return floatNode(place{}, text, text)
	}
	return &node{kind: textKind, text: text, quoted: true}
}
