// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// displacePorts makes an update take away the ports whose numbers somebody
// has changed by hand: see drift.Displaced. The infos of original must
// be our own: their objects are replaced.
func displacePorts(ctx context.Context, original, target helmkube.ResourceList) error {
	for _, wanted := range target {
		was := original.Get(wanted)
		if was == nil || !drift.HasPorts(wanted.Mapping.GroupVersionKind) {
			continue
		}
		there, err := live(ctx, wanted)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		var content [3]map[string]any
		for i, object := range []runtime.Object{was.Object, wanted.Object, there} {
			if content[i], err = runtime.DefaultUnstructuredConverter.ToUnstructured(object); err != nil {
				return err
			}
		}
		before := drift.Displaced(wanted.Mapping.GroupVersionKind, content[0], content[1], content[2])
		was.Object = &unstructured.Unstructured{Object: before}
	}
	return nil
}
