// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestModelPackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct{ args, out, err string }{
		"an image": {"-m model.txt -es score.py --query models -o tsv", "local/model.txt:1\n", ""},
		"an image with a name and a label": {"-m model.txt -es score.py -in team/diabetes -il v1 --query tag -o tsv",
			"REGISTRY/team/diabetes:v1\n", ""},
		"a folder": {"-m model.txt -es score.py --output-path built --query location -o tsv", "DIR/built\n", ""},
		"no model": {"-es score.py", "", "no model: give --model as NAME:VERSION, or as a file with NAME:VERSION=PATH"},
		"no code":  {"-m model.txt", "", "no code: give --inference-config-file or --entry-script"},
		"a folder with a label": {"-m model.txt -es score.py --output-path x -il v1", "",
			"--image-name and --image-label are of an image, and --output-path writes a folder: leave one out"},
		"a ready image": {"-m model.txt -es score.py --image x/y:1", "",
			"--image and --deploy-config-file are of a deployment, and nothing is deployed: leave them out"},
	} {
		r := w.run(append([]string{"model", "package"}, strings.Fields(c.args)...)...)
		if got := w.plain(r.out); got != c.out || !strings.Contains(r.err, c.err) || (r.code != 0) != (c.err != "") {
			t.Errorf("%s: exit code %d\n%s\n%s", name, r.code, got, r.err)
		}
	}
	for file, want := range map[string]string{"azureml-app/score.py": "", "azureml-models/model.txt/1/model.txt": "", "Dockerfile": "FROM "} {
		text, err := os.ReadFile(filepath.Join(w.dir, "built", file))
		if err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s: %v\n%s", file, err, text)
		}
	}
}

func TestSBOMOfAnImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := strings.TrimSpace(w.fine(w.run("model", "package", "-m", "model.txt", "-es", "score.py", "--query", "location",
		"-o", "tsv")).out)
	r := w.fine(w.run("sbom", ref))
	if !strings.Contains(r.out, `"bomFormat": "CycloneDX"`) || !strings.Contains(r.err, "its layers are read") {
		t.Errorf("%s\n%s", r.out, r.err)
	}
	if r := w.run("sbom", ref, "--version-name", "blue"); r.code != 2 {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}
