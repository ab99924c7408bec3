// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package releasetest is a cluster in memory, for tests of what installs releases.
//
// Objects are created, merged three ways and deleted as Helm's client does it,
// but nothing runs: no pod is ever made. Records and Leases are in a fake
// clientset, with the conflicts a real API server answers; see also Records.
package releasetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes/fake"
	restfake "k8s.io/client-go/rest/fake"
)

// Cluster is Helm's client (kube.Interface) on objects in memory, and a fake
// clientset beside it. The zero value is not usable; see New.
type Cluster struct {
	// Clientset holds Leases, and Secrets: also those of the records, but for who
	// keeps them in Records.
	Clientset *fake.Clientset
	// Namespace is where objects without one go.
	Namespace string
	// Refuse is asked before each write with verb create, update or delete, and
	// before each dry run of a patch with try, and the object as Kind/name. An error is what the API server answers. Nil
	// lets everything through.
	Refuse func(verb, object string) error
	// Linger names objects that are only marked when they are deleted, as if a
	// finalizer or their pods held them, until Remove.
	Linger map[string]bool
	// Hook is called when Helm waits for a hook to be done. Nil: it is done at once.
	Hook func() error
	// Unreachable is what IsReachable answers.
	Unreachable error

	mu      sync.Mutex
	objects map[string]*unstructured.Unstructured
	// records are those of Records, by NAMESPACE/KEY.
	records map[string]record
}

// New returns an empty cluster.
func New(namespace string) *Cluster {
	return &Cluster{
		// Its successor, for who applies, goes through all kinds there are at each write.
		Clientset: versioned(fake.NewSimpleClientset()),
		Namespace: namespace,
		objects:   map[string]*unstructured.Unstructured{},
		records:   map[string]record{},
	}
}

// Names returns the objects of releases as Kind/name, sorted.
func (c *Cluster) Names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.objects))
}

// Object returns a copy of an object named as Kind/name; nil if there is none.
func (c *Cluster) Object(name string) *unstructured.Unstructured {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[name].DeepCopy()
}

// Put sets an object, as somebody else would.
func (c *Cluster) Put(o *unstructured.Unstructured) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects[key(o)] = o.DeepCopy()
}

// Remove deletes an object named as Kind/name, as somebody else would.
func (c *Cluster) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.objects, name)
}

