// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Changes returns what is different in after: what endpoint.Changes tells, and
// then the values that an endpoint does not model, such as router.image or the
// tolerations of a version, by their paths. Of a version that came or went
// nothing else is told. Restarts of limiter values and of imagePullSecrets are
// those of all versions.
func Changes(before, after Values) ([]endpoint.Change, error) {
	all := endpoint.Changes(before.Endpoint(""), after.Endpoint(""))
	if len(before.Versions) == 0 {
		return all, nil
	}
	b, err := before.unmodelled(after)
	if err != nil {
		return nil, err
	}
	a, err := after.unmodelled(before)
	if err != nil {
		return nil, err
	}
	paths := maps.Clone(b)
	maps.Copy(paths, a)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if b[path] != a[path] {
			all = append(all, change(path, b[path], a[path]))
		}
	}
	return all, nil
}

func change(path, before, after string) endpoint.Change {
	c := endpoint.Change{Field: path, Before: before, After: after, Action: endpoint.Changed,
		Restarts: inPods(path)}
	if rest, ok := strings.CutPrefix(path, "versions."); ok {
		c.Version, c.Field, _ = strings.Cut(rest, ".")
	}
	switch {
	case before == "":
		c.Action = endpoint.Added
	case after == "":
		c.Action = endpoint.Removed
	}
	return c
}

// inPods tells whether a value that an endpoint does not model is in the
// template of pods.
func inPods(path string) bool {
	for _, parent := range []string{"versions", "limiter", "imagePullSecrets", "router.image", "router.resources",
		"routing.mode"} {
		if path == parent || strings.HasPrefix(path, parent+".") {
			return true
		}
	}
	return false
}

// unmodelled are the values that an endpoint does not model, as paths and JSON.
// Of versions there are only those that other has too.
func (v Values) unmodelled(other Values) (map[string]string, error) {
	same := endpoint.Endpoint{Versions: map[string]endpoint.Version{}}
	for name := range v.Versions {
		if _, ok := other.Versions[name]; ok {
			same.Versions[name] = endpoint.Version{}
		}
	}
	rest := v.With(same, VersionValues{})
	for name, version := range rest.Versions {
		given := v.Versions[name].Resources
		version.Resources = ResourceValues{Requests: others(given.Requests), Limits: others(given.Limits)}
		rest.Versions[name] = version
	}
	tree, err := rest.Map()
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	return paths, flatten(tree, "", paths)
}

// others are the amounts that endpoint.Resources has no field for.
func others(amounts map[string]string) map[string]string {
	rest := maps.Clone(amounts)
	delete(rest, "cpu")
	delete(rest, "memory")
	return rest
}

// flatten writes the leaves of a tree below path into paths. What is empty is
// as good as absent.
func flatten(tree map[string]any, path string, paths map[string]string) error {
	for key, value := range tree {
		at := path + key
		if below, ok := value.(map[string]any); ok {
			if err := flatten(below, at+".", paths); err != nil {
				return err
			}
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if empty := string(text); empty == "null" || empty == "[]" || empty == `""` {
			continue
		}
		paths[at] = strings.Trim(string(text), `"`)
	}
	return nil
}
