// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package endpoint_test

import (
	"reflect"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func TestAnAboutChangesByWhatIsGiven(t *testing.T) {
	t.Parallel()
	type texts = map[string]string
	words, empty := "of patients", ""
	before := endpoint.About{Description: "old", Tags: texts{"stage": "test", "team": "a"}, Properties: texts{"run": "7"}}
	for name, c := range map[string]struct {
		change endpoint.AboutChange
		want   endpoint.About
	}{
		"nothing": {want: before},
		"a description": {endpoint.AboutChange{Description: &words},
			endpoint.About{Description: words, Tags: before.Tags, Properties: before.Properties}},
		"no description": {endpoint.AboutChange{Description: &empty},
			endpoint.About{Tags: before.Tags, Properties: before.Properties}},
		"tags take the place of all": {endpoint.AboutChange{Tags: texts{"stage": "live"}},
			endpoint.About{Description: "old", Tags: texts{"stage": "live"}, Properties: before.Properties}},
		"no tags": {endpoint.AboutChange{Tags: texts{}},
			endpoint.About{Description: "old", Tags: texts{}, Properties: before.Properties}},
		"tags added and taken away": {
			endpoint.AboutChange{AddTags: texts{"stage": "live", "x": "y"}, RemoveTags: []string{"team", "none"}},
			endpoint.About{Description: "old", Tags: texts{"stage": "live", "x": "y"}, Properties: before.Properties}},
		"a property more, and one again": {endpoint.AboutChange{AddProperties: texts{"run": "7", "job": "8"}},
			endpoint.About{Description: "old", Tags: before.Tags, Properties: texts{"run": "7", "job": "8"}}},
	} {
		if got, err := before.Change(c.change); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	_, err := before.Change(endpoint.AboutChange{AddProperties: texts{"run": "8"}})
	want := `property "run" is "7" and cannot be changed: add one of another name, or use a tag`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if before.Tags["stage"] != "test" || len(before.Properties) != 1 {
		t.Errorf("what was changed from has changed: %+v", before)
	}
}
