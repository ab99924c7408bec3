// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// define registers an environment on environment:1, which has all packages, as the
// next version of its name.
func (w *world) define(name string) {
	w.t.Helper()
	w.folder(name, "azureml_environment.json", `{"name": "`+name+`", "environmentVariables": {"LEVEL": "3"},
		"docker": {"baseImage": "`+w.registry+`/environment:1"}, "python": {"userManagedDependencies": true}}`)
	r := w.fine(w.run("environment", "register", "-d", name))
	if want := "note: who can read the registry can read the variables of the environment: LEVEL\n"; r.err != want &&
		!strings.HasSuffix(r.err, "\n"+want) {
		w.t.Errorf("does not say %q: %s", want, r.err)
	}
}

// at is when an environment was registered.
var at = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

func TestAnEnvironmentsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.folder("sky", "azureml_environment.json", `{"name": "sky", "version": "Autosave_7", "docker": {"baseImage": "x"}}`)
	w.write("sky/conda_dependencies.yml", "dependencies:\n- python=3.11\n- pip:\n  - azureml-defaults\n")
	w.write("sky/score.py", "no part of it")
	const first = `note: version "Autosave_7" of the folder is taken, or no whole number of up to 9 digits: the environment ` +
		"is registered as sky:1\n"
	const stored = "{\n    \"docker\": {\n        \"baseImage\": \"x\"\n    },\n    \"name\": \"sky\",\n" +
		"    \"version\": \"1\"\n}\n"
	for _, step := range []struct {
		command, out, err string
	}{
		{"environment list", "[]\n", ""},
		{"environment register -d sky -w ws -g rg -t made.json --query id -o tsv", "sky:1\n", "note: not used: " +
			"--workspace-name, --resource-group; there is no workspace, models are in the registry and endpoints in the " +
			"cluster\n" +
			first},
		{"environment show -n sky -v 1 -o yaml", "docker:\n  baseImage: x\nname: sky\npython:\n  condaDependencies:\n" +
			"    dependencies:\n    - python=3.11\n    - pip:\n      - azureml-defaults\nversion: \"1\"\n", ""},
		{"environment download sky:1 --query url -o tsv", "oci://REGISTRY/environments/sky@DIGEST\n",
			"environment: sky:1 is in sky\n"},
		{"environment download -n sky -v 1 -d DIR/new -o none", "", "environment: sky:1 is in DIR/new\n"},
		{"environment register -d new --query id -o tsv", "sky:2\n",
			`note: version "1" of the folder is taken, or no whole number of up to 9 digits: the environment is registered as ` +
				"sky:2\n"},
		{"environment show sky --query version -o tsv", "2\n", ""},
		{"environment list -n sky --query [].[id,version] -o tsv", "sky:1\t1\nsky:2\t2\n", ""},
		{"environment list --query [1] -o yaml", "createdTime: TIME\nid: sky:2\nname: sky\n" +
			"url: oci://REGISTRY/environments/sky@DIGEST\nversion: 2\n", ""},
	} {
		if strings.HasPrefix(step.command, "environment download sky:1") {
			r := w.run(strings.Fields(step.command)...)
			if want := "is there already"; r.code != 1 || strings.Count(r.err, want) != 2 {
				t.Errorf("%s: exit code %d: %s", step.command, r.code, r.err)
			}
			step.command += " --overwrite"
			w.write("sky/BaseDockerfile", "FROM old")
		}
		r := w.run(strings.Fields(strings.ReplaceAll(step.command, "DIR", w.dir))...)
		out := strings.ReplaceAll(at.ReplaceAllString(w.plain(r.out), "TIME"), `"TIME"`, "TIME")
		if r.code != 0 || out != step.out || r.err != step.err {
			t.Errorf("%s: exit code %d\n%s\n%s\nwant\n%s\n%s", step.command, r.code, out, r.err, step.out, step.err)
		}
	}
	for file, want := range map[string]string{"sky/azureml_environment.json": stored, "new/azureml_environment.json": stored,
		"new/conda_dependencies.yml": "dependencies:\n- python=3.11\n- pip:\n  - azureml-defaults\n", "sky/score.py": "no part of it"} {
		if text, err := os.ReadFile(filepath.Join(w.dir, file)); string(text) != want {
			t.Errorf("%s: %s, %v", file, text, err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "sky/BaseDockerfile")); !os.IsNotExist(err) {
		t.Errorf("a file of another environment stays: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(w.dir, "made.json")); !strings.Contains(string(text), `"id": "sky:1"`) {
		t.Errorf("metadata %s, %v", text, err)
	}
}

// What is registered is what deploy, build and package take, by its name.
func TestARegisteredEnvironmentIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delete(w.env, "AML_ENVIRONMENT_IMAGE")
	w.define("sky")
	w.define("sky")
	w.env["AML_REGISTRY"] = w.registry + "/team"
	w.define("rain")
	const named = `{"entryScript": "score.py", "environment": {"name": "sky", "version": `
	w.write("first.json", named+`1}}`)
	w.write("highest.json", named+`null}}`)
	w.write("rain.json", `{"entryScript": "score.py", "environment": {"name": "rain"}}`)
	for command, version := range map[string]string{
		"build -e sky": "sky:2", "build -e sky -ev 1": "sky:1", "build --inference-config first.json": "sky:1",
		"deploy iris --dry-run client --inference-config highest.json":                  "sky:2",
		"deploy iris --dry-run client --entry-script score.py -e rain":                  "rain:1",
		"model package -m model.txt -es score.py -e sky --ev 1":                         "sky:1",
		"validate --inference-config first.json":                                        "sky:1",
		"model deploy -n sky-one -m model.txt -cp AKS -ic first.json --no-wait -e rain": "sky:1",
	} {
		where := " is registered in REGISTRY\n"
		if version == "rain:1" {
			where = " is registered in REGISTRY/team\n"
		}
		r := w.run(append(strings.Fields(command), "--global-registry", w.registry)...)
		if want := "environment: " + version + where; r.code != 0 || strings.Count(r.err, want) != 1 {
			t.Errorf("%s: exit code %d\n%s%s\nwant\n%s", command, r.code, r.out, r.err, want)
		}
		if strings.HasSuffix(command, "-e rain") && strings.HasPrefix(command, "model") &&
			!strings.Contains(r.err, "note: the environment in first.json goes before the one that flags name, as in Azure "+
				"ML\n") {
			t.Errorf("%s: %s", command, r.err)
		}
	}
	if values := w.values("sky-one"); !strings.Contains(values, `LEVEL: "3"`) {
		t.Errorf("without its variables:\n%s", values)
	}
	// An image in its place has the packages, and the variables are the environment's.
	w.push("environment:2")
	stand := []string{"--entry-script", "score.py", "-e", "rain", "--environment-image", w.registry + "/environment:2"}
	r := w.fine(w.run(append([]string{"deploy", "sky-two", "--wait=false"}, stand...)...))
	if want := "note: image REGISTRY/environment:2 is used, and of environment \"rain\" the variables\n"; !strings.Contains(
		w.plain(r.err), want) {
		t.Errorf("does not say %q: %s", want, r.err)
	}
	if values := w.values("sky-two"); !strings.Contains(values, `LEVEL: "3"`) {
		t.Errorf("without its variables:\n%s", values)
	}
	r = w.run(append([]string{"model", "package", "-m", "model.txt", "--query", "environment", "-o", "tsv"}, stand...)...)
	if !strings.Contains(r.out, w.registry+"/environment:2") {
		t.Errorf("another image: exit code %d\n%s%s", r.code, r.out, r.err)
	}
}

func TestWhatIsWrongWithEnvironmentsIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delete(w.env, "AML_ENVIRONMENT_IMAGE")
	w.define("sky")
	w.write("old.json", `{"entryScript": "score.py", "environment": {"name": "sky"}, "runtime": "python"}`)
	w.write("old-form.json", `{"entryScript": "score.py", "runtime": "python"}`)
	w.write("named.json", `{"entryScript": "score.py", "environment": {"name": "AzureML-Minimal", "version": "3"}}`)
	w.folder("bad", "azureml_environment.json", `{"docker": {"baseImage": "x", "baseImageRegistry": {"address": "a.io",
		"username": "u", "password": "geheim"}}, "python": {"condaDependencies": {"dependencies": ["a b c[", {"pip": ["-x"]}]}}}`)
	w.folder("empty", "score.py", "")
	const register = ": register it with kubectl aml environment register, give its folder with --environment-directory, or " +
		"deploy with --environment-image and an image that has everything"
	const both = "runtime: cannot be given together with an environment: move it into the environment and remove it here"
	for name, c := range map[string]struct {
		command string
		code    int
		want    string
	}{
		"nothing to register": {"environment register", 2, "there is nothing to register: name the folder of an environment " +
			"with --directory"},
		"a folder without files": {"environment register -d empty", 1,
			"empty/azureml_environment.json: does not exist: give the folder that has it, as Azure ML saved it\n" +
				"empty/azureml_environment.json: name: is not there, and the environment is registered under it: write a name in quotes"},
		"a folder that is none": {"environment register -d nowhere", 1,
			"nowhere/azureml_environment.json: does not exist: give the folder that has it, as Azure ML saved it\n" +
				"nowhere/azureml_environment.json: name: is not there, and the environment is registered under it: write a name in quotes"},
		"a name": {"environment show rain", 1, `no environment "rain" is registered in REGISTRY: correct the name, or register ` +
			"it with kubectl aml environment register"},
		"a version": {"environment show sky -v 7", 1, "environment sky:7 is not registered in REGISTRY: there are the versions 1"},
		"no number": {"environment show sky:latest", 2, `environment "sky" has the version "latest": write a whole number ` +
			"from 1, or none for the highest; see kubectl aml environment list"},
		"two versions": {"environment show sky:1 -v 2", 2, "environment sky:1 has a version, and --version is 2: leave one out"},
		"no environment": {"environment show", 2, "0 environments named where 1 belongs: write kubectl aml environment show " +
			"NAME[:VERSION] [flags]"},
		"one of a flag": {"build -e rain -ev 3 --global-registry REGISTRY/team", 1, `--environment-name: no environment "rain" ` +
			"is registered in REGISTRY, REGISTRY/team" + register},
		"one of a file": {"deploy iris --inference-config named.json", 1,
			`named.json:1:44: environment: no environment "AzureML-Minimal" is registered in REGISTRY` + register},
		"a version of a flag": {"build -e sky -ev 4 --global-registry REGISTRY/team", 1,
			"--environment-name: environment sky:4 is not registered in REGISTRY: there are the versions 1" + register},
		"a version alone": {"build -ev 4", 1, "--environment-version: is of an environment that has no name: give that with " +
			"--environment-name"},
		"two forms in a file": {"deploy iris --inference-config old.json", 1, "old.json:1:72: " + both},
		"two forms":           {"deploy iris --inference-config old-form.json -e sky", 1, "old-form.json:1:40: " + both},
	} {
		r := w.run(strings.Fields(strings.ReplaceAll(c.command, "REGISTRY", w.registry))...)
		_, told, _ := strings.Cut(r.err, "error: ")
		if r.code != c.code || strings.TrimSpace(told) != c.want || r.out != "" {
			t.Errorf("%s: exit code %d, want %d\n%s%s\nwant\n%s", name, r.code, c.code, r.out, r.err, c.want)
		}
	}
	r := w.run("environment", "register", "-d", "bad")
	for _, want := range []string{"name: is not there", "docker.baseImageRegistry.password: would be read by all",
		`dependencies[0]: "a b c[" is no package as conda reads it`, "bad/azureml_environment.json"} {
		if r.code != 1 || !strings.Contains(r.err, want) || strings.Contains(r.err, "geheim") {
			t.Errorf("exit code %d, does not say %q:\n%s", r.code, want, r.err)
		}
	}
	r = w.run("environment", "register", "-d", "sky", "-t", "nowhere/made.json")
	if want := "error: environment sky:2 is registered, but the metadata file cannot be written: "; r.code != 1 ||
		!strings.Contains(r.err, want) {
		t.Errorf("exit code %d, does not say %q:\n%s", r.code, want, r.err)
	}
	r = w.run("validate", "--inference-config", "named.json", "--offline")
	if want := "note: environment \"AzureML-Minimal\" was not looked up\n"; r.code != 0 || !strings.Contains(r.err, want) {
		t.Errorf("validate --offline: exit code %d\n%s", r.code, r.err)
	}
}

