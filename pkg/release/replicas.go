// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"
)

// leaveReplicas makes an update leave the replicas of a Deployment as they are
// where the new one does not name them, because an autoscaler does. Else the
// merge would send "replicas: null", which the API server takes for 1: turning
// autoscaling on would stop all pods but one for a moment
// (https://github.com/helm/helm/issues/12650). The infos of original must be
// our own: their objects are replaced.
func leaveReplicas(original, target helmkube.ResourceList) error {
	for _, was := range original {
		wanted := target.Get(was)
		if wanted == nil || was.Mapping.GroupVersionKind.Kind != "Deployment" {
			continue
		}
		if named, err := namesReplicas(wanted); err != nil || named {
			if err != nil {
				return err
			}
			continue
		}
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(was.Object)
		if err != nil {
			return err
		}
		if atZero(object) {
			continue
		}
		kept := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
		unstructured.RemoveNestedField(kept.Object, "spec", "replicas")
		was.Object = kept
	}
	return nil
}

// atZero tells whether a Deployment was to have no replica. It then needs the 1
// that the API server puts in: an autoscaler leaves one with 0 alone.
func atZero(object map[string]any) bool {
	switch n, _, _ := unstructured.NestedFieldNoCopy(object, "spec", "replicas"); n := n.(type) {
	case int64:
		return n == 0
	case float64:
		return n == 0
	}
	return false
}

func namesReplicas(info *resource.Info) (bool, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
	if err != nil {
		return false, err
	}
	_, named, err := unstructured.NestedFieldNoCopy(object, "spec", "replicas")
	return named, err
}
