// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"encoding/json"
	"fmt"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"
)

// leftovers adds to what an update starts from everything that the revisions
// since the one in force may have left in the cluster.
//
// Helm starts from the last good revision only. After one that failed and was
// kept, or was interrupted, objects it added would stay for ever, and so would
// fields it set on objects that were there before: a merge removes only what the
// old object has and the new one lacks. So the old object becomes the union of
// all that were sent.
func (g *gate) leftovers(original helmkube.ResourceList) (helmkube.ResourceList, error) {
	all := copies(original)
	if len(g.attempts) < 2 { // only the one in force: Helm has it
		return all, nil
	}
	for _, manifest := range g.attempts {
		objects, err := g.Build(strings.NewReader(manifest), false)
		if err != nil {
			return nil, fmt.Errorf("read the objects of an earlier revision: %w", err)
		}
		for _, object := range objects {
			known := all.Get(object)
			if known == nil {
				all.Append(object)
				continue
			}
			if err := unite(known, object); err != nil {
				return nil, fmt.Errorf("unite %s with an earlier revision: %w", object.ObjectName(), err)
			}
		}
	}
	return all, nil
}

// copies are infos of our own: Helm puts objects that are wanted and were there
// already into both lists, as the same pointer, and uniting must not change what
// is wanted.
func copies(list helmkube.ResourceList) helmkube.ResourceList {
	all := make(helmkube.ResourceList, 0, len(list))
	for _, info := range list {
		own := *info
		all = append(all, &own)
	}
	return all
}

// unite adds to an object what another revision of it has more.
func unite(into, from *resource.Info) error {
	a, err := json.Marshal(into.Object)
	if err != nil {
		return err
	}
	b, err := json.Marshal(from.Object)
	if err != nil {
		return err
	}
	typed := helmkube.AsVersioned(from)
	if _, unknown := typed.(runtime.Unstructured); unknown {
		a, err = uniteMaps(a, b)
	} else {
		a, err = strategicpatch.StrategicMergePatch(a, b, typed)
	}
	if err != nil {
		return err
	}
	united := &unstructured.Unstructured{}
	if err := united.UnmarshalJSON(a); err != nil {
		return err
	}
	into.Object = united
	return nil
}

func uniteMaps(a, b []byte) ([]byte, error) {
	var into, from map[string]any
	if err := json.Unmarshal(a, &into); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &from); err != nil {
		return nil, err
	}
	addMissing(into, from)
	return json.Marshal(into)
}

func addMissing(into, from map[string]any) {
	for key, value := range from {
		have, ok := into[key]
		if !ok {
			into[key] = value
			continue
		}
		a, isMap := have.(map[string]any)
		if b, both := value.(map[string]any); isMap && both {
			addMissing(a, b)
		}
	}
}
