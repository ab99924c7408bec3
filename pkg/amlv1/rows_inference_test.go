// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"strings"
	"testing"
)

// TestEveryKeyOfAnInferenceConfig has a case for each key of both forms.
func TestEveryKeyOfAnInferenceConfig(t *testing.T) {
	t.Parallel()
	name := row{accept: `null | "" | "x"`, refuse: "1 | true | [] | {}"}
	part := row{accept: `null | ""`, refuse: "1 | []"}
	for path, r := range map[string]row{
		"sourceDirectory": {accept: `null | "" | "." | "/abs"`, refuse: "1 | [] | {}"},
		"environment": {accept: `null | {"docker": {"baseImage": "x"}}`,
			refuse: `"x" | [] | 1 | {} | {"name": "e"} | {"name": "e", "version": 1}`},
		"runtime":              {accept: `null | "" | "python" | "Python" | "spark-py" | "python-slim"`, refuse: `"java" | "python3" | 3`},
		"condaFile":            name,
		"extraDockerfileSteps": name,
		"enableGpu":            {accept: booleans, refuse: notBooleans, warn: `"true"`},
		"cudaVersion":          {accept: `null | "9.0" | "9.1" | "10.0"`, refuse: `"11.8" | 10.0 | 9 | true`},
		"baseImage":            name,
		"baseImageRegistry": {accept: "null | {}", refuse: `"x" | []`,
			warn: `{"username": "u"} | {"address": "a", "username": "u"}`},
		"baseImageRegistry.address":  {accept: `null | "a.azurecr.io"`, refuse: "1 | []"},
		"baseImageRegistry.username": part,
		"baseImageRegistry.password": part,
		"description":                {accept: "null", warn: `"d"`},
		"anything":                   {accept: "null", warn: "1"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r.holds(t, path, func(keys string) Findings {
				_, findings := ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py", `+keys+"}"))
				if path == "anything" && strings.HasSuffix(keys, "null") {
					return findings.errorsOnly()
				}
				return findings
			})
		})
	}
	t.Run("entryScript", func(t *testing.T) {
		t.Parallel()
		row{accept: `"score.py" | "src/score.py" | "score.txt"`, refuse: `null | "" | 1 | []`}.holds(t, "entryScript",
			func(keys string) Findings {
				_, findings := ReadInferenceConfig("i.json", []byte("{"+keys+"}"))
				return findings
			})
	})
}

func (fs Findings) errorsOnly() Findings {
	var out Findings
	for _, f := range fs {
		if !f.Warning {
			out = append(out, f)
		}
	}
	return out
}

