// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"strings"
	"testing"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

// An autoscaler takes over: the replicas that run go on running.
func TestUpdateLeavesReplicasThatAreNoLongerNamed(t *testing.T) {
	t.Parallel()
	const fixed, scaled = "{replicas: 3, paused: true}", "{minReadySeconds: 1}"
	cluster := releasetest.New("models")
	build := func(spec string) helmkube.ResourceList {
		list, err := cluster.Build(strings.NewReader(
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: iris-blue}\nspec: "+spec+"\n"), false)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if _, err := cluster.Create(build(fixed)); err != nil {
		t.Fatal(err)
	}
	g := &gate{Interface: cluster, ctx: t.Context(), fence: func() error { return nil }}
	if _, err := g.Update(build(fixed), build(scaled), false); err != nil {
		t.Fatal(err)
	}
	spec, _, err := unstructured.NestedMap(cluster.Object("Deployment/iris-blue").Object, "spec")
	if err != nil || asJSON(t, spec) != `{"minReadySeconds":1,"replicas":3}` {
		t.Errorf("spec is %v, %v", spec, err)
	}
}
