// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/yaml"
)

// register registers model.txt as the next version of a model.
func (w *world) register(args ...string) said {
	w.t.Helper()
	return w.run(append([]string{"model", "register", "--name", "diabetes", "-p", "model.txt"}, args...)...)
}

func TestAModelsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	for _, step := range []struct {
		command, out, err string
	}{
		{"model list", "[]\n", ""},
		{"model register --name diabetes -p model.txt --model-framework ScikitLearn --model-framework-version 1.5 " +
			"--tag stage=test --tag old=1 --property area=sky --cpu-cores 0.5 --run-id r1 --query [id,tags] -o jsonc",
			"[\n  \"diabetes:1\",\n  {\n    \"old\": \"1\",\n    \"stage\": \"test\"\n  }\n]\n",
			"model: reading model diabetes:1\nmodel: pushing to REGISTRY/models/diabetes\n"},
		{"model register --name diabetes --model-path DIR/model.txt -d better -w ws -g rg --path . --query id -o tsv",
			"diabetes:2\n", "note: not used: --workspace-name, --resource-group, --path; there is no workspace, " +
				"models are in the registry and endpoints in the cluster\n" +
				"model: reading model diabetes:2\nmodel: pushing to REGISTRY/models/diabetes\n"},
		{"model list --query [].[id,framework,description] -o tsv", "diabetes:1\tScikitLearn\t\ndiabetes:2\tNone\tbetter\n", ""},
		{"model list -l --query [].id -o tsv", "diabetes:2\n", ""},
		{"model list --tag stage --query [].id -o tsv", "diabetes:1\n", ""},
		{"model list --tag stage=live --property area", "[]\n", ""},
		{"model list --model-name iris -o json", "[]\n", ""},
		{"model show diabetes --query id -o tsv", "diabetes:2\n", ""},
		{"model show --model-name diabetes --run-id r1 --query id -o tsv", "diabetes:1\n", ""},
		{"model update -i diabetes:1 --add-tag stage=live --remove-tag old --add-property p=q --memory-gb 2 " +
			"--description first --query tags.stage", "\"live\"\n", ""},
		{"model show diabetes:1 -o yaml", "createdTime: TIME\ndescription: first\nframework: ScikitLearn\n" +
			"frameworkVersion: \"1.5\"\nid: diabetes:1\nname: diabetes\nproperties:\n  area: sky\n  p: q\n" +
			"resourceConfiguration:\n  cpu: 0.5\n  memoryInGB: 2\nrunId: r1\nsizeInBytes: 4608\ntags:\n  stage: live\n" +
			"url: oci://REGISTRY/models/diabetes@DIGEST\nversion: 1\n", ""},
		{"model download -i diabetes:1 -t got --query id -o tsv", "diabetes:1\n", "model: diabetes:1 is in DIR/got/model.txt\n"},
		{"model delete -i diabetes:2 --query id -o tsv", "diabetes:2\n", ""},
		{"model list --query [].id -o tsv", "diabetes:1\n", ""},
	} {
		r := w.run(strings.Fields(strings.ReplaceAll(step.command, "DIR", w.dir))...)
		out := clock.ReplaceAllString(w.plain(r.out), "TIME")
		out = strings.ReplaceAll(out, `"TIME"`, "TIME")
		if r.code != 0 || out != step.out || r.err != step.err {
			t.Errorf("%s: exit code %d\n%s\n%s\nwant\n%s\n%s", step.command, r.code, out, r.err, step.out, step.err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(w.dir, "got/model.txt")); string(text) != "sky\n" {
		t.Errorf("downloaded %q, %v", text, err)
	}
}

func TestDeployTakesRegisteredModels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.register("-t", "model.json", "-w", "ws", "-g", "rg"); r.code != 0 {
		t.Fatal(r.err)
	}
	if text, err := os.ReadFile(filepath.Join(w.dir, "model.json")); string(text) != "{\n  \"modelId\": \"diabetes:1\",\n"+
		"  \"workspaceName\": \"ws\",\n  \"resourceGroupName\": \"rg\"\n}\n" {
		t.Errorf("metadata %s, %v", text, err)
	}
	w.register()
	for name, c := range map[string]struct {
		models []string
		want   string
	}{
		"a version":             {[]string{"-m", "diabetes:1"}, "models:\n    - diabetes:1\n"},
		"the highest":           {[]string{"-m", "diabetes"}, "models:\n    - diabetes:2\n"},
		"it and the first":      {[]string{"-m", "diabetes", "-m", "diabetes:1"}, "models:\n    - diabetes:1\n    - diabetes:2\n"},
		"a metadata file":       {[]string{"-f", "model.json"}, "models:\n    - diabetes:1\n"},
		"two versions":          {[]string{"-f", "model.json", "-m", "diabetes:2"}, "models:\n    - diabetes:1\n    - diabetes:2\n"},
		"a file and a model":    {[]string{"-m", "model.txt", "-m", "diabetes"}, "models:\n    - diabetes:2\n    - local/model.txt:1\n"},
		"a file with a version": {[]string{"-m", "diabetes:7=model.txt"}, "models:\n    - local/diabetes:7\n"},
	} {
		endpoint := strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "the-", "")
		for _, dryRun := range []string{"client", "none"} {
			r := w.run(append([]string{"deploy", endpoint, "--version-name", "blue", "--wait=false", "--dry-run", dryRun,
				"--entry-script", "score.py", "-o", "yaml"}, c.models...)...)
			if highest := strings.Contains(r.err, "image: model diabetes is diabetes:2, its highest version\n"); highest !=
				slices.Contains(c.models, "diabetes") {
				t.Errorf("%s: says %s", name, r.err)
			}
			if r.code != 0 || dryRun == "client" && !strings.Contains(r.out, "endpoint") {
				t.Fatalf("%s: exit code %d: %s", name, r.code, r.err)
			}
		}
		values := w.values(endpoint)
		if !strings.Contains(values, c.want) {
			t.Errorf("%s: values\n%s\nwant\n%s", name, values, c.want)
		}
	}
	r := w.run("model", "delete", "diabetes:1")
	want := "error: model diabetes:1 is run by version blue of endpoint models/a-metadata-file, by version blue of endpoint " +
		"models/a-version, by version blue of endpoint models/it-and-first, " +
		"by version blue of endpoint models/two-versions: delete or replace the version first\n"
	if r.code != 1 || r.err != want {
		t.Errorf("delete: exit code %d\n%s\nwant\n%s", r.code, r.err, want)
	}
}

func TestWhatIsWrongWithModelsIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.write("bad.json", `{"modelId": "diabetes", "workspace": "x"}`)
	for name, c := range map[string]struct {
		command string
		code    int
		want    string
	}{
		"nothing to register": {"model register", 2, "the model has no name: give it one with --name\n" +
			"there is nothing to register: name a file or folder with --model-path"},
		"what needs a workspace": {"model register --name a --asset-path outputs/m.pkl -f run.json", 2,
			"--asset-path is in a run of a workspace, and there is no workspace: download the files and name them with " +
				"--model-path\n--run-metadata-file is of a run in a workspace, and there is no workspace: name the run with " +
				"--run-id and --experiment-name"},
		"a tag": {"model register --name a -p model.txt --tag x", 2, `--tag "x": write NAME=VALUE`},
		"a path": {"model register --name a -p absent.pkl", 1,
			"model a:1: DIR/absent.pkl does not exist: write the path of a file or folder"},
		"a model":   {"model show iris", 1, `no model "iris" is registered in REGISTRY: correct the name, or register it`},
		"a version": {"model show diabetes:9", 1, "model diabetes:9 is not registered in REGISTRY: there are the versions 1"},
		"no model":  {"model show", 2, "0 models named where 1 belongs: write kubectl aml model show NAME[:VERSION] [flags]"},
		"two":       {"model show a -i b", 2, "2 models named where 1 belongs: write kubectl aml model show NAME[:VERSION] [flags]"},
		"a reference": {"model show a:b", 2, `model "a:b": is no registered model: write NAME or NAME:VERSION, the name in ` +
			"up to 255 letters, digits, -, . and _, the version a whole number from 1"},
		"a format": {"model list -o wide", 2, `output format "wide" is not known here: write one of json, jsonc, yaml, yamlc, table, tsv, none`},
		"deletion without a version": {"model delete diabetes", 2, `model "diabetes" has no version: write ` +
			"diabetes:VERSION, so that no other is deleted"},
		"a property": {"model update diabetes --add-property x", 2, `--add-property "x": write NAME=VALUE`},
		"no such run": {"model show diabetes --run-id r", 1, "no version of model diabetes has the run, tags and properties " +
			"asked for: see kubectl aml model list --model-name diabetes"},
		"a metadata file": {"deploy iris --entry-script score.py -f bad.json", 1,
			`bad.json:1:13: modelId: must be NAME:VERSION, not "diabetes": write the model and its version, such as "sentiment:3"`},
		"a file": {"deploy iris --entry-script score.py -m nope.pkl", 1, `no model "nope.pkl" is registered in REGISTRY: ` +
			"correct the name, or register it; nor is there a file or folder DIR/nope.pkl"},
		"what is said of it": {"model register --name a -p model.txt --model-framework x --cpu-cores -1 --tag y", 2,
			"--tag \"y\": write NAME=VALUE\nframework \"x\" is not known: write one of Custom, Multi, Onnx, PyTorch, " +
				"ScikitLearn, TensorFlow, TfKeras\nresources must be greater than 0: cpu in cores, memory in GB, gpu a whole number"},
		"a deployment": {"deploy iris --entry-script score.py -m diabetes:4 --dry-run client", 1,
			"model diabetes:4 is not registered in REGISTRY: there are the versions 1"},
	} {
		r := w.run(strings.Fields(c.command)...)
		_, told, _ := strings.Cut(r.err, "error: ")
		if r.code != c.code || strings.TrimSpace(told) != c.want || r.out != "" {
			t.Errorf("%s: exit code %d, want %d\n%s%s\nwant\n%s", name, r.code, c.code, r.out, r.err, c.want)
		}
	}
	if r := w.run("model", "list", "--registry", ""); r.code != 2 || r.err != "error: no registry to look into: name one "+
		"with --registry or AML_REGISTRY\n" {
		t.Errorf("without a registry: exit code %d: %s", r.code, r.err)
	}
}

func TestModelsAreCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.register()
	w.register("--name", "iris")
	for _, name := range []string{"sky", "rain", "sky"} {
		w.define(name)
	}
	for args, want := range map[string]string{
		"model show ":                                     "diabetes:2\niris:1\n:4\n",
		"model show iris":                                 "diabetes:2\niris:1\n:4\n",
		"model show diabetes:":                            "diabetes:1\ndiabetes:2\n:4\n",
		"model delete diabetes:1 ":                        ":4\n",
		"model download -i ":                              "diabetes:2\niris:1\n:4\n",
		"model list --model-name ":                        "diabetes\niris\n:4\n",
		"deploy x -m ":                                    "diabetes:2\niris:1\n:0\n",
		"model package -m iris:":                          "iris:1\n:0\n",
		"model list --registry localhost:1 --model-name ": ":4\n",
		"model show -o ":                                  "json\njsonc\nyaml\nyamlc\ntable\ntsv\nnone\n:4\n",
		"build --dry-run=":                                "none\nclient\n:4\n",
		"build ":                                          ":4\n",
		"build -e ":                                       "rain\nsky\n:4\n",
		"deploy x -e sky --environment-version ":          "1\n2\n:36\n",
		"deploy x --environment-version ":                 ":4\n",
		"environment show ":                               "rain\nsky\n:4\n",
		"environment show sky ":                           ":4\n",
		"environment download -n sky --version ":          "1\n2\n:36\n",
		"environment show sky --version ":                 "1\n2\n:36\n",
		"environment list -n ":                            "rain\nsky\n:4\n",
		"environment register -d ":                        ":16\n",
	} {
		if r := w.run(append([]string{"__completeNoDesc"}, strings.Split(args, " ")...)...); r.out != want {
			t.Errorf("%s: %s, want %s", args, r.out, want)
		}
	}
}

// Without a registry, models are in a folder; images of them can be made, but get
// only into the nodes of kind.
func TestWithoutARegistryModelsAreInAFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ variable, folder, want string }{
		"named by AML_LAYOUT":    {"AML_LAYOUT", "images", "images"},
		"in the data folder":     {"XDG_DATA_HOME", "data", "data/kubectl-aml/images"},
		"in the home by default": {"HOME", "home", "home/.local/share/kubectl-aml/images"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			delete(w.env, "AML_REGISTRY")
			w.env[c.variable] = filepath.Join(w.dir, c.folder)
			if r := w.register("--query", "id", "-o", "tsv"); r.code != 0 || r.out != "diabetes:1\n" || r.err !=
				"model: no registry: models are in DIR/"+c.want+"\nmodel: reading model diabetes:1\n"+
					"model: pushing to layout.localhost/models/diabetes\n" {
				t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
			}
			if _, err := os.Stat(filepath.Join(w.dir, c.want, "index.json")); err != nil {
				t.Error(err)
			}
			if r := w.run("model", "list", "--query", "[].id", "-o", "tsv"); r.code != 0 || r.out != "diabetes:1\n" {
				t.Errorf("list: exit code %d: %s%s", r.code, r.out, r.err)
			}
			if r := w.run("deploy", "iris", "--entry-script", "score.py", "-m", "diabetes", "--dry-run", "client"); r.code != 0 ||
				!strings.Contains(r.err, "image: layout.localhost/iris@DIGEST") {
				t.Errorf("dry run: exit code %d: %s", r.code, r.err)
			}
			r := w.run("deploy", "iris", "--entry-script", "score.py", "-m", "diabetes")
			want := "error: no registry is named, and the nodes of this cluster cannot take images from this machine, as those " +
				"of kind can: name a registry that they pull from with --registry or AML_REGISTRY\n"
			if r.code != 1 || r.err != want {
				t.Errorf("deploy: exit code %d: %s", r.code, r.err)
			}
		})
	}
}

func TestWithoutAHomeThereIsNoFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delete(w.env, "AML_REGISTRY")
	want := "error: no folder for images and models: HOME is not set: name one with AML_LAYOUT, or a registry with " +
		"--registry or AML_REGISTRY\n"
	for _, command := range []string{"model list", "model package -m model.txt -es score.py",
		"deploy iris --entry-script score.py -m model.txt"} {
		if r := w.run(strings.Fields(command)...); r.code != 2 || r.err != want {
			t.Errorf("%s: exit code %d: %s", command, r.code, r.err)
		}
	}
	w.env["AML_LAYOUT"] = "images"
	if r := w.register(); r.code != 0 || !strings.HasPrefix(r.err, "model: no registry: models are in DIR/images\n") {
		t.Errorf("a folder from here: exit code %d: %s", r.code, r.err)
	}
}

// values are those of an endpoint's release, as YAML.
func (w *world) values(endpoint string) string {
	w.t.Helper()
	s, err := w.connect(genericclioptions.NewConfigFlags(true))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := s.Releases.Get(w.t.Context(), endpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := yaml.Marshal(r.Values)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}
