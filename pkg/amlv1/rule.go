// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// rule is what is known about one field of a file. The tables of rules are the
// single place for keys, types, ranges and defaults.
type rule[T any] struct {
	// path of the key, its parts joined by dots.
	path string
	// about says what the field is for; flag is the name of the flag that goes
	// before it, and after a space its second, short name.
	about, flag string
	// means says what becomes of the field on Kubernetes, in a phrase; support
	// tells how much of it is left. Empty is Supported, or what ignored and
	// silent make of it.
	means   string
	support Support
	// into returns a pointer to where the value goes: **bool, **int, **float64,
	// *string, *[]string, *map[string]string or *opaque. Its type is the type
	// of the field.
	into func(*T) any
	// number and text hold the range of the field: they say what a value must
	// be, "must be …", or nothing when the value is fine.
	number func(float64) string
	text   func(string) string
	// write says what to write, after "write ".
	write string
	// fallback is the value of an absent field: bool, int or float64.
	fallback any
	// also are other names that people know the field by.
	also []string
	// ignored says why the key has no effect, for the warning; then the rule
	// has no into. A null is not warned of, nor one of another computeType.
	ignored string
	// remark says what becomes of a value that is taken but has no effect here,
	// for the warning. Nothing is said of null, false and what is empty.
	remark string
	// silent is set for keys that have no effect and are not worth a warning.
	silent bool
	// only is the computeType the field belongs to; empty for all.
	only ComputeType
	// secret keeps the value out of messages.
	secret bool
	// filled is set where an empty text is a wrong value, and not an absent one.
	filled bool
	// scalar lets a number or bool stand for text.
	scalar bool
}

// opaque takes a field that is passed on as it is.
type opaque struct{ node *node }

// reader fills a T from a tree by a table of rules.
type reader[T any] struct {
	source *source
	rules  []rule[T]
	// prefix is put before the path of each field, for tables of a part of a file.
	prefix string
	// kind is the computeType of the file; a rule for another one is skipped.
	kind ComputeType
	// readFor names the computeTypes that a field is read for; empty for a field
	// of none. Nil for a file without computeType.
	readFor func(path string) string
	// nulls lets null stand for an object that is absent.
	nulls bool

	target   *T
	findings Findings
}

func (r *reader[T]) object(path string, n *node) {
	for _, e := range n.entries {
		p := join(path, e.key)
		rule := r.rule(p)
		switch {
		case rule == nil && r.holds(p):
			r.source.places[r.full(p)] = e.at
			if e.value.kind != objectKind && (!r.nulls || e.value.kind != nullKind) {
				r.report(e.value.at, p, fmt.Sprintf("must be an object, not %s: write {…} or leave the key out",
					e.value.describe()))
				continue
			}
			r.object(p, e.value)
		case rule == nil && r.otherKinds(p) != "":
			if e.value.kind != nullKind {
				r.warn(e.at, p, notRead(r.kind, r.otherKinds(p)))
			}
		case rule == nil:
			r.warn(e.at, p, r.unknown(path, e.key))
		case rule.silent || (rule.ignored != "" || rule.only != "" && rule.only != r.kind) && e.value.kind == nullKind:
		case rule.ignored != "":
			r.warn(e.at, p, rule.ignored)
		case rule.only != "" && rule.only != r.kind:
			r.warn(e.at, p, notRead(r.kind, string(rule.only)))
		default:
			r.set(rule, e.value)
		}
	}
}

// otherKinds names the computeTypes that a field without a rule is read for.
func (r *reader[T]) otherKinds(path string) string {
	if r.readFor == nil {
		return ""
	}
	return r.readFor(path)
}

func notRead(kind ComputeType, kinds string) string {
	return fmt.Sprintf("is not read for computeType %s, only for %s: remove it", kind, kinds)
}

func (r *reader[T]) full(path string) string { return join(r.prefix, path) }

func (r *reader[T]) rule(path string) *rule[T] { return ruleOf(r.rules, path) }

func ruleOf[T any](rules []rule[T], path string) *rule[T] {
	for i := range rules {
		if rules[i].path == path {
			return &rules[i]
		}
	}
	return nil
}

// holds tells whether some field lies below path.
func (r *reader[T]) holds(path string) bool { return holds(r.rules, path) }

func holds[T any](rules []rule[T], path string) bool {
	return slices.ContainsFunc(rules, func(u rule[T]) bool { return strings.HasPrefix(u.path, path+".") })
}

func (r *reader[T]) report(at place, path, message string) {
	r.findings = append(r.findings, Finding{File: r.source.file, Line: at.line, Column: at.column,
		Field: r.full(path), Message: message})
}

func (r *reader[T]) warn(at place, path, message string) {
	r.report(at, path, message)
	r.findings[len(r.findings)-1].Warning = true
}

