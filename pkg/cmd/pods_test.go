// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
)

// pods has the world's Deployments run: all their pods are ready at once, unless
// their version rests, and one router runs what the ConfigMap holds.
type pods struct {
	w  *world
	mu sync.Mutex
	// starting are the versions whose pods do not get ready.
	starting map[string]bool
	// before has versions to whose old replica the router sends requests too, for
	// as many looks more.
	before map[string]int
	// looked is called at each look at the Deployments. It cannot ask the cluster.
	looked func()
}

// withPods is a world in which pods run.
func withPods(t *testing.T) (*world, *pods) {
	t.Helper()
	w := newWorld(t)
	p := &pods{w: w, starting: map[string]bool{}, before: map[string]int{}}
	c := w.cluster.Clientset
	c.PrependReactor("list", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		p.mu.Lock()
		looked := p.looked
		p.mu.Unlock()
		if looked != nil {
			looked()
		}
		return true, &appsv1.DeploymentList{Items: p.deployments()}, nil
	})
	c.PrependReactor("list", "replicasets", func(clienttesting.Action) (bool, runtime.Object, error) {
		list := &appsv1.ReplicaSetList{}
		for _, d := range p.deployments() {
			list.Items = append(list.Items, p.replicaSet(d))
		}
		return true, list, nil
	})
	c.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		list := &corev1.PodList{}
		for _, d := range p.deployments() {
			list.Items = append(list.Items, p.podsOf(d)...)
		}
		return true, list, nil
	})
	c.PrependReactor("get", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		cm := &corev1.ConfigMap{}
		return true, cm, w.object("ConfigMap/"+a.(clienttesting.GetAction).GetName(), cm)
	})
	c.AddProxyReactor("pods", func(a clienttesting.Action) (bool, rest.ResponseWrapper, error) {
		get := a.(clienttesting.ProxyGetAction)
		return true, answer(p.says(strings.TrimSuffix(get.GetName(), "-router-0"), get.GetPath())), nil
	})
	return w, p
}

func (p *pods) set(change func(*pods)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// object reads an object of the releases.
func (w *world) object(name string, into any) error {
	o := w.cluster.Object(name)
	if o == nil {
		return fmt.Errorf("there is no %s", name)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into)
}

func (p *pods) ready(d appsv1.Deployment) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starting[d.Labels["kubectl-aml/version"]] {
		return 0
	}
	return *d.Spec.Replicas
}

func (p *pods) deployments() []appsv1.Deployment {
	var list []appsv1.Deployment
	for _, name := range p.w.cluster.Names() {
		var d appsv1.Deployment
		if !strings.HasPrefix(name, "Deployment/") || p.w.object(name, &d) != nil {
			continue
		}
		if d.Spec.Replicas == nil {
			d.Spec.Replicas = ptr.To(int32(1))
		}
		ready := p.ready(d)
		d.UID, d.Namespace = types.UID(d.Name), "models"
		d.Annotations = map[string]string{"deployment.kubernetes.io/revision": "1"}
		d.Status = appsv1.DeploymentStatus{Replicas: *d.Spec.Replicas, UpdatedReplicas: *d.Spec.Replicas,
			ReadyReplicas: ready, AvailableReplicas: ready}
		list = append(list, d)
	}
	return list
}

func (p *pods) replicaSet(d appsv1.Deployment) appsv1.ReplicaSet {
	return appsv1.ReplicaSet{ObjectMeta: owned(d.ObjectMeta, d.Name+"-1"),
		Spec:   appsv1.ReplicaSetSpec{Replicas: d.Spec.Replicas},
		Status: appsv1.ReplicaSetStatus{Replicas: *d.Spec.Replicas, AvailableReplicas: d.Status.AvailableReplicas}}
}

func (p *pods) podsOf(d appsv1.Deployment) []corev1.Pod {
	var list []corev1.Pod
	status := corev1.ConditionFalse
	if d.Status.AvailableReplicas > 0 {
		status = corev1.ConditionTrue
	}
	for i := range *d.Spec.Replicas {
		pod := corev1.Pod{ObjectMeta: owned(p.replicaSet(d).ObjectMeta, fmt.Sprintf("%s-%d", d.Name, i)),
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: fmt.Sprintf("10.0.0.%d", 1+i)}},
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}}}
		pod.Labels = maps.Clone(d.Spec.Template.Labels)
		list = append(list, pod)
	}
	return list
}

func owned(owner metav1.ObjectMeta, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, UID: types.UID(name), Namespace: owner.Namespace, Labels: owner.Labels,
		Annotations: owner.Annotations, OwnerReferences: []metav1.OwnerReference{
			{Name: owner.Name, UID: owner.UID, Controller: ptr.To(true)}}}
}

// says is what a router answers.
func (p *pods) says(endpoint, path string) string {
	if path == "/metrics" {
		var lines strings.Builder
		for _, d := range p.deployments() {
			fmt.Fprintf(&lines, "envoy_cluster_membership_healthy{aml_version=%q,x=\"y\"} %d\n",
				d.Labels["kubectl-aml/version"], d.Status.AvailableReplicas)
		}
		return lines.String()
	}
	if path == "/-/replicas" {
		return p.replicas()
	}
	var cm corev1.ConfigMap
	if err := p.w.object("ConfigMap/"+endpoint+"-router", &cm); err != nil {
		return err.Error()
	}
	hash, _ := json.Marshal(map[string]string{"hash": cm.Annotations["kubectl-aml/config-hash"]})
	return string(hash)
}

// replicas are those that the router sends to, one of each version and what is
// left of it from before.
func (p *pods) replicas() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	const cluster, host = `{"name":%q,"host_statuses":[%s]}`, `{"address":{"socket_address":{"address":%q}}}`
	clusters := []string{fmt.Sprintf(cluster, "_other", fmt.Sprintf(host, "127.0.0.1"))}
	for version, looks := range p.before {
		hosts := fmt.Sprintf(host, "10.0.0.1")
		if looks > 0 {
			p.before[version] = looks - 1
			hosts += "," + fmt.Sprintf(host, "10.9.9.9")
		}
		clusters = append(clusters, fmt.Sprintf(cluster, version, hosts))
	}
	return `{"cluster_statuses":[` + strings.Join(clusters, ",") + `]}`
}

// answer is a response of a pod.
type answer string

func (a answer) DoRaw(context.Context) ([]byte, error) { return []byte(a), nil }

func (a answer) Stream(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(a))), nil
}
