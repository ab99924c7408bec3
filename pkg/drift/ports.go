// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Displaced returns before with those ports of a live Service or Deployment that
// have to go for after to fit; before itself for other kinds.
//
// A merge tells ports apart by their numbers. When somebody has changed a number,
// it would leave that port and add the right one beside it, with the same name:
// the API server refuses that, also when a rollback asks for it.
func Displaced(kind schema.GroupVersionKind, before, after, live map[string]any) map[string]any {
	if before == nil || !HasPorts(kind) {
		return before
	}
	next := runtime.DeepCopyJSON(before)
	if kind.Kind == "Service" {
		displace("port", specOf(next), specOf(after), specOf(live))
		return next
	}
	for _, list := range []string{"initContainers", "containers"} {
		path := []string{"spec", "template", "spec", list}
		wanted, there := entries(at(after, path)), entries(at(live, path))
		for name, container := range entries(at(next, path)) {
			displace("containerPort", object(container), object(wanted[name]), object(there[name]))
		}
	}
	return next
}

// HasPorts tells whether Displaced is about objects of this kind.
func HasPorts(kind schema.GroupVersionKind) bool {
	return kind.Group == "" && kind.Kind == "Service" || kind.Group == "apps" && kind.Kind == "Deployment"
}

func specOf(content map[string]any) map[string]any { return object(content["spec"]) }

func object(value any) map[string]any {
	content, _ := value.(map[string]any)
	return content
}

// displace adds to the ports of before those that live has by another number,
// which is the field, than after has them by.
func displace(number string, before, after, live map[string]any) {
	was, _ := before["ports"].([]any)
	wanted, _ := after["ports"].([]any)
	there, _ := live["ports"].([]any)
	for _, port := range there {
		if !has(was, port, number) && !has(wanted, port, number) && has(wanted, port, "name") {
			before["ports"] = append(slices.Clone(was), runtime.DeepCopyJSONValue(port))
			was, _ = before["ports"].([]any)
		}
	}
}

// has tells whether one of the ports has the same value as another in a field.
func has(ports []any, other any, field string) bool {
	return slices.ContainsFunc(ports, func(port any) bool {
		return reflect.DeepEqual(object(port)[field], object(other)[field])
	})
}
