// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"strconv"
	"strings"
)

// Support tells how much of what a field did in Azure ML v1 it does here.
type Support string

// The classes of support.
const (
	// Supported fields do what they did.
	Supported Support = "supported"
	// Mapped fields do it in Kubernetes' own way: Field.Means has the difference.
	Mapped Support = "mapped"
	// Warned fields are taken, have no effect, and a warning says so.
	Warned Support = "warned"
	// Ignored fields are taken and have no effect.
	Ignored Support = "ignored"
)

func (u *rule[T]) supported() Support {
	switch {
	case u.support != "":
		return u.support
	case u.ignored != "" || u.remark != "":
		return Warned
	case u.silent:
		return Ignored
	}
	return Supported
}

// Example is the field with a value, as it may stand in a file, on one line.
func (f Field) Example() string {
	parts := strings.Split(f.Path, ".")
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("{" + strconv.Quote(p) + ": ")
	}
	return b.String() + f.exampleValue() + strings.Repeat("}", len(parts))
}

func (f Field) exampleValue() string {
	if f.Type == "true or false" {
		return strconv.FormatBool(f.Default != "true")
	}
	_, value, found := strings.Cut(f.Write, "such as ")
	value, _, _ = strings.Cut(value, " (")
	switch {
	case found:
		return value
	case strings.HasPrefix(f.Write, `"`), strings.HasPrefix(f.Write, "{"), f.Type == "whole number":
		return f.Write
	case f.Type == "list":
		return `["…"]`
	case f.Type == "object":
		return "{…}"
	}
	return `"…"`
}

// FieldsNamed finds the fields that people call name: by the whole path, the
// last part of it, the name in the SDK of Azure ML, or a flag, whatever the
// case; an object gives all fields in it. When there is none, nearest is the
// path of the field that was probably meant.
func FieldsNamed(name string) (found []Field, nearest string) {
	all := append(DeploymentFields(), InferenceFields()...)
	want := plain(strings.TrimLeft(strings.TrimSpace(name), "-"))
	for _, matches := range []func(Field) bool{
		func(f Field) bool { return plain(f.Path) == want },
		func(f Field) bool { return strings.HasPrefix(plain(f.Path), want+".") },
		func(f Field) bool { return f.Flag != "" && plain(f.Flag) == want },
		func(f Field) bool { return f.Short != "" && f.Short == want },
		func(f Field) bool { return plain(lastPart(f.Path)) == want || named(f, want) },
	} {
		for _, f := range all {
			if matches(f) {
				found = append(found, f)
			}
		}
		if len(found) > 0 || want == "" {
			return found, ""
		}
	}
	return nil, nearestField(all, want)
}

func named(f Field, want string) bool {
	for _, other := range f.Also {
		if plain(other) == want {
			return true
		}
	}
	return false
}

func nearestField(all []Field, want string) string {
	best, distance := "", len([]rune(want))+1
	for _, f := range all {
		for _, other := range append([]string{f.Path, lastPart(f.Path), f.Flag}, f.Also...) {
			if d := edits(want, plain(other)); d < distance {
				best, distance = f.Path, d
			}
		}
	}
	return best
}
