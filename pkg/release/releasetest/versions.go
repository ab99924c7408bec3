// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package releasetest

import (
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

// versioned gives objects the resource versions and UIDs of an API server, with
// the conflicts they are for; client-go's fake accepts every write.
func versioned(clientset *fake.Clientset) *fake.Clientset {
	var mu sync.Mutex
	count := 0
	next := func() string { count++; return strconv.Itoa(count) }

	clientset.PrependReactor("create", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		object, err := meta.Accessor(a.(k8stesting.CreateAction).GetObject())
		if err != nil {
			return false, nil, err
		}
		object.SetResourceVersion(next())
		object.SetUID(types.UID("uid-" + object.GetResourceVersion()))
		return false, nil, nil
	})
	clientset.PrependReactor("update", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		update := a.(k8stesting.UpdateAction)
		object, err := meta.Accessor(update.GetObject())
		if err != nil {
			return false, nil, err
		}
		have, err := clientset.Tracker().Get(a.GetResource(), a.GetNamespace(), object.GetName())
		if err != nil {
			return true, nil, err
		}
		stored, err := meta.Accessor(have)
		if err != nil {
			return true, nil, err
		}
		if v := object.GetResourceVersion(); v != "" && v != stored.GetResourceVersion() {
			return true, nil, apierrors.NewConflict(a.GetResource().GroupResource(), object.GetName(), nil)
		}
		object.SetResourceVersion(next())
		err = clientset.Tracker().Update(a.GetResource(), update.GetObject(), a.GetNamespace())
		return true, update.GetObject(), err
	})
	clientset.PrependReactor("delete", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		action := a.(k8stesting.DeleteActionImpl)
		p := action.DeleteOptions.Preconditions
		have, err := clientset.Tracker().Get(a.GetResource(), a.GetNamespace(), action.Name)
		if err != nil || p == nil {
			return false, nil, nil
		}
		stored, err := meta.Accessor(have)
		if err != nil {
			return true, nil, err
		}
		if !matches(p, stored) {
			return true, nil, apierrors.NewConflict(a.GetResource().GroupResource(), action.Name, nil)
		}
		return false, nil, nil
	})
	return clientset
}

func matches(p *metav1.Preconditions, stored metav1.Object) bool {
	return (p.UID == nil || *p.UID == stored.GetUID()) &&
		(p.ResourceVersion == nil || *p.ResourceVersion == stored.GetResourceVersion())
}
