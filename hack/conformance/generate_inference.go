// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// script is what a score script needs to be accepted.
const script = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"

// workFiles are the files that configs are about, in a folder around the
// working directory "proj". A name that ends in "/" is a folder.
func workFiles() map[string]string {
	conda := "name: x\ndependencies:\n- python=3.8\n- pip:\n  - azureml-defaults\n"
	return map[string]string{
		"score.py": script, "proj/score.py": script, "proj/my-score.py": script, "proj/class.py": script,
		"proj/1a.py": script, "proj/score.PY": script, "proj/score": script, "proj/score.txt": script,
		"proj/größe.py": script, "proj/None.py": script, "proj/a b.py": script, "proj/match.py": script,
		"proj/.py": script, "proj/a.b.py": script, "proj/_.py": script,
		"proj/wrong.py": "def init(:\n", "proj/empty.py": "", "proj/folder.py/": "", "proj/src/score.py": script,
		"proj/src/sub/deep.py": script, "proj/src/conda.yml": conda, "proj/src/steps.txt": "RUN true\n",
		"proj/a/b/src/score.py": script, "proj/conda.yml": conda, "proj/steps.txt": "RUN true\n", "proj/cert.pem": "cert",
		"proj/key.pem": "key", "proj/envs/": "",
	}
}

// layOut makes the work files below a folder and returns the working directory.
func layOut(root string) (string, error) {
	for name, content := range workFiles() {
		path := filepath.Join(root, name)
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return "", err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	cwd := filepath.Join(root, "proj")
	if err := os.Symlink("src", filepath.Join(cwd, "link")); err != nil {
		return "", fmt.Errorf("make a link beside the score scripts: %w", err)
	}
	return cwd, nil
}

const rightScripts = "score.py ./score.py score.py score.py"

// inferenceSample makes an inferenceconfig.json whose names are the matter.
func inferenceSample(d dice) sample {
	t := object(entry{"entryScript", text(pick(d, words(rightScripts)))})
	if d.chance(60) {
		t.set("sourceDirectory", text(pick(d, words(`. src ./src src/ a/b/src link src/../src a//b/src ./`))))
	}
	if d.chance(30) {
		t.set("environment", rightEnvironment(d))
	}
	s := sample{question: "inference", tree: t, style: style(d.IntN(int(styles)))}
	fields := inferenceFields()
	switch {
	case d.chance(35):
	case d.chance(45):
		t.set("entryScript", text(pick(d, words(`my-score.py class.py 1a.py score.PY score score.txt größe.py None.py match.py
			missing.py ../score.py score.py/ wrong.py empty.py folder.py src/score.py src/sub/deep.py sub/deep.py ./sub/deep.py
			sub/../score.py src\score.py .py a.b.py _.py src//score.py /etc/hostname`))))
	case d.chance(30):
		t.set("sourceDirectory", text(pick(d, words(`missing score.py .. / folder.py ../proj src/sub ~ ./missing/../src`))))
	default:
		if d.chance(50) {
			t.set(pick(d, inferenceFields()).path, wrong(d))
			break
		}
		spoil(d, &s, fields)
	}
	return s
}

func inferenceFields() []field {
	return []field{
		quotes("entryScript", "score.py"), quotes("sourceDirectory", "src ."), quotes("description", "text"),
		quotes("runtime", "python"), plains("enableGpu", "true"), {"environment", []*tree{object(entry{"name", text("x")})}},
	}
}

// oldSample makes an inferenceconfig.json of the form without an environment.
func oldSample(d dice) sample {
	t := object(entry{"entryScript", text("score.py")})
	if d.chance(50) {
		t.set("sourceDirectory", text(pick(d, words(". src"))))
	}
	fields := oldFields()
	for _, f := range fields {
		if d.chance(35) {
			t.set(f.path, pick(d, f.right))
		}
	}
	s := sample{question: "inference", tree: t, style: style(d.IntN(int(styles)))}
	switch {
	case d.chance(45):
	case d.chance(30):
		f := pick(d, []field{
			quotes("runtime", "Python PYTHON spark-py python-slim Spark-Py ruby python3"),
			quotes("cudaVersion", "9.1 10 11.0 9"), plains("cudaVersion", "10.0 9.0 9"),
			quotes("condaFile", "missing.yml ./conda.yml folder.py ../proj/conda.yml"),
			quotes("extraDockerfileSteps", "missing.txt ./steps.txt src/"), quotes("enableGpu", "true false"),
			plains("baseImageRegistry", "null"), {"environment", []*tree{rightEnvironment(d)}},
			{"baseImageRegistry", []*tree{object(), object(entry{"address", text("x.io")})}},
		})
		t.set(f.path, pick(d, f.right))
	default:
		spoil(d, &s, append(fields, inferenceFields()...))
	}
	return s
}

func oldFields() []field {
	registry := object(entry{"address", text("x.azurecr.io")}, entry{"username", text("me")},
		entry{"password", text("pass")})
	return []field{
		quotes("runtime", "python python python python-slim spark-py"), quotes("condaFile", "conda.yml"),
		quotes("extraDockerfileSteps", "steps.txt"), plains("enableGpu", "true false"),
		quotes("cudaVersion", "9.0 9.1 10.0"), quotes("baseImage", "x.azurecr.io/base:1"),
		{"baseImageRegistry", []*tree{registry}},
	}
}
