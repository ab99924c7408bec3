// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadModelMetadata(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text     string
		want     ModelMetadata
		findings string
	}{
		"as Azure ML wrote it": {
			`{"modelId": "sentiment:3", "workspaceName": "ws", "resourceGroupName": "rg"}`,
			ModelMetadata{"sentiment:3", "ws", "rg"}, ""},
		"without a workspace": {`{"modelId": "a:1", "workspaceName": null}`, ModelMetadata{ModelID: "a:1"}, ""},
		"no model": {`{"workspaceName": "ws"}`, ModelMetadata{Workspace: "ws"},
			`m.json:1:1: modelId: is missing: write it as {"modelId": "NAME:VERSION"}`},
		"no version": {`{"modelId": "a"}`, ModelMetadata{ModelID: "a"},
			`m.json:1:13: modelId: must be NAME:VERSION, not "a": write the model and its version, such as "sentiment:3"`},
		"a number": {`{"modelId": 3}`, ModelMetadata{},
			`m.json:1:13: modelId: must be text, not 3: write the model and its version, such as "sentiment:3"`},
		"another key": {"{\"modelId\": \"a:1\",\n \"modelID\": \"b:1\"}", ModelMetadata{ModelID: "a:1"},
			`m.json:2:2: modelID: is not a key that is known here and is ignored: did you mean "modelId"?`},
		"no JSON": {`{"modelId"`, ModelMetadata{}, "m.json:1:11: is not valid JSON: unexpected end of JSON input"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, findings := ReadModelMetadata("m.json", []byte(c.text))
			var lines []string
			for _, f := range findings {
				lines = append(lines, f.String())
			}
			if told := strings.Join(lines, "\n"); got != c.want || told != c.findings {
				t.Errorf("got %+v, %s\nwant %+v, %s", got, told, c.want, c.findings)
			}
		})
	}
}

func FuzzReadModelMetadata(f *testing.F) {
	for _, seed := range []string{`{"modelId": "a:1"}`, `modelId: a:1`, `{}`, `[]`, "\x00", `{"modelId": {"a": 1}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, findings := ReadModelMetadata("m.json", []byte(text))
		if findings.Err() != nil {
			return
		}
		again, findings := ReadModelMetadata("m.json", fmt.Appendf(nil, `{"modelId": %q}`, m.ModelID))
		if findings.Err() != nil || again.ModelID != m.ModelID {
			t.Errorf("%q gives %+v, read again %+v, %v", text, m, again, findings)
		}
	})
}
