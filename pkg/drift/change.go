// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Change is one thing that somebody changed past the revisions.
type Change struct {
	// Object is it as Kind/name, Field the path in it; empty for all of it.
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	// Revision is the value that the revision sets, Live the one there is.
	Revision any `json:"revision,omitempty"`
	Live     any `json:"live,omitempty"`
	// Kept says that applying the revision again would leave it.
	Kept bool `json:"kept"`
	// Message is a clause on what was changed, Then one on what becomes of it.
	Message string `json:"message"`
	Then    string `json:"then"`
}

// String is both clauses.
func (c Change) String() string { return c.Message + ": " + c.Then }

// ByHand returns what was changed in the objects past revision, by object and
// field. What becomes of it is told for the proposed states if proposed is set,
// else for a deploy that means to change none of it.
func ByHand(objects []Object, revision int, proposed bool) []Change {
	objects = slices.Clone(objects)
	Sort(objects)
	var all []Change
	for _, o := range objects {
		t := teller{Object: o.clean(), revision: fmt.Sprintf("revision %d", revision), proposed: proposed}
		all = append(all, t.changes()...)
	}
	return all
}

// Lost tells whether applying the revision again would change anything.
func Lost(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return !c.Kept })
}

// teller puts the changes of one object into words.
type teller struct {
	Object
	revision string
	proposed bool
}

func (t teller) changes() []Change {
	switch {
	case t.Live == nil && t.Revision != nil:
		return []Change{t.gone()}
	case t.Live == nil:
		return nil
	case t.Revision == nil:
		return t.unknown()
	}
	var all []Change
	for _, f := range fieldsBetween(t.Live, t.Restored) {
		all = append(all, t.changed(f))
	}
	for _, f := range t.additions() {
		all = append(all, t.added(f))
	}
	return all
}

// subject names the object in a sentence.
func (t teller) subject() string { return strings.ToLower(t.Kind.Kind) + " " + t.Name }

func (t teller) gone() Change {
	c := Change{Object: t.ID(), Message: t.subject() + " is gone, which " + t.revision + " has"}
	switch {
	case !t.proposed:
		c.Then = "the next deploy makes it again"
	case t.Proposed != nil:
		c.Then = "it is made again"
	default:
		c.Then = "it is not made again"
	}
	return c
}

// unknown is for an object that the revision does not have. One that the
// proposed revision brings would be refused, or is of an earlier attempt.
func (t teller) unknown() []Change {
	if !t.stray() {
		return nil
	}
	c := Change{Object: t.ID(), Kept: true, Then: "deploys leave it"}
	if t.proposed {
		c.Then = "it stays"
	}
	c.Message = t.subject() + " is not in " + t.revision
	if version := versionOf(t.Live); version != "" {
		c.Message = fmt.Sprintf("%s is of version %s, which %s does not have", t.subject(), version, t.revision)
	}
	return []Change{c}
}

func (t teller) changed(f field) Change {
	c := Change{Object: t.ID(), Field: f.name(), Live: f.from, Revision: f.to}
	c.Message = t.subject() + " " + t.differs(f)
	c.Then = t.then(f, "the next deploy sets it back", "it is set back")
	return c
}

func (t teller) differs(f field) string {
	name := short(f.name())
	from, fromOK := brief(f.from)
	to, toOK := brief(f.to)
	switch {
	case name == "replicas" && fromOK && toOK:
		return fmt.Sprintf("has %s where %s says %s", replicas(from), t.revision, to)
	case f.from == nil && toOK:
		return fmt.Sprintf("has no %s where %s says %s", name, t.revision, to)
	case f.from == nil:
		return fmt.Sprintf("has no %s, which %s sets", name, t.revision)
	case f.to == nil:
		return fmt.Sprintf("has %s, which %s does not set", name, t.revision)
	case fromOK && toOK:
		return fmt.Sprintf("has %s %s where %s says %s", name, from, t.revision, to)
	}
	return fmt.Sprintf("has another %s than %s", name, t.revision)
}

func (t teller) added(f field) Change {
	c := Change{Object: t.ID(), Field: f.name(), Live: f.from, Kept: true}
	c.Message = fmt.Sprintf("%s has %s, which %s does not set", t.subject(), short(f.name()), t.revision)
	if f.name() == "spec.paused" {
		c.Message = t.subject() + " is paused: no new pods come"
	}
	c.Then = t.then(f, "deploys leave it", "it stays")
	return c
}

// then is what becomes of a field: in general, or in the proposed state.
func (t teller) then(f field, general, as string) string {
	if !t.proposed {
		return general
	}
	if t.Proposed == nil {
		return "the object goes"
	}
	next := at(t.Proposed, f.path)
	text, ok := brief(next)
	switch {
	case reflect.DeepEqual(next, f.to) && !reflect.DeepEqual(f.from, f.to) && f.to != nil:
		return as
	case reflect.DeepEqual(next, f.from):
		return "it stays"
	case next == nil:
		return "it is removed"
	case ok:
		return "it becomes " + text
	}
	return "it changes"
}

// short leaves out where in a Deployment pods are described.
func short(name string) string {
	for _, prefix := range []string{"spec.template.spec.", "spec."} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}

// maxBrief is how long a value may be to stand in a sentence.
const maxBrief = 80

// brief writes a plain value; false if it is not plain, too long, or masked.
func brief(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		plain := value != "" && len(value) <= maxBrief && !strings.Contains(value, "\n")
		return value, plain && !strings.HasPrefix(value, Hidden)
	case int64, float64, bool:
		return fmt.Sprint(value), true
	}
	return "", false
}

func replicas(n string) string {
	if n == "1" {
		return "1 replica"
	}
	return n + " replicas"
}

// The labels that say what of the endpoint an object is.
const (
	versionLabel   = "kubectl-aml/version"
	componentLabel = "app.kubernetes.io/component"
)

func versionOf(content map[string]any) string { return label(content, versionLabel) }

func label(content map[string]any, key string) string {
	text, _ := at(content, []string{"metadata", "labels", key}).(string)
	return text
}
