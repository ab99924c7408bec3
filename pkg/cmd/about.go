// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"maps"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// aboutFlags are the flags for what people say of an endpoint or a version.
type aboutFlags struct {
	description      string
	tags, properties []string
	addTags          []string
	removeTags       []string
	addProperties    []string
	// given tells an empty description from none.
	given func(flag string) bool
}

// add gives c the flags for what is deployed.
func (a *aboutFlags) add(c *cobra.Command) {
	a.describe(c)
	f := c.Flags()
	f.StringArrayVar(&a.tags, "tag", nil, "Tag as NAME=VALUE, in place of those there are; repeatable")
	f.StringArrayVar(&a.properties, "property", nil, "Property as NAME=VALUE, which nobody changes later; repeatable")
}

// change gives c the flags for what is changed.
func (a *aboutFlags) change(c *cobra.Command, remove bool) {
	f := c.Flags()
	f.StringArrayVar(&a.addTags, "add-tag", nil, "Tag to add or to change, as NAME=VALUE; repeatable")
	if remove {
		f.StringArrayVar(&a.removeTags, "remove-tag", nil, "Name of a tag to take away; repeatable")
	}
	f.StringArrayVar(&a.addProperties, "add-property", nil, "Property to add, as NAME=VALUE; repeatable")
}

func (a *aboutFlags) describe(c *cobra.Command) {
	c.Flags().StringVar(&a.description, "description", "", "What it is for, in words")
	a.given = c.Flags().Changed
}

// read refuses what is not NAME=VALUE.
func (a *aboutFlags) read() (endpoint.AboutChange, error) {
	change := endpoint.AboutChange{RemoveTags: a.removeTags}
	if a.given != nil && a.given("description") {
		change.Description = &a.description
	}
	var errs [4]error
	change.Tags, errs[0] = pairs("tag", a.tags)
	change.AddTags, errs[1] = pairs("add-tag", a.addTags)
	change.AddProperties, errs[2] = pairs("property", a.properties)
	more, err := pairs("add-property", a.addProperties)
	maps.Copy(change.AddProperties, more)
	errs[3] = err
	if len(a.tags) == 0 {
		change.Tags = nil
	}
	return change, errors.Join(errs[:]...)
}
