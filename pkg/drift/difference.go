// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"
)

// Action is what a proposed revision does to an object.
type Action string

// The actions.
const (
	Created Action = "created"
	Changed Action = "changed"
	Deleted Action = "deleted"
	// Left is for an object that was changed by hand and stays as it is.
	Left Action = "left"
)

// Difference is one object on which the cluster and the proposed revision, or
// the cluster and the revision in force, do not agree.
type Difference struct {
	Object string `json:"object"`
	Action Action `json:"action"`
	// ByHand says that somebody changed it past the revision in force.
	ByHand bool `json:"byHand"`
	// Diff is the unified diff from what is live to what is proposed; empty if
	// the object stays as it is.
	Diff string `json:"diff,omitempty"`
}

// Differences returns the objects that a proposed revision changes and those
// that were changed by hand, by name. The values of Secrets are not in it.
func Differences(objects []Object, revision int) ([]Difference, error) {
	objects = slices.Clone(objects)
	Sort(objects)
	var all []Difference
	for _, o := range objects {
		byHand := len(ByHand([]Object{o}, revision, true)) > 0
		o = o.clean()
		if o.stray() {
			o.Proposed = o.Live
		}
		same := reflect.DeepEqual(o.Live, o.Proposed)
		if same && !byHand {
			continue
		}
		text, err := o.unified()
		if err != nil {
			return nil, fmt.Errorf("write %s as YAML: %w", o.ID(), err)
		}
		all = append(all, Difference{Object: o.ID(), Action: o.action(same), ByHand: byHand, Diff: text})
	}
	return all, nil
}

func (o Object) action(same bool) Action {
	switch {
	case same:
		return Left
	case o.Live == nil:
		return Created
	case o.Proposed == nil:
		return Deleted
	}
	return Changed
}

// unified leaves out white space at the end of lines, because YAML would write
// whole files in one quoted line for it; unless nothing else differs.
func (o Object) unified() (string, error) {
	for _, form := range []func(any) any{trimmed, func(v any) any { return v }} {
		live, err := written(form, o.Live)
		if err != nil {
			return "", err
		}
		proposed, err := written(form, o.Proposed)
		if err != nil {
			return "", err
		}
		if text := udiff.Unified("live", "proposed", live, proposed); text != "" {
			return text, nil
		}
	}
	return "", nil
}

func written(form func(any) any, content map[string]any) (string, error) {
	if content == nil {
		return "", nil
	}
	text, err := yaml.Marshal(form(content))
	return string(text), err
}

func trimmed(value any) any {
	switch value := value.(type) {
	case map[string]any:
		next := make(map[string]any, len(value))
		for key, v := range value {
			next[key] = trimmed(v)
		}
		return next
	case []any:
		next := make([]any, len(value))
		for i, v := range value {
			next[i] = trimmed(v)
		}
		return next
	case string:
		lines := strings.Split(value, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \t")
		}
		return strings.Join(lines, "\n")
	}
	return value
}

// Restarts tells which pods a proposed revision replaces and why, a sentence
// for each Deployment; and which versions get another number of replicas.
func Restarts(objects []Object) []string {
	objects = slices.Clone(objects)
	Sort(objects)
	var restarts, scales []string
	for _, o := range objects {
		if o.Kind.Kind != "Deployment" || o.Live == nil || o.Proposed == nil {
			continue
		}
		o = o.clean()
		if reasons := o.template(); len(reasons) > 0 {
			restarts = append(restarts, fmt.Sprintf("the pods of %s are replaced (%s)", o.part(), strings.Join(reasons, ", ")))
		}
		replicas := []string{"spec", "replicas"}
		from, _ := brief(at(o.Live, replicas))
		to, _ := brief(at(o.Proposed, replicas))
		if from != to && to != "" {
			scales = append(scales, fmt.Sprintf("%s goes from %s to %s replicas", o.part(), from, to))
		}
	}
	if len(restarts) == 0 {
		restarts = []string{"no pod restarts"}
	}
	return slices.Concat(scales, restarts)
}

// part is what of the endpoint a Deployment is.
func (o Object) part() string {
	if version := versionOf(o.Live); version != "" {
		return "version " + version
	}
	if label(o.Live, componentLabel) == "router" {
		return "the router"
	}
	return "deployment " + o.Name
}

// template are the parts of the pod template that change.
func (o Object) template() []string {
	path := []string{"spec", "template"}
	var reasons []string
	for _, f := range fieldsBetween(at(o.Live, path), at(o.Proposed, path)) {
		if reason := f.reason(); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// reason is the part of a pod that a field is of, as one word.
func (f field) reason() string {
	var words []string
	for _, step := range f.path {
		if !strings.HasPrefix(step, "[") && step != "spec" && step != "containers" && step != "initContainers" {
			words = append(words, step)
		}
	}
	switch {
	case len(words) == 0:
		return "containers"
	case words[0] == "metadata" && len(words) > 1:
		return words[1]
	}
	return words[0]
}
