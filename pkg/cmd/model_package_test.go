// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
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
		"a name and a label": {"-m model.txt -es score.py -in UP/case -il v/1", "",
			"error: repository \"REGISTRY/UP/case\" is not valid: write it as HOST/NAME in lower case, such as " +
				"example.azurecr.io/models\nlabel \"v/1\" is not valid: write up to 128 letters, digits, _, . and -\n"},
		"a ready image": {"-m model.txt -es score.py --image x/y:1", "",
			"--image, --deploy-config-file and --model-mount are of a deployment, and nothing is deployed: leave them out"},
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

// A package needs no cluster and, without a registry, goes into the folder. It has
// what it needs to serve.
func TestAPackageStandsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delete(w.env, "AML_REGISTRY")
	w.env["AML_LAYOUT"] = filepath.Join(w.dir, "images")
	w.change = func(e *cmd.Env) {
		e.Connect = func(*genericclioptions.ConfigFlags) (*cmd.Session, error) { return nil, errors.New("no cluster") }
	}
	w.write("ic.json", `{"entryScript": "score.py", "environment": {"environmentVariables": {"LEVEL": "a b", "WORKER_COUNT": 2}}}`)
	r := w.fine(w.run("model", "package", "-m", "model.txt", "-ic", "ic.json", "--query", "location", "-o", "tsv"))
	if !strings.Contains(r.err, "note: who can read the image can read the variables of the environment: LEVEL, WORKER_COUNT\n") ||
		!strings.Contains(r.err, "image: no registry: images are in DIR/images\n") {
		t.Errorf("says %s", r.err)
	}
	l, err := layout.Open(w.env["AML_LAYOUT"])
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Read(t.Context(), strings.TrimSpace(r.out), image.Options{Transport: l.Transport(nil)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(file.Config.Cmd, " "); got != "python -m azureml_inference_server_http --entry_script score.py" {
		t.Errorf("its command is %s", got)
	}
	if got := file.Config.Env; !slices.Contains(got, "LEVEL=a b") || !slices.Contains(got, "WORKER_COUNT=2") || !slices.Contains(got, "AZUREML_ENTRY_SCRIPT=score.py") {
		t.Errorf("its variables are %s", got)
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
