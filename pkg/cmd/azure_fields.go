// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// fieldFlags are flags that stand for fields of Azure ML's files and go before
// them. Their names, types and defaults are those of the fields' own table.
type fieldFlags struct {
	deployment, inference []fieldFlag
	// kept says that what is not given stays, so that help names no defaults.
	kept bool
}

type fieldFlag struct {
	field amlv1.Field
	value *fieldValue
}

// add gives c a flag for every field that has one and is wanted.
func (f *fieldFlags) add(c *cobra.Command, wanted func(amlv1.Field) bool) {
	f.deployment = f.addAll(c, amlv1.DeploymentFields(), wanted)
	f.inference = f.addAll(c, amlv1.InferenceFields(), wanted)
}

func (f *fieldFlags) addAll(c *cobra.Command, fields []amlv1.Field, wanted func(amlv1.Field) bool) []fieldFlag {
	var flags []fieldFlag
	for _, field := range fields {
		// The namespace is kubectl's own flag, and the compute target has one of any
		// computeType.
		if field.Flag == "" || field.Path == "namespace" || field.Path == "computeTargetName" || !wanted(field) {
			continue
		}
		flag := fieldFlag{field: field, value: &fieldValue{kind: flagType(field.Type)}}
		made := c.Flags().VarPF(flag.value, field.Flag, "", f.usage(field))
		if flag.value.kind == boolType {
			made.NoOptDefVal = "true"
			takesTruth(made)
		}
		if field.Short != "" {
			short(c, field.Flag, field.Short)
		}
		flags = append(flags, flag)
	}
	return flags
}

func (f *fieldFlags) usage(field amlv1.Field) string {
	usage := strings.ToUpper(field.About[:1]) + field.About[1:]
	switch {
	case field.Remark != "":
		usage += "; " + field.Remark
	case field.Default != "" && !f.kept:
		usage += fmt.Sprintf(" (default %s)", field.Default)
	}
	return usage
}

// config is a file that flags can go before.
type config interface {
	Set(path, text string) amlv1.Findings
}

// set gives the config the values of the flags that were given.
func set(c config, flags []fieldFlag) amlv1.Findings {
	var findings amlv1.Findings
	for _, f := range flags {
		if f.value.given {
			findings = append(findings, c.Set(f.field.Path, f.value.text)...)
		}
	}
	return findings
}

// given tells whether the flag for a field was given.
func given(flags []fieldFlag, path string) bool {
	for _, f := range flags {
		if f.field.Path == path && f.value.given {
			return true
		}
	}
	return false
}

// secrets tells whether a flag with a secret was given.
func (f *fieldFlags) secrets() bool {
	for _, flag := range f.deployment {
		if flag.field.Secret && flag.value.given {
			return true
		}
	}
	return false
}

// The types of a flag, as help shows them.
const (
	boolType   = "bool"
	intType    = "int"
	floatType  = "float"
	stringType = "string"
)

func flagType(field string) string {
	switch field {
	case "true or false":
		return boolType
	case "whole number":
		return intType
	case "number":
		return floatType
	}
	return stringType
}

// fieldValue keeps the text of a flag: the field's own rules read it.
type fieldValue struct {
	kind, text string
	given      bool
}

// String is the text given.
func (v *fieldValue) String() string { return v.text }

// Set takes any text.
func (v *fieldValue) Set(text string) error {
	v.text, v.given = text, true
	return nil
}

// Type is what help shows.
func (v *fieldValue) Type() string { return v.kind }
