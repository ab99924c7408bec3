// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// AboutChange is what is to become of an About. What is absent stays.
type AboutChange struct {
	// Description is nil to keep the one there is.
	Description *string
	// Tags take the place of all tags there are; nil keeps them.
	Tags map[string]string
	// AddTags are set after that, and RemoveTags taken away last.
	AddTags    map[string]string
	RemoveTags []string
	// AddProperties are new properties.
	AddProperties map[string]string
}

// Change returns a changed. It refuses to give a property another value, as
// Azure ML v1 does; one that is there with the same value is let pass. A tag to
// remove that is not there is no error. a itself never changes.
func (a About) Change(c AboutChange) (About, error) {
	if c.Description != nil {
		a.Description = *c.Description
	}
	if c.Tags != nil {
		a.Tags = maps.Clone(c.Tags)
	}
	a.Tags = merged(a.Tags, c.AddTags)
	maps.DeleteFunc(a.Tags, func(name, _ string) bool { return slices.Contains(c.RemoveTags, name) })
	var findings []error
	for _, name := range slices.Sorted(maps.Keys(c.AddProperties)) {
		if old, ok := a.Properties[name]; ok && old != c.AddProperties[name] {
			findings = append(findings, fmt.Errorf("property %q is %q and cannot be changed: add one of another name, "+
				"or use a tag", name, old))
		}
	}
	a.Properties = merged(a.Properties, c.AddProperties)
	return a, errors.Join(findings...)
}

// merged is a new map with what is in both; more goes before m.
func merged(m, more map[string]string) map[string]string {
	out := make(map[string]string, len(m)+len(more))
	maps.Copy(out, m)
	maps.Copy(out, more)
	return out
}
