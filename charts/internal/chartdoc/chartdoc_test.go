// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chartdoc_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/charts"
	"github.com/kubectl-aml/kubectl-aml/charts/internal/chartdoc"
	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// TestReadmeIsUpToDate writes the README anew with -update.
func TestReadmeIsUpToDate(t *testing.T) {
	got, err := chartdoc.Readme(charts.FS)
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "../../inference/README.md", got)
}

func TestValues(t *testing.T) {
	got, err := chartdoc.Values(`# a file's head
# of two lines

# -- First, which is
# long.
first: 1
group:
  # -- Second.
  second: ["a"]
  # -- A whole.
  whole:
    part: x
    other: {}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []chartdoc.Value{
		{Path: "first", Default: "1", Text: "First, which is long."},
		{Path: "group.second", Default: `["a"]`, Text: "Second."},
		{Path: "group.whole", Default: `{"other":{},"part":"x"}`, Text: "A whole."},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestValuesWantsAComment(t *testing.T) {
	_, err := chartdoc.Values("group:\n  # not so\n  bare: 1\n")
	const want = `line 3: group.bare has no comment: say above it what it does, beginning with "# --"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// schema is what of JSON Schema the chart's uses.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Properties map[string]schema
	Additional any               `json:"additionalProperties"`
	Defs       map[string]schema `json:"$defs"`
}

// TestSchemaAndDefaultsNameTheSameValues compares the keys of the schema with
// those of values.yaml and version-defaults.yaml, both ways.
func TestSchemaAndDefaultsNameTheSameValues(t *testing.T) {
	var root schema
	if err := json.Unmarshal(read(t, "inference/values.schema.json"), &root); err != nil {
		t.Fatal(err)
	}
	delete(root.Properties, "global") // Helm's own
	compare(t, root, "", root, read(t, "inference/values.yaml"))
	compare(t, root, "versions.NAME.", root.Defs["version"], read(t, "inference/files/version-defaults.yaml"))
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := charts.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func compare(t *testing.T, root schema, prefix string, described schema, defaults []byte) {
	t.Helper()
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(defaults, &values); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, described schema, values map[string]any)
	walk = func(path string, described schema, values map[string]any) {
		if name, isRef := strings.CutPrefix(described.Ref, "#/$defs/"); isRef {
			described = root.Defs[name]
		}
		if described.Type == "object" && described.Additional == nil && len(described.Properties) > 0 {
			t.Errorf("%s: the schema lets unknown values in", path)
		}
		// Quantities are free to be absent.
		if strings.HasSuffix(path, "requests.") || strings.HasSuffix(path, "limits.") || len(described.Properties) == 0 {
			return
		}
		inSchema, inDefaults := slices.Sorted(maps.Keys(described.Properties)), slices.Sorted(maps.Keys(values))
		if !slices.Equal(inSchema, inDefaults) && path != "router.resources." && path != "limiter.resources." {
			t.Errorf("%s: the schema has %v, the defaults have %v", path, inSchema, inDefaults)
		}
		for key, inner := range described.Properties {
			if nested, isMap := values[key].(map[string]any); isMap {
				walk(path+key+".", inner, nested)
			}
		}
	}
	walk(prefix, described, values)
}
