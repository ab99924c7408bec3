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

// An autoscaler takes over: the replicas that run go on running. It would leave
// none as it is, so that is not kept.
func TestUpdateLeavesReplicasThatAreNoLongerNamed(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{
		"{replicas: 3, paused: true}": `{"minReadySeconds":1,"replicas":3}`,
		"{replicas: 0, paused: true}": `{"minReadySeconds":1}`,
	} {
		if got := updated(t, before, "{minReadySeconds: 1}"); got != want {
			t.Errorf("%s became %s, want %s", before, got, want)
		}
	}
}

// updated is what an update to the spec scaled makes of a Deployment with the
// spec fixed.
func updated(t *testing.T, fixed, scaled string) string {
	t.Helper()
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
	if err != nil {
		t.Fatal(err)
	}
	return asJSON(t, spec)
}
