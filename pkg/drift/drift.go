// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package drift tells how the objects of an endpoint differ from what its
// revision says, and what a proposed revision would change. It is given the
// objects and asks nothing of anybody.
//
// Only what a manifest sets counts: defaults, status and what controllers add
// are nobody's difference, but for a few fields that decide what runs (see
// additions).
package drift

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is one object of an endpoint in the states that are compared. A state
// is nil where the object is not there.
type Object struct {
	Kind schema.GroupVersionKind
	Name string
	// Revision is the object as the revision in force says, Live as the cluster
	// has it.
	Revision, Live map[string]any
	// Restored is Live after the revision in force was applied to it once more:
	// where the two differ, somebody else changed what the revision sets.
	Restored map[string]any
	// Proposed is Live after the proposed revision.
	Proposed map[string]any
}

// ID names the object as Kind/name.
func (o Object) ID() string { return o.Kind.Kind + "/" + o.Name }

// Sort puts objects in the order in which they are told.
func Sort(objects []Object) {
	slices.SortFunc(objects, func(a, b Object) int { return cmp.Compare(a.ID(), b.ID()) })
}

// stray tells whether the object is of the endpoint only by its labels.
func (o Object) stray() bool { return o.Revision == nil && o.Proposed == nil && o.Live != nil }

// clean returns o without what only the server writes, and without secrets.
func (o Object) clean() Object {
	o.Revision, o.Live = stripped(o.Revision), stripped(o.Live)
	o.Restored, o.Proposed = stripped(o.Restored), stripped(o.Proposed)
	o.mask()
	return o
}

// stripped is content without the fields that no manifest sets.
func stripped(content map[string]any) map[string]any {
	if content == nil {
		return nil
	}
	content = runtime.DeepCopyJSON(content)
	for _, field := range [][]string{
		{"status"}, {"metadata", "managedFields"}, {"metadata", "resourceVersion"}, {"metadata", "uid"},
		{"metadata", "generation"}, {"metadata", "creationTimestamp"}, {"metadata", "selfLink"},
		{"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"},
		{"metadata", "annotations", "deployment.kubernetes.io/revision"},
	} {
		unstructured.RemoveNestedField(content, field...)
	}
	return content
}
