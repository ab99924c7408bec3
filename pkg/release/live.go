// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"sync"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// liveObjects are the objects of an endpoint as the cluster has them.
type liveObjects struct {
	mu sync.Mutex
	// found are the objects by kind and name; what is taken is out.
	found map[objectKey]map[string]any
}

type objectKey struct {
	kind schema.GroupVersionKind
	name string
}

func keyOf(info *resource.Info) objectKey { return objectKey{info.Mapping.GroupVersionKind, info.Name} }

// live reads the objects of the kinds that infos have: with one list for each
// kind, by the endpoint's labels, and one by one those that are not in it.
func (s *session) live(ctx context.Context, infos helmkube.ResourceList) (*liveObjects, error) {
	l := &liveObjects{found: map[objectKey]map[string]any{}}
	kinds := map[schema.GroupVersionKind]*resource.Info{}
	for _, info := range infos {
		kinds[info.Mapping.GroupVersionKind] = info
	}
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for _, info := range kinds {
		work.Go(func() error { return l.list(workCtx, info, s.name) })
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	work, workCtx = errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for _, info := range l.missing(infos) {
		work.Go(func() error { return l.get(workCtx, info) })
	}
	return l, work.Wait()
}

// missing are those that no list had.
func (l *liveObjects) missing(infos helmkube.ResourceList) helmkube.ResourceList {
	return infos.Filter(func(info *resource.Info) bool {
		_, ok := l.found[keyOf(info)]
		return !ok
	})
}

// list reads the objects of one kind. Who may not list may still get.
func (l *liveObjects) list(ctx context.Context, info *resource.Info, endpoint string) error {
	selector := labels.Set{"app.kubernetes.io/name": chartName, "app.kubernetes.io/instance": endpoint}
	list, err := aim(info, info.Client.Get()).
		VersionedParams(&metav1.ListOptions{LabelSelector: selector.String()}, metav1.ParameterCodec).Do(ctx).Get()
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return meta.EachListItem(list, func(object runtime.Object) error {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err == nil {
			item := unstructured.Unstructured{Object: content}
			item.SetGroupVersionKind(info.Mapping.GroupVersionKind) // typed lists leave it out
			l.add(objectKey{info.Mapping.GroupVersionKind, item.GetName()}, content)
		}
		return err
	})
}

func (l *liveObjects) get(ctx context.Context, info *resource.Info) error {
	object, err := live(ctx, info)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err == nil {
		l.add(keyOf(info), content)
	}
	return err
}

func (l *liveObjects) add(key objectKey, content map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found[key] = content
}

// take returns an object, nil if it is not there, and leaves the others.
func (l *liveObjects) take(info *resource.Info) map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	content := l.found[keyOf(info)]
	delete(l.found, keyOf(info))
	return content
}

// strays are the objects that nobody took. What a controller made for another
// object, and what is on its way out, are none.
func (l *liveObjects) strays() []drift.Object {
	var strays []drift.Object
	for key, content := range l.found {
		item := unstructured.Unstructured{Object: content}
		if metav1.GetControllerOf(&item) == nil && item.GetDeletionTimestamp() == nil {
			strays = append(strays, drift.Object{Kind: key.kind, Name: key.name, Live: content})
		}
	}
	return strays
}