// set puts a value into its field. A null is an absent field, except where the
// field is an object.
func (r *reader[T]) set(u *rule[T], n *node) {
	into := u.into(r.target)
	wrong, told := "", len(r.findings)
	switch v := into.(type) {
	case *opaque:
		v.node = n
	case *map[string]string:
		*v = r.texts(u, n)
	case *[]string:
		*v = r.list(u, n)
	default:
		if n.kind != nullKind {
			wrong = r.scalar(u, n)
		}
	}
	full := r.full(u.path)
	r.source.places[full] = n.at
	r.source.given[full] = n.text
	if wrong != "" {
		r.source.refused[full] = true
		r.report(n.at, u.path, wrong+": write "+u.write)
	} else if u.remark != "" && !n.isNothing() && len(r.findings) == told {
		r.warn(n.at, u.path, u.remark)
	}
}

func (r *reader[T]) scalar(u *rule[T], n *node) (wrong string) {
	switch v := u.into(r.target).(type) {
	case **bool:
		*v, wrong = r.boolean(u, n)
	case **int:
		*v, wrong = whole(n)
	case **float64:
		*v, wrong = number(n)
	case *string:
		if u.filled && n.kind == textKind && n.text == "" {
			return u.text("") + `, not ""`
		}
		if n.kind == textKind || u.scalar && n.kind < listKind {
			*v = n.text
			return ""
		}
		wrong = "must be text, not " + n.describe()
		if n.kind < listKind && u.write == "" {
			wrong += ", in quotes"
		}
	}
	if wrong != "" && u.secret {
		wrong = "must be text in quotes"
	}
	return wrong
}

// boolean reads a bool. Azure ML took any text but the empty one for true,
// "false" too; only "true" is taken here.
func (r *reader[T]) boolean(u *rule[T], n *node) (*bool, string) {
	value := n.truth
	switch {
	case n.kind == boolKind:
		return &value, ""
	case n.kind == textKind && oneOfFold(n.text, "true"):
		value = true
		r.warn(n.at, u.path, "is text and taken for true: write true without quotes")
		return &value, ""
	}
	return nil, "must be true or false, not " + n.describe()
}

func whole(n *node) (*int, string) {
	if n.kind != numberKind || n.number != math.Trunc(n.number) {
		return nil, "must be a whole number, not " + n.describe()
	}
	if math.Abs(n.number) >= 1<<31 {
		return nil, "must be a whole number that fits in 32 bits, not " + n.describe()
	}
	i := int(n.number)
	return &i, ""
}

func number(n *node) (*float64, string) {
	if n.kind == numberKind {
		return &n.number, ""
	}
	return nil, "must be a number, not " + n.describe()
}

func (r *reader[T]) list(u *rule[T], n *node) []string {
	if n.kind == nullKind {
		return nil
	}
	var out []string
	for _, item := range n.items {
		if item.kind == textKind {
			r.source.places[fmt.Sprintf("%s[%d]", r.full(u.path), len(out))] = item.at
			out = append(out, item.text)
			continue
		}
		r.report(item.at, u.path, "must be a list of texts, but holds "+item.describe()+": write "+u.write)
	}
	if n.kind != listKind {
		r.report(n.at, u.path, "must be a list, not "+n.describe()+": write "+u.write)
	}
	return out
}

func (r *reader[T]) texts(u *rule[T], n *node) map[string]string {
	if n.kind == nullKind {
		return nil
	}
	if n.kind != objectKind {
		r.report(n.at, u.path, "must be an object, not "+n.describe()+": write "+u.write)
		return nil
	}
	out := map[string]string{}
	for _, e := range n.entries {
		path := join(u.path, e.key)
		r.source.places[r.full(path)] = e.at
		switch {
		case e.value.kind == nullKind:
			r.warn(e.value.at, path, `is null and left out: write "" for an empty value`)
		case e.value.kind >= listKind:
			r.report(e.value.at, path, "must be text, not "+e.value.describe()+": write it in quotes")
		default:
			out[e.key] = e.value.text
		}
	}
	return out
}

// check holds the values of a T against the ranges of its rules.
func check[T any](s *source, rules []rule[T], prefix string, target *T) Findings {
	var findings Findings
	for i := range rules {
		u := &rules[i]
		if u.into == nil {
			continue
		}
		shown, wrong := "", ""
		switch v := u.into(target).(type) {
		case **int:
			if *v != nil && u.number != nil {
				shown, wrong = strconv.Itoa(**v), u.number(float64(**v))
			}
		case **float64:
			if *v != nil && u.number != nil {
				shown, wrong = decimal(**v), u.number(**v)
			}
		case *string:
			if *v != "" && u.text != nil {
				shown, wrong = strconv.Quote(short(*v)), u.text(*v)
			}
		}
		if wrong != "" {
			findings = append(findings, s.finding(join(prefix, u.path),
				fmt.Sprintf("%s, not %s: write %s", wrong, shown, u.write)))
		}
	}
	return findings
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func positive(f float64) string {
	if f > 0 {
		return ""
	}
	return "must be greater than 0"
}

func notNegative(f float64) string {
	if f >= 0 {
		return ""
	}
	return "must be 0 or more"
}

func percent(f float64) string {
	if f >= 0 && f <= 100 {
		return ""
	}
	return "must be from 0 to 100"
}

// oneOf accepts the given words, whatever their case.
func oneOf(words ...string) func(string) string {
	return func(s string) string {
		if oneOfFold(s, words...) {
			return ""
		}
		return "must be one of " + strings.Join(words, ", ")
	}
}

func oneOfFold(s string, words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return true
		}
	}
	return false
}
