// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

// Two ports of one name are what the API server refuses.
func TestAPortChangedByHandIsSetBack(t *testing.T) {
	t.Parallel()
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: iris}\nspec: {ports: [{name: http, port: 80}]}\n"
	type port = map[string]any
	for name, c := range map[string]struct{ there, want []any }{
		"another number": {[]any{port{"name": "http", "port": int64(81)}}, []any{port{"name": "http", "port": int64(80)}}},
		"another name":   {[]any{port{"name": "web", "port": int64(80)}}, []any{port{"name": "http", "port": int64(80)}}},
		"one that was put beside it": {
			[]any{port{"name": "http", "port": int64(80)}, port{"name": "mine", "port": int64(90)}},
			[]any{port{"name": "http", "port": int64(80)}, port{"name": "mine", "port": int64(90)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := releasetest.New("models")
			original, err := cluster.Build(strings.NewReader(service), false)
			if err != nil {
				t.Fatal(err)
			}
			target, err := cluster.Build(strings.NewReader(service), false)
			if err != nil {
				t.Fatal(err)
			}
			there := target[0].Object.(*unstructured.Unstructured).DeepCopy()
			if err := unstructured.SetNestedSlice(there.Object, c.there, "spec", "ports"); err != nil {
				t.Fatal(err)
			}
			cluster.Put(there)
			g := &gate{Interface: cluster, ctx: t.Context(), fence: func() error { return nil }}
			if _, err := g.Update(original, target, false); err != nil {
				t.Fatal(err)
			}
			got, _, err := unstructured.NestedSlice(cluster.Object("Service/iris").Object, "spec", "ports")
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("ports are %v, %v, want %v", got, err, c.want)
			}
		})
	}
}
