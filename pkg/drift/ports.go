// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Displaced returns before with those ports of a live Service that have to go for
// after to fit; before itself if there are none.
//
// A merge tells ports apart by their numbers. When somebody has changed a number,
// it would leave that port and add the right one beside it, with the same name:
// the API server refuses that, also when a rollback asks for it.
func Displaced(kind schema.GroupVersionKind, before, after, live map[string]any) map[string]any {
	if kind.Group != "" || kind.Kind != "Service" || before == nil {
		return before
	}
	was, wanted := portsOf(before), portsOf(after)
	var displaced []any
	for _, port := range portsOf(live) {
		if !has(was, port, "port") && !has(wanted, port, "port") && has(wanted, port, "name") {
			displaced = append(displaced, port)
		}
	}
	if len(displaced) == 0 {
		return before
	}
	next := runtime.DeepCopyJSON(before)
	spec, _ := next["spec"].(map[string]any)
	spec["ports"] = append(portsOf(next), runtime.DeepCopyJSONValue(displaced).([]any)...)
	return next
}

func portsOf(service map[string]any) []any {
	ports, _ := at(service, []string{"spec", "ports"}).([]any)
	return ports
}

// has tells whether one of the ports has the same value as another in a field.
func has(ports []any, other any, field string) bool {
	b, _ := other.(map[string]any)
	return slices.ContainsFunc(ports, func(port any) bool {
		a, _ := port.(map[string]any)
		return reflect.DeepEqual(a[field], b[field])
	})
}
