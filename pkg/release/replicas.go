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
		kept := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
		unstructured.RemoveNestedField(kept.Object, "spec", "replicas")
		was.Object = kept
	}
	return nil
}

func namesReplicas(info *resource.Info) (bool, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
	if err != nil {
		return false, err
	}
	_, named, err := unstructured.NestedFieldNoCopy(object, "spec", "replicas")
	return named, err
}