func key(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

// IsReachable answers Unreachable.
func (c *Cluster) IsReachable() error { return c.Unreachable }

// Build reads objects from YAML documents.
func (c *Cluster) Build(r io.Reader, _ bool) (helmkube.ResourceList, error) {
	var list helmkube.ResourceList
	for decoder := yaml.NewYAMLOrJSONDecoder(r, 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		if len(object.Object) == 0 {
			continue
		}
		if object.GetNamespace() == "" {
			object.SetNamespace(c.Namespace)
		}
		list.Append(c.info(object))
	}
}

func (c *Cluster) info(o *unstructured.Unstructured) *resource.Info {
	gvk := o.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return &resource.Info{
		Name: o.GetName(), Namespace: o.GetNamespace(), Object: o,
		Mapping: &meta.RESTMapping{Resource: plural, GroupVersionKind: gvk, Scope: meta.RESTScopeNamespace},
		Client: &restfake.RESTClient{
			NegotiatedSerializer: resource.UnstructuredPlusDefaultContentConfig().NegotiatedSerializer,
			GroupVersion:         gvk.GroupVersion(),
			VersionedAPIPath:     "/" + gvk.Kind,
			Client:               restfake.CreateHTTPClient(c.answer),
		},
	}
}

func (c *Cluster) refused(verb, object string) error {
	if c.Refuse == nil {
		return nil
	}
	return c.Refuse(verb, object)
}

// Create adds the objects.
func (c *Cluster) Create(list helmkube.ResourceList) (*helmkube.Result, error) {
	for _, info := range list {
		if err := c.create(info); err != nil {
			return nil, err
		}
	}
	return &helmkube.Result{Created: list}, nil
}

func (c *Cluster) create(info *resource.Info) error {
	object := info.Object.(*unstructured.Unstructured)
	if err := c.refused("create", key(object)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.objects[key(object)] != nil {
		return fmt.Errorf("%s already exists", key(object))
	}
	c.objects[key(object)] = object.DeepCopy()
	return nil
}

// Update merges as UpdateThreeWayMerge.
func (c *Cluster) Update(original, target helmkube.ResourceList, force bool) (*helmkube.Result, error) {
	return c.UpdateThreeWayMerge(original, target, force)
}

// UpdateThreeWayMerge creates, merges and deletes until the cluster has target.
func (c *Cluster) UpdateThreeWayMerge(original, target helmkube.ResourceList, _ bool) (*helmkube.Result, error) {
	result := &helmkube.Result{}
	for _, info := range target {
		object := info.Object.(*unstructured.Unstructured)
		live := c.Object(key(object))
		if live == nil {
			result.Created.Append(info)
			if err := c.create(info); err != nil {
				return result, err
			}
			continue
		}
		result.Updated.Append(info)
		if err := c.refused("update", key(object)); err != nil {
			return result, err
		}
		old := live
		if o := original.Get(info); o != nil {
			old = o.Object.(*unstructured.Unstructured)
		}
		merged, err := merge(info, old, object, live)
		if err != nil {
			return result, err
		}
		c.Put(merged)
	}
	gone, errs := c.Delete(original.Difference(target))
	if len(errs) == 0 { // Helm only logs these
		result.Deleted = gone.Deleted
	}
	return result, nil
}

func merge(info *resource.Info, old, target, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var raw [3][]byte
	for i, o := range []*unstructured.Unstructured{old, target, live} {
		var err error
		if raw[i], err = o.MarshalJSON(); err != nil {
			return nil, err
		}
	}
	merged, err := patched(info, raw[0], raw[1], raw[2])
	if err != nil {
		return nil, err
	}
	result := &unstructured.Unstructured{}
	return result, result.UnmarshalJSON(merged)
}

func patched(info *resource.Info, old, target, live []byte) ([]byte, error) {
	typed := helmkube.AsVersioned(info)
	if _, unknown := typed.(*unstructured.Unstructured); unknown {
		patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(old, target, live)
		if err != nil {
			return nil, err
		}
		return mergePatch(live, patch)
	}
	kind, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, err
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(old, target, live, kind, true)
	if err != nil {
		return nil, err
	}
	return strategicpatch.StrategicMergePatch(live, patch, typed)
}

func mergePatch(live, patch []byte) ([]byte, error) {
	var into, from map[string]any
	if err := json.Unmarshal(live, &into); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(patch, &from); err != nil {
		return nil, err
	}
	return json.Marshal(mergeMaps(into, from))
}

func mergeMaps(into, from map[string]any) map[string]any {
	if into == nil {
		into = map[string]any{}
	}
	for k, v := range from {
		switch v := v.(type) {
		case nil:
			delete(into, k)
		case map[string]any:
			have, _ := into[k].(map[string]any)
			into[k] = mergeMaps(have, v)
		default:
			into[k] = v
		}
	}
	return into
}

// Delete removes the objects.
func (c *Cluster) Delete(list helmkube.ResourceList) (*helmkube.Result, []error) {
	var errs []error
	for _, info := range list {
		name := info.Object.GetObjectKind().GroupVersionKind().Kind + "/" + info.Name
		if err := c.refused("delete", name); err != nil {
			errs = append(errs, err)
			continue
		}
		if live := c.Object(name); live != nil && c.Linger[name] {
			live.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(0, 0)})
			c.Put(live)
			continue
		}
		c.Remove(name)
	}
	if errs != nil {
		return nil, errs
	}
	return &helmkube.Result{Deleted: list}, nil
}

// Wait returns at once.
func (c *Cluster) Wait(helmkube.ResourceList, time.Duration) error { return nil }

// WaitWithJobs returns at once.
func (c *Cluster) WaitWithJobs(helmkube.ResourceList, time.Duration) error { return nil }

// WatchUntilReady asks Hook.
func (c *Cluster) WatchUntilReady(helmkube.ResourceList, time.Duration) error {
	if c.Hook == nil {
		return nil
	}
	return c.Hook()
}

// WaitAndGetCompletedPodPhase says that the pod succeeded.
func (c *Cluster) WaitAndGetCompletedPodPhase(string, time.Duration) (corev1.PodPhase, error) {
	return corev1.PodSucceeded, nil
}

var _ helmkube.Interface = (*Cluster)(nil)
var _ helmkube.InterfaceThreeWayMerge = (*Cluster)(nil)
