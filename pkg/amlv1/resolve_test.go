// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

// tree is a file system of names without the leading slash, with links.
type tree struct {
	files fstest.MapFS
	links map[string]string
}

func newTree(links map[string]string, files ...string) tree {
	t := tree{files: fstest.MapFS{}, links: links}
	for _, f := range files {
		t.files[strings.Trim(f, "/")] = &fstest.MapFile{}
		if strings.HasSuffix(f, "/") {
			t.files[strings.Trim(f, "/")].Mode = fs.ModeDir
		}
	}
	return t
}

func (t tree) RealPath(name string) (string, error) {
	for link, target := range t.links {
		if name == link || strings.HasPrefix(name, link+"/") {
			name = target + strings.TrimPrefix(name, link)
		}
	}
	_, err := t.files.Stat(strings.TrimPrefix(name, "/"))
	return name, err
}

func (t tree) Stat(name string) (fs.FileInfo, error) {
	if path.Base(name) == "locked" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: errors.New("permission denied")}
	}
	real, err := t.RealPath(name)
	if err != nil {
		return nil, err
	}
	return t.files.Stat(strings.TrimPrefix(real, "/"))
}

func TestResolve(t *testing.T) {
	t.Parallel()
	files := newTree(map[string]string{"/w/link": "/w/proj/src", "/home": "/w"},
		"/w/proj/score.py", "/w/proj/src/score.py", "/w/proj/src/sub/deep.py", "/w/proj/src/conda.yml", "/w/proj/a/b/src/score.py",
		"/w/proj/empty/", "/w/proj/src/my-score.py", "/w/proj/src/class.py", "/w/proj/src/1a.py", "/w/proj/src/score.PY",
		"/w/proj/src/größe.py", "/w/proj/azureml-models/score.py", "/w/proj/steps")
	const where = "/w/proj"
	cases := map[string]struct {
		config InferenceConfig
		cwd    string
		want   Code
		err    string
	}{
		"a script alone": {InferenceConfig{EntryScript: "score.py"}, where,
			Code{Script: "/w/proj/score.py", EntryScript: "score.py"}, ""},
		"a nested script alone is flattened": {InferenceConfig{EntryScript: "src/sub/deep.py"}, where,
			Code{Script: "/w/proj/src/sub/deep.py", EntryScript: "deep.py"}, ""},
		"an absolute script alone": {InferenceConfig{EntryScript: "/w/proj/score.py"}, "/elsewhere",
			Code{Script: "/w/proj/score.py", EntryScript: "score.py"}, ""},
		"a folder": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/score.py", "src/score.py", "src", "", ""}, ""},
		"the script's path is not cleaned": {InferenceConfig{EntryScript: "./sub/../score.py", SourceDirectory: "./src/"}, where,
			Code{"/w/proj/src", "/w/proj/src/score.py", "src/./sub/../score.py", "src", "", ""}, ""},
		"a folder keeps only its last name": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "a/b/src"}, where,
			Code{"/w/proj/a/b/src", "/w/proj/a/b/src/score.py", "src/score.py", "src", "", ""}, ""},
		"the working directory takes its name": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "."}, where,
			Code{"/w/proj", "/w/proj/score.py", "proj/score.py", "proj", "", ""}, ""},
		"a link takes the name of its target": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "link"}, "/w",
			Code{"/w/proj/src", "/w/proj/src/score.py", "src/score.py", "src", "", ""}, ""},
		"an absolute script in the folder": {
			InferenceConfig{EntryScript: "/home/proj/src/sub/deep.py", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/sub/deep.py", "src/sub/deep.py", "src", "", ""}, ""},
		"letters of all languages": {InferenceConfig{EntryScript: "größe.py", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/größe.py", "src/größe.py", "src", "", ""}, ""},
		"files of the old form": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "src",
			Old: OldForm{CondaFile: "conda.yml", ExtraDockerfileSteps: "/w/proj/steps"}}, where,
			Code{"/w/proj/src", "/w/proj/src/score.py", "src/score.py", "src", "/w/proj/src/conda.yml", "/w/proj/steps"}, ""},
		"no folder": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "gone", Old: OldForm{CondaFile: "c"}}, where, Code{},
			"sourceDirectory: /w/proj/gone does not exist: write a folder that is there; " +
				"the path is taken from /w/proj\n"},
		"a file for a folder": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "score.py"}, where, Code{},
			"sourceDirectory: /w/proj/score.py is a file, not a folder: write the folder that the score script is in\n"},
		"a folder that cannot be read": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "locked"}, where, Code{},
			"sourceDirectory: /w/proj/locked cannot be read (permission denied): write a folder that is there; " +
				"the path is taken from /w/proj\n"},
		"a folder of the models' name": {InferenceConfig{EntryScript: "score.py", SourceDirectory: "azureml-models"}, where, Code{},
			"sourceDirectory: /w/proj/azureml-models cannot be packed under the name \"azureml-models\": " +
				"write a folder of another name\n"},
		"no script": {InferenceConfig{EntryScript: "gone.py", SourceDirectory: "src"}, where,
			Code{Directory: "/w/proj/src", SourceDirectory: "src"},
			"entryScript: /w/proj/src/gone.py does not exist: write the path of the score script from sourceDirectory\n"},
		"no script in the working directory, nor a conda file": {
			InferenceConfig{EntryScript: "gone.py", Old: OldForm{CondaFile: "c.yml"}}, where, Code{CondaFile: "/w/proj/c.yml"},
			"entryScript: /w/proj/gone.py does not exist: write the path of the score script from /w/proj\n" +
				"condaFile: /w/proj/c.yml does not exist: write a path from /w/proj\n"},
		"a path of Windows": {InferenceConfig{EntryScript: `src\score.py`}, where, Code{},
			`entryScript: /w/proj/src\score.py does not exist: write / between folders` + "\n"},
		"a folder for a script": {InferenceConfig{EntryScript: "src"}, where, Code{},
			"entryScript: /w/proj/src is a folder: write the path of the score script in it\n"},
		"a script out of the folder": {InferenceConfig{EntryScript: "../score.py", SourceDirectory: "src"}, where,
			Code{Directory: "/w/proj/src", Script: "/w/proj/score.py", SourceDirectory: "src"},
			"entryScript: /w/proj/score.py is outside sourceDirectory /w/proj/src and would not be in the container: " +
				"move it there\n"},
		"another extension": {InferenceConfig{EntryScript: "score.PY", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/score.PY", "src/score.PY", "src", "", ""},
			"entryScript: must be a Python script, but score.PY does not end in .py: write a script such as score.py\n"},
		"no identifier": {InferenceConfig{EntryScript: "my-score.py", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/my-score.py", "src/my-score.py", "src", "", ""},
			"entryScript: my-score.py cannot be imported, \"my-score\" is not a Python identifier: " +
				"rename it, to score.py for example\n"},
		"a digit first": {InferenceConfig{EntryScript: "1a.py", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/1a.py", "src/1a.py", "src", "", ""},
			"entryScript: 1a.py cannot be imported, \"1a\" is not a Python identifier: rename it, to score.py for example\n"},
		"a keyword": {InferenceConfig{EntryScript: "class.py", SourceDirectory: "src"}, where,
			Code{"/w/proj/src", "/w/proj/src/class.py", "src/class.py", "src", "", ""},
			"entryScript: class.py cannot be imported, \"class\" is a Python keyword: rename it, to score.py for example\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, findings := c.config.Resolve(files, c.cwd)
			expect(t, "findings", told(findings), c.err)
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestResolvePointsAtTheFile(t *testing.T) {
	t.Parallel()
	c, _ := ReadInferenceConfig("conf/i.json", []byte("{\n  \"entryScript\": \"gone.py\"\n}"))
	_, findings := c.Resolve(newTree(nil), "/w")
	expect(t, "a value of the file", told(findings),
		"conf/i.json:2:18: entryScript: /w/gone.py does not exist: write the path of the score script from /w\n")
	c.EntryScript = "flag.py"
	_, findings = c.Resolve(newTree(nil), "/w")
	expect(t, "a value of a flag", told(findings),
		"entryScript: /w/flag.py does not exist: write the path of the score script from /w\n")
}

func TestResolveOnDisk(t *testing.T) {
	t.Parallel()
	c, findings := ReadInferenceConfig("i.json", []byte(`{"entryScript": "doc.py", "sourceDirectory": "testdata"}`))
	expect(t, "findings", told(findings), "")
	cwd := t.TempDir()
	_, findings = c.Resolve(Disk{}, cwd)
	expect(t, "findings", told(findings), "i.json:1:46: sourceDirectory: "+cwd+"/testdata does not exist: "+
		"write a folder that is there; the path is taken from "+cwd+"\n")
}