// Without a registry they are in the folder of this machine, as models are.
func TestWithoutARegistryEnvironmentsAreInAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delete(w.env, "AML_REGISTRY")
	w.env["AML_LAYOUT"] = filepath.Join(w.dir, "images")
	w.define("sky")
	r := w.run("environment", "list", "--query", "[].id", "-o", "tsv")
	if r.code != 0 || r.out != "sky:1\n" || r.err != "environment: no registry: environments are in DIR/images\n" {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}

// A folder that could not be written as a whole has no definition, and is refused by
// all who read it.
func TestAnIncompleteFolderIsNoEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.define("sky")
	w.folder("old", "azureml_environment.json", `{"name": "old"}`)
	w.folder("old/conda_dependencies.yml", "more", "what --overwrite does not remove")
	r := w.run("environment", "download", "sky", "-d", "old", "--overwrite")
	if r.code != 1 || !strings.Contains(r.err, "conda_dependencies.yml") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "old/azureml_environment.json")); !os.IsNotExist(err) {
		t.Errorf("it has a definition: %v", err)
	}
}

// What stands for an environment does so where there is none, and not where nobody
// knows: it would be without its variables.
func TestAnEnvironmentThatIsNotThereIsStoodFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.define("sky")
	w.write("sky.json", `{"entryScript": "score.py", "environment": {"name": "sky", "version": "1"}}`)
	w.write("rain.json", `{"entryScript": "score.py", "environment": {"name": "rain", "version": "3"}}`)
	w.folder("folder", "azureml_environment.json", `{"environmentVariables": {"LEVEL": "of the folder"}, "docker": {
		"baseImage": "`+w.registry+`/environment:1"}, "python": {"userManagedDependencies": true}}`)
	ready := w.env["AML_ENVIRONMENT_IMAGE"]
	delete(w.env, "AML_ENVIRONMENT_IMAGE")
	var status atomic.Int32
	status.Store(http.StatusBadRequest)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(server.Close)
	registry := strings.TrimPrefix(server.URL, "http://")
	validate := func(args ...string) said {
		return w.run(append([]string{"validate", "--inference-config"}, args...)...)
	}
	const nowhere = `note: no environment "rain" is registered in REGISTRY: `
	for _, c := range []struct {
		args string
		said string
	}{
		{"rain.json --environment-directory folder", nowhere + "folder folder is used\n"},
		{"rain.json --environment-image " + ready, nowhere + "image REGISTRY/environment:1 is used\n"},
		{"sky.json --environment-directory folder", "goes before the environment given as a flag"},
		{"sky.json --environment-directory folder -e rain", "--environment-directory goes before --environment-name"},
	} {
		if r := validate(strings.Fields(c.args)...); r.code != 0 || !strings.Contains(w.plain(r.out+r.err), c.said) {
			t.Errorf("%s: exit code %d\n%s%s\nwant\n%s", c.args, r.code, r.out, r.err, c.said)
		}
	}
	w.fine(w.run("deploy", "sky", "--wait=false", "--inference-config", "rain.json", "--environment-directory", "folder"))
	if values := w.values("sky"); !strings.Contains(values, "LEVEL: of the folder") {
		t.Errorf("without its variables:\n%s", values)
	}
	deploy := func() said {
		return w.run("deploy", "iris", "--dry-run", "client", "--registry", registry, "--inference-config", "sky.json",
			"--environment-image", ready)
	}
	r := deploy()
	if want := "environment: cannot read " + registry + "/environments/sky:1: "; r.code != 1 || !strings.Contains(r.err, want) ||
		strings.Contains(r.err, "register it") {
		t.Errorf("no answer: exit code %d: %s", r.code, r.err)
	}
	status.Store(http.StatusForbidden)
	if r = deploy(); !strings.Contains(w.plain(r.err), ": image REGISTRY/environment:1 is used\n") {
		t.Errorf("no right: exit code %d: %s", r.code, r.err)
	}
}
