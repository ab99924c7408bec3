// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package drift

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// Patch returns the patch that Helm's upgrade would send to bring live from the
// object before to the object after: it sets what after says and live does not,
// and removes what before says and after does not. It is nil if there is nothing
// to send. Quantities and the like are compared as the API server writes them.
func Patch(kind schema.GroupVersionKind, before, after, live map[string]any) ([]byte, types.PatchType, error) {
	before = Displaced(kind, before, after, live)
	var raw [3][]byte
	for i, content := range []map[string]any{before, after, live} {
		var err error
		if raw[i], err = json.Marshal(canonical(kind, content)); err != nil {
			return nil, "", fmt.Errorf("compare %s: %w", kind.Kind, err)
		}
	}
	typed, err := scheme.Scheme.New(kind)
	if err != nil { // a kind that is merged without knowing its lists
		patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(raw[0], raw[1], raw[2])
		return unlessEmpty(patch), types.MergePatchType, err
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, "", fmt.Errorf("compare %s: %w", kind.Kind, err)
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(raw[0], raw[1], raw[2], meta, true)
	return unlessEmpty(patch), types.StrategicMergePatchType, err
}

func unlessEmpty(patch []byte) []byte {
	if string(patch) == "{}" || string(patch) == "null" {
		return nil
	}
	return patch
}

// canonical returns content with each value as the API server would write it:
// "1" for "1000m". Fields stay those of content, also where they are empty.
func canonical(kind schema.GroupVersionKind, content map[string]any) map[string]any {
	typed, err := scheme.Scheme.New(kind)
	if err != nil || content == nil {
		return content
	}
	converter := runtime.DefaultUnstructuredConverter
	if err := converter.FromUnstructured(content, typed); err != nil {
		return content // the server will say what is wrong with it
	}
	written, err := converter.ToUnstructured(typed)
	if err != nil {
		return content
	}
	return rewritten(content, written).(map[string]any)
}

func rewritten(content, written any) any {
	switch content := content.(type) {
	case map[string]any:
		values, ok := written.(map[string]any)
		if !ok {
			return content
		}
		next := make(map[string]any, len(content))
		for key, value := range content {
			next[key] = value
			if w, there := values[key]; there {
				next[key] = rewritten(value, w)
			}
		}
		return next
	case []any:
		values, ok := written.([]any)
		if !ok || len(values) != len(content) {
			return content
		}
		next := make([]any, len(content))
		for i := range content {
			next[i] = rewritten(content[i], values[i])
		}
		return next
	}
	return written
}