// TestTheChecksOfAnInferenceConfig has each check of Azure ML in its order, and
// a file that has what it looks for. Azure ML stopped at the first.
func TestTheChecksOfAnInferenceConfig(t *testing.T) {
	t.Parallel()
	files := newTree(nil, "/w/score.py", "/w/score.PY", "/w/class.py", "/w/my-score.py", "/w/src/score.py", "/w/src/c.yml")
	const script = `"entryScript": "score.py",` + "\n "
	cases := map[string]struct{ keys, want string }{
		"1 the script is missing": {`"runtime": "python"`,
			"1:1: entryScript: is required: write the path of the score script, such as \"score.py\"\n"},
		"2 both forms": {script + `"environment": {"docker": {"baseImage": "x"}}, "runtime": "python", "condaFile": "src/c.yml",
 "extraDockerfileSteps": "src/c.yml", "enableGpu": true, "cudaVersion": "9.0", "baseImage": "x"`,
			bothForms("2:60: runtime", "2:83: condaFile", "3:26: extraDockerfileSteps", "3:52: enableGpu", "3:73: cudaVersion",
				"3:93: baseImage")},
		"3 no azureml-defaults": {script + `"environment": {"python": {"condaDependencies": {"dependencies": ["numpy"]}}}`,
			"warning: 2:50: environment.python.condaDependencies: has no pip package azureml-defaults, " +
				"which brings the scoring server: add it below \"pip\"; an image that is built gets the server without it\n"},
		"4 two images": {script + `"environment": {"docker": {"baseImage": "x", "baseDockerfile": "y"}}`,
			"2:65: environment.docker.baseDockerfile: cannot be given together with baseImage: remove one of the two\n"},
		"5 the folder is missing": {script + `"sourceDirectory": "gone"`,
			"2:21: sourceDirectory: /w/gone does not exist: write a folder that is there; the path is taken from /w\n"},
		"6 the script does not exist": {`"entryScript": "gone.py", "sourceDirectory": "src"`,
			"1:17: entryScript: /w/src/gone.py does not exist: write the path of the score script from sourceDirectory\n"},
		"7 the script is not .py": {`"entryScript": "score.PY"`,
			"1:17: entryScript: must be a Python script, but score.PY does not end in .py: write a script such as score.py\n"},
		"8 the script is a keyword": {`"entryScript": "class.py"`,
			"1:17: entryScript: class.py cannot be imported, \"class\" is a Python keyword: rename it, to score.py for example\n"},
		"8 the script is no identifier": {`"entryScript": "my-score.py"`,
			"1:17: entryScript: my-score.py cannot be imported, \"my-score\" is not a Python identifier: " +
				"rename it, to score.py for example\n"},
		"9 the runtime is not known": {script + `"runtime": "java"`,
			"2:13: runtime: must be one of python, spark-py, python-slim, not \"java\": write \"python\"\n"},
		"9 the CUDA version is not known": {script + `"cudaVersion": "11.8"`,
			"2:17: cudaVersion: must be one of 9.0, 9.1, 10.0, not \"11.8\": write the version in quotes, such as \"10.0\"\n"},
		"10 the conda file and the steps are missing": {script + `"condaFile": "c.yml", "extraDockerfileSteps": "src"`,
			"2:15: condaFile: /w/c.yml does not exist: write a path from /w\n" +
				"2:48: extraDockerfileSteps: /w/src is a folder: write the path of a file\n"},
		"10 they are looked for in the folder": {script + `"condaFile": "c.yml", "sourceDirectory": "src"`, ""},
		"12 an unknown key of the conda object": {
			script + `"environment": {"python": {"condaDependencies": {"pip": [], "dependencies": [{"pip": ["azureml-defaults"]}]}}}`,
			"2:51: environment.python.condaDependencies.pip: is not a key of a conda file: " +
				"write one of name, channels, dependencies, prefix, variables\n"},
		"all at once": {`"entryScript": "my-score.py", "runtime": "java",
 "condaFile": "gone.yml", "environment": {"docker": {"baseImage": "x", "baseDockerfile": "y"}}`,
			"1:43: runtime: must be one of python, spark-py, python-slim, not \"java\": write \"python\"\n" +
				bothForms("1:43: runtime", "2:15: condaFile") +
				"2:90: environment.docker.baseDockerfile: cannot be given together with baseImage: remove one of the two\n" +
				"1:17: entryScript: my-score.py cannot be imported, \"my-score\" is not a Python identifier: " +
				"rename it, to score.py for example\n" +
				"2:15: condaFile: /w/gone.yml does not exist: write a path from /w\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, findings := ReadInferenceConfig("i.json", []byte("{"+c.keys+"}"))
			_, found := config.Resolve(files, "/w")
			expect(t, "findings", strings.ReplaceAll(told(findings)+told(found), "i.json:", ""), c.want)
		})
	}
}

func bothForms(places ...string) string {
	var b strings.Builder
	for _, p := range places {
		b.WriteString(p + ": cannot be given together with an environment: move it into the environment and remove it here\n")
	}
	return b.String()
}

// TestPathsOfAFile has the two folders that paths can be relative to.
func TestPathsOfAFile(t *testing.T) {
	t.Parallel()
	files := newTree(nil, "/w/score.py", "/w/conf/score.py")
	c, _ := ReadInferenceConfig("conf/i.json", []byte(`{"entryScript": "score.py", "sourceDirectory": "."}`))
	for base, want := range map[string]Code{
		"/w":      {Directory: "/w", Script: "/w/score.py", EntryScript: "w/score.py", SourceDirectory: "w"},
		"/w/conf": {Directory: "/w/conf", Script: "/w/conf/score.py", EntryScript: "conf/score.py", SourceDirectory: "conf"},
	} {
		got, findings := c.Resolve(files, base)
		if got != want || len(findings) > 0 {
			t.Errorf("from %s: %+v, %v", base, got, findings)
		}
	}
}

// TestAFlagBesideAnInferenceConfig has what a flag does to what a file says.
func TestAFlagBesideAnInferenceConfig(t *testing.T) {
	t.Parallel()
	c, _ := ReadInferenceConfig("i.json", []byte(`{"entryScript": "a.py", "enableGpu": true, "runtime": "python"}`))
	for path, text := range map[string]string{"entryScript": "b.py", "enableGpu": "false", "runtime": "java"} {
		if findings := c.Set(path, text); len(findings) > 0 {
			t.Error(findings)
		}
	}
	expect(t, "findings", told(c.Validate()),
		"--runtime: must be one of python, spark-py, python-slim, not \"java\": write \"python\"\n")
	if c.EntryScript != "b.py" || *c.Old.EnableGPU {
		t.Errorf("config %+v", c)
	}
}
