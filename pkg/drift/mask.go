// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"reflect"
	"slices"
	"strconv"
)

// mask puts a mark in the place of what may be secret: the values of a Secret
// and those of environment variables, but for the numbers that the chart gives
// the limiter. One value in all states has the plain mark; of several, each has
// its own, so that a reader sees whether two differ and no more.
func (o Object) mask() {
	secrets := map[string]*secret{}
	for _, state := range []map[string]any{o.Revision, o.Live, o.Restored, o.Proposed} {
		if o.Kind.Kind == "Secret" {
			for _, field := range []string{"data", "stringData"} {
				values, _ := state[field].(map[string]any)
				for key := range values {
					note(secrets, field+"."+key, values, key)
				}
			}
		}
		for _, list := range []string{"initContainers", "containers"} {
			o.noteVariables(secrets, state, list)
		}
	}
	for _, s := range secrets {
		s.mask()
	}
}

func (o Object) noteVariables(secrets map[string]*secret, state map[string]any, list string) {
	path := []string{"spec", "template", "spec", list}
	containers, _ := at(state, path).([]any)
	for _, element := range containers {
		container, _ := element.(map[string]any)
		variables, _ := container["env"].([]any)
		for _, element := range variables {
			variable, ok := element.(map[string]any)
			known := list == "initContainers" && o.manifest(append(path, nameOf(container), "env", nameOf(variable))) != nil
			if ok && variable["value"] != nil && !known {
				note(secrets, list+nameOf(container)+nameOf(variable), variable, "value")
			}
		}
	}
}

// manifest is what the chart has at a path.
func (o Object) manifest(path []string) any {
	if o.Revision != nil {
		return at(o.Revision, path)
	}
	return at(o.Proposed, path)
}

// secret is one value in all states of an object.
type secret struct{ places []place }

// Hidden stands in the place of a value that may be secret.
const Hidden = "***"

// place is where a value stands.
type place struct {
	in  map[string]any
	key string
}

func note(secrets map[string]*secret, name string, in map[string]any, key string) {
	if secrets[name] == nil {
		secrets[name] = &secret{}
	}
	secrets[name].places = append(secrets[name].places, place{in, key})
}

func (s *secret) mask() {
	var seen []any
	for _, p := range s.places {
		if !slices.ContainsFunc(seen, func(v any) bool { return reflect.DeepEqual(v, p.in[p.key]) }) {
			seen = append(seen, p.in[p.key])
		}
	}
	for _, p := range s.places {
		text := Hidden
		if len(seen) > 1 {
			i := slices.IndexFunc(seen, func(v any) bool { return reflect.DeepEqual(v, p.in[p.key]) })
			text += " (" + strconv.Itoa(i+1) + ")"
		}
		p.in[p.key] = text
	}
}
