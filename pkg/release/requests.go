// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"
)

// The requests for single objects are made here, because resource.Helper takes no
// context: a cluster that does not answer would hold who has given up.

// live reads an object from the cluster. Info.Get would also put what it reads
// in the place of what we want.
func live(ctx context.Context, object *resource.Info) (runtime.Object, error) {
	return aim(object, object.Client.Get()).Name(object.Name).Do(ctx).Get()
}

// tryPatch asks the API server what a patch would make of an object.
func tryPatch(ctx context.Context, object *resource.Info, kind types.PatchType, patch []byte) (runtime.Object, error) {
	o := metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: fieldManager}
	return aim(object, object.Client.Patch(kind)).Name(object.Name).
		VersionedParams(&o, metav1.ParameterCodec).Body(patch).Do(ctx).Get()
}

// aim sends a request to where objects of this kind are.
func aim(object *resource.Info, request *rest.Request) *rest.Request {
	scoped := object.Mapping.Scope.Name() == meta.RESTScopeNameNamespace
	return request.NamespaceIfScoped(object.Namespace, scoped).Resource(object.Mapping.Resource.Resource)
}
