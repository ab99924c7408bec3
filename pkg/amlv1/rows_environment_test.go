// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"reflect"
	"strings"
	"testing"
)

// TestEveryKeyOfAnEnvironment has a case for each key, inline and in a folder.
func TestEveryKeyOfAnEnvironment(t *testing.T) {
	t.Parallel()
	const rest = `"r": null, `
	text := row{accept: `null | "" | "x"`, refuse: "1 | true | [] | {}"}
	registry := row{accept: `null | ""`, refuse: "1 | []"}
	silent := row{accept: `null | true | "x" | [] | {}`}
	conda := row{accept: `null | {"dependencies": [{"pip": ["azureml-defaults"]}]}`, refuse: `"conda.yml" | [] | 1`,
		warn: `{} | {"dependencies": ["azureml-defaults"]}`}
	for path, r := range map[string]row{
		"name":                           {accept: `null | "e" | "AzureML-x" | "Microsoft"`, refuse: "1 | []"},
		"version":                        {accept: `null | "1" | 1 | 1.10 | "2021-01"`, refuse: "[] | {}"},
		"environmentVariables":           {accept: `null | {} | {"A": "b", "B": 1, "C": 0.10, "D": true, "e.f": ""}`, refuse: `"A=b" | []`},
		"environmentVariables.A":         {accept: `"" | "b" | 1 | false`, refuse: "[] | {}", warn: "null"},
		"python":                         {accept: `null | {}`, refuse: `[] | "3.8"`},
		"python.userManagedDependencies": {accept: booleans, refuse: notBooleans, warn: `"true"`},
		"python.interpreterPath":         text,
		"python.condaDependencies":       conda,
		"python.condaDependenciesFile":   {accept: `null | ""`, refuse: "1 | []", warn: `"conda.yml"`},
		"python.baseCondaEnvironment":    text,
		"docker":                         {accept: `null | {}`, refuse: `[] | "image"`},
		"docker.baseImage":               text,
		"docker.baseDockerfile":          {accept: `null | "" | "FROM x\nRUN y"`, refuse: "1 | []"},
		"docker.buildContext":            {accept: "null", warn: `{"locationType": "git"} | {}`},
		"docker.baseImageRegistry": {accept: `null | {} | {"address": "a"}`,
			refuse: `"a"`, warn: `{"username": "u"} | {"address": "a", "password": "p"}`},
		"docker.baseImageRegistry.address":          {accept: `null | "" | "a.azurecr.io"`, refuse: "1 | []"},
		"docker.baseImageRegistry.username":         registry,
		"docker.baseImageRegistry.password":         registry,
		"docker.baseImageRegistry.registryIdentity": {accept: "null", warn: `{} | "x"`},
		"docker.platform":                           {accept: `null | {} | {"os": "Linux", "architecture": "amd64"}`, refuse: `"Linux" | []`},
		"docker.platform.os":                        {accept: `null | "Linux" | "linux"`, refuse: `"Windows" | 1`},
		"docker.platform.architecture":              {accept: `null | "amd64" | "AMD64"`, refuse: `"arm64" | 1`},
		"docker.enabled":                            silent,
		"docker.sharedVolumes":                      silent,
		"docker.shmSize":                            {accept: `null | "2g"`, refuse: "2 | []"},
		"docker.arguments":                          {accept: "null | []", refuse: `"-v" | {}`, warn: `["-v"]`},
		"inferencingStackVersion":                   {accept: `null | "latest" | 1`, refuse: "[] | {}"},
		"spark":                                     silent,
		"databricks":                                silent,
		"r":                                         silent,
		"assetId":                                   silent,
		"anything":                                  {accept: "", warn: "1 | null"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			key, _, _ := strings.Cut(path, ".")
			r.inEnvironment(t, "environment."+path, func(keys string) Findings {
				src := `{"entryScript": "score.py", "environment": {"environmentVariables": {}, ` + keys + "}}"
				if key == "environmentVariables" {
					src = `{"entryScript": "score.py", "environment": {` + rest + `"docker": {}, ` + keys + "}}"
				}
				_, findings := ReadInferenceConfig("i.json", []byte(src))
				return findings
			})
			r.inEnvironment(t, path, func(keys string) Findings {
				_, findings := ReadEnvironmentDirectory("e", folder(map[string]string{definitionFile: "{" + keys + "}",
					dockerfile: ""}))
				return about(path, findings)
			})
		})
	}
}

// inEnvironment is holds for a key that stands in an environment.
func (r row) inEnvironment(t *testing.T, field string, read func(keys string) Findings) {
	t.Helper()
	path := strings.TrimPrefix(field, "environment.")
	for _, v := range values(r.accept) {
		if findings := read(keyed(path, "", v)); len(findings) > 0 {
			t.Errorf("%s is not taken: %v", v, findings)
		}
	}
	for _, list := range []string{r.refuse, r.warn} {
		for _, v := range values(list) {
			findings := read(keyed(path, "", v))
			if len(findings) != 1 || findings[0].Field != field || findings[0].Warning != (list == r.warn) {
				t.Errorf("%s has the findings %v", v, findings)
			}
		}
	}
}

// TestWhatAnEnvironmentIsReadAs has what stands for nothing, and what is kept as
// it is written.
func TestWhatAnEnvironmentIsReadAs(t *testing.T) {
	t.Parallel()
	c, findings := ReadInferenceConfig("i.yml", []byte(`entryScript: score.py
environment:
  version: 1.10
  environmentVariables: {A: 0.10, B: yes, C: 010, D: 6e4, E: "x", F: 2020-01-01}
  python: null
  docker: {baseImage: x, arguments: null}
`))
	expect(t, "findings", told(findings), "")
	want := &Environment{Version: "1.10", Docker: Docker{BaseImage: "x"}, Variables: map[string]string{
		"A": "0.10", "B": "yes", "C": "010", "D": "6e4", "E": "x", "F": "2020-01-01"}}
	if !reflect.DeepEqual(c.Environment, want) {
		t.Errorf("got %+v, want %+v", c.Environment, want)
	}
}

// TestEveryNameRule has the rules for names, by the kind of thing.
func TestEveryNameRule(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for kind, c := range map[string]struct {
		rule           func(string) string
		accept, refuse []string
	}{
		"service, endpoint, version": {serviceName, []string{"abc", "a-1", "a--b", "blue", long[:32]},
			[]string{"", "ab", "v1", "1ab", "-ab", "ab-", "Abc", "a_b", "a.b", "abc\n", "äbc", long[:33]}},
		"namespace": {namespaceName, []string{"a", "0", "0-a", "a--b", long[:63]},
			[]string{"", "-a", "a-", "A", "a.b", "a_b", "a\n", "a ", long}},
		"compute target": {computeTargetName, []string{"aks", "My-AKS", "a-1", long[:24]},
			[]string{"", "ab", "1ab", "-ab", "ab-", "a_b", "a.b", "aks\n", "amlcompute", "local", "Local", "containerInstance",
				long[:25]}},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, name := range c.accept {
				if wrong := c.rule(name); wrong != "" {
					t.Errorf("%q is refused: %s", name, wrong)
				}
			}
			for _, name := range c.refuse {
				if wrong := c.rule(name); !strings.HasPrefix(wrong, "must be ") {
					t.Errorf("%q is not refused: %q", name, wrong)
				}
			}
		})
	}
}
