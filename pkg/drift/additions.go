// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"maps"
	"slices"
)

// additions are the fields that no revision sets, that the server does not fill
// in, and that decide what runs and where requests go. A merge leaves them.
func (o Object) additions() []field {
	if o.Revision == nil || o.Live == nil {
		return nil
	}
	switch o.Kind.Kind {
	case "Deployment":
		return slices.Concat(o.paused(), o.extra("spec", "template", "spec", "nodeSelector"),
			o.extra("spec", "template", "spec", "volumes"), o.containers("initContainers"), o.containers("containers"))
	case "Service":
		return o.extra("spec", "selector")
	}
	return nil
}

// paused is a rollout that somebody stopped.
func (o Object) paused() []field {
	path := []string{"spec", "paused"}
	if at(o.Live, path) != true || at(o.Revision, path) != nil {
		return nil
	}
	return []field{{path: path, from: true}}
}

// extra are the entries of a map, or of a list of named elements, that only the
// live object has.
func (o Object) extra(path ...string) []field {
	live, revision := entries(at(o.Live, path)), entries(at(o.Revision, path))
	var found []field
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if _, known := revision[key]; !known {
			found = append(found, field{path: append(slices.Clone(path), key), from: live[key]})
		}
	}
	return found
}

func (o Object) containers(list string) []field {
	path := []string{"spec", "template", "spec", list}
	found := o.extra(path...)
	for _, name := range slices.Sorted(maps.Keys(entries(at(o.Revision, path)))) {
		found = append(found, o.extra(append(slices.Clone(path), name, "env")...)...)
	}
	return found
}

func entries(value any) map[string]any {
	if m, ok := value.(map[string]any); ok {
		return m
	}
	named, _ := byName(value)
	return named
}
