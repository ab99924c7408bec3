// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// takeAbout renders values and takes what people say of the endpoint and its
// versions out of the objects' own annotations. said has it by object.
func takeAbout(t *testing.T, values map[string]any) (objects []map[string]any, said map[string]map[string]string) {
	t.Helper()
	manifest, err := chart.Render(values, chart.RenderOptions{Name: "sentiment", Namespace: "ml"})
	if err != nil {
		t.Fatal(err)
	}
	said = map[string]map[string]string{}
	for _, o := range manifest.Objects {
		object := map[string]any{}
		if err := yaml.Unmarshal([]byte(o.Content), &object); err != nil {
			t.Fatal(err)
		}
		metadata := object["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		for _, key := range []string{"description", "tags", "properties", "models"} {
			if text, ok := annotations["kubectl-aml/"+key].(string); ok {
				name := object["kind"].(string) + "/" + metadata["name"].(string)
				if said[name] == nil {
					said[name] = map[string]string{}
				}
				said[name][key] = text
				delete(annotations, "kubectl-aml/"+key)
			}
		}
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
		objects = append(objects, object)
	}
	return objects, said
}

// A pod is made anew when anything in its template changes: what is for people
// stands only on the Service of the endpoint and the Deployments of the versions.
func TestWhatIsForPeopleRestartsNothing(t *testing.T) {
	const hard = "it's \"good\": #1\n- 😀\u0007 {{ no }}"
	tags := map[string]any{"team": hard, "a b/ü": "yes", "n": "017"}
	texts, err := json.Marshal(tags)
	if err != nil {
		t.Fatal(err)
	}
	about := func(into map[string]any) map[string]any {
		into["description"], into["tags"], into["properties"] = hard, tags, map[string]any{"run": "17"}
		return into
	}
	values := func(about func(map[string]any) map[string]any) map[string]any {
		blue, green := map[string]any{"image": "i"}, map[string]any{"image": "i", "traffic": 10}
		return about(map[string]any{"defaultVersion": "blue",
			"versions": map[string]any{"blue": blue, "green": about(green)},
			"router":   map[string]any{"service": map[string]any{"annotations": map[string]any{"mine": "yes"}}}})
	}
	want, none := takeAbout(t, values(func(m map[string]any) map[string]any { return m }))
	with := values(about)
	with["versions"].(map[string]any)["green"].(map[string]any)["models"] = []any{"bert:2", "B.c_d:22"}
	got, said := takeAbout(t, with)
	if !reflect.DeepEqual(got, want) || len(none) != 0 {
		t.Errorf("tags change more than annotations:\n%v\nwant\n%v", got, want)
	}
	for name, models := range map[string]string{"Service/sentiment": "", "Deployment/sentiment-green": "bert:2 B.c_d:22"} {
		a := said[name]
		if a["description"] != hard || a["properties"] != `{"run":"17"}` || a["models"] != models {
			t.Errorf("%s is annotated with %v", name, a)
		}
		var back map[string]any
		if err := json.Unmarshal([]byte(a["tags"]), &back); err != nil || !reflect.DeepEqual(back, tags) {
			t.Errorf("%s has the tags %s, want %s", name, a["tags"], texts)
		}
	}
	if len(said) != 2 {
		t.Errorf("annotated are %v", said)
	}
}
