// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"reflect"
	"strings"
	"testing"
)

// dumped is an environment as the SDK writes it, with all keys it knows.
const dumped = `{"entryScript": "score.py", "sourceDirectory": "./src", "environment": {
  "name": "env", "version": "3", "assetId": null, "environmentVariables": {"A": "x", "B": 1, "C": true, "D": 0.10},
  "python": {"interpreterPath": "python", "userManagedDependencies": false, "condaDependenciesFile": null,
    "baseCondaEnvironment": null, "condaDependencies": {"name": "project_environment", "channels": ["anaconda"],
      "dependencies": ["python=3.8.13", {"pip": ["azureml-defaults~=1.61", "scikit-learn"]}, "numpy"],
      "variables": {"E": "f"}, "prefix": "/opt"}},
  "docker": {"enabled": false, "baseImage": "mcr.microsoft.com/x", "baseDockerfile": null, "sharedVolumes": true,
    "shmSize": "2g", "arguments": ["-v"], "platform": {"os": "Linux", "architecture": "amd64"},
    "baseImageRegistry": {"address": "a.azurecr.io", "username": "u", "password": "p", "registryIdentity": null},
    "buildContext": null},
  "spark": {"repositories": []}, "databricks": {"mavenLibraries": []}, "r": null, "inferencingStackVersion": "latest"}}`

func TestReadInferenceConfig(t *testing.T) {
	t.Parallel()
	c, findings := ReadInferenceConfig("i.json", []byte(dumped))
	expect(t, "findings", told(findings), "warning: i.json:8:35: environment.docker.arguments: "+
		"has no effect: Docker does not run the container\n")
	no := false
	want := InferenceConfig{
		EntryScript: "score.py", SourceDirectory: "./src",
		Environment: &Environment{
			Name: "env", Version: "3", Variables: map[string]string{"A": "x", "B": "1", "C": "true", "D": "0.10"},
			Python: Python{InterpreterPath: "python", UserManagedDependencies: &no, CondaDependencies: &CondaDependencies{
				Name: "project_environment", Channels: []string{"anaconda"}, Dependencies: []string{"python=3.8.13", "numpy"},
				Pip: []string{"azureml-defaults~=1.61", "scikit-learn"}, Variables: map[string]string{"E": "f"}, Prefix: "/opt"}},
			Docker: Docker{BaseImage: "mcr.microsoft.com/x", OS: "Linux", Architecture: "amd64", ShmSize: "2g",
				Arguments: []string{"-v"}, BaseImageRegistry: ImageRegistry{"a.azurecr.io", "u", "p"}},
			InferencingStackVersion: "latest",
		},
	}
	c.source = nil
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\n%+v\nwant\n%+v\n%+v", c, c.Environment, want, want.Environment)
	}
}

func TestReadInferenceConfigOldForm(t *testing.T) {
	t.Parallel()
	c, findings := ReadInferenceConfig("i.yml", []byte("entryScript: score.py\nruntime: Python\ncondaFile: conda.yml\n"+
		"extraDockerfileSteps: steps\nenableGpu: true\ncudaVersion: '10.0'\nbaseImage: x\nsourceDirectory: ~\n"))
	expect(t, "findings", told(findings), "")
	yes := true
	want := InferenceConfig{EntryScript: "score.py", Old: OldForm{Runtime: "Python", CondaFile: "conda.yml",
		ExtraDockerfileSteps: "steps", EnableGPU: &yes, CUDAVersion: "10.0", BaseImage: "x"}}
	c.source = nil
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

func TestReadInferenceConfigFindings(t *testing.T) {
	t.Parallel()
	const script = `"entryScript": "score.py", `
	const conda = `"environment": {"python": {"condaDependencies": `
	const defaults = `warning: i.json:1:77: environment.python.condaDependencies: has no pip package azureml-defaults, ` +
		"which brings the scoring server: add it below \"pip\"; an image that is built gets the server without it\n"
	const package1 = `: write ["python=3.8", {"pip": ["azureml-defaults"]}]` + "\n"
	cases := map[string]struct{ keys, want string }{
		"a script alone": {`"entryScript": "score.py"`, ""},
		"no script": {`"sourceDirectory": "."`, "i.json:1:1: entryScript: is required: " +
			"write the path of the score script, such as \"score.py\"\n"},
		"an empty script": {`"entryScript": ""`, "i.json:1:17: entryScript: is required: " +
			"write the path of the score script, such as \"score.py\"\n"},
		"a script that is no text": {`"entryScript": 1`, "i.json:1:17: entryScript: must be text, not 1: " +
			"write the path of the score script, such as \"score.py\"\n"},
		"an unknown key": {script + `"sourceDir": ".", "entry_script": "x", "description": "d"`,
			"warning: i.json:1:29: sourceDir: is not a key that is known here and is ignored: did you mean \"sourceDirectory\"?\n" +
				"warning: i.json:1:47: entry_script: is not a key that is known here and is ignored: did you mean \"entryScript\"?\n" +
				"warning: i.json:1:68: description: has no effect in the file, as in Azure ML: give it as a flag\n"},
		"an unknown key of an environment": {script + `"environment": {"condaDependencies": {}, "docker": {"base_image": "x"}}`,
			"warning: i.json:1:45: environment.condaDependencies: is ignored: write \"condaDependencies\" in environment.python\n" +
				"warning: i.json:1:81: environment.docker.base_image: is not a key that is known here and is ignored: " +
				"did you mean \"baseImage\"?\n"},
		"both forms": {script + `"environment": {"r": {}}, "runtime": "python", "condaFile": "c.yml", "enableGpu": false`,
			"i.json:1:66: runtime: cannot be given together with an environment: move it into the environment and remove it here\n" +
				"i.json:1:89: condaFile: cannot be given together with an environment: move it into the environment and remove it here\n"},
		"an empty environment": {script + `"environment": {"python": null, "docker": null}`,
			"i.json:1:44: environment: has nothing in it: " + writeInFull + "\n"},
		"an environment without python": {script + `"environment": {"python": null, "docker": {"baseImage": "x"}}`, ""},
		"an environment that is a name": {script + `"environment": "env"`,
			"i.json:1:44: environment: \"env\" is only the name of an environment: " +
				writeInFull + "\n"},
		"an environment of a workspace": {script + `"environment": {"name": "env", "version": "3"}`,
			"i.json:1:44: environment: \"env:3\" is only the name of an environment: " +
				writeInFull + "\n"},
		"an environment that is a list": {script + `"environment": []`,
			"i.json:1:44: environment: must be an object, not a list: " + writeInFull + "\n"},
		"what is passed on": {script + `"environment": {"python": {"condaDependenciesFile": "c.yml", "baseCondaEnvironment": "b"}}`,
			"warning: i.json:1:81: environment.python.condaDependenciesFile: " +
				"is not read, as in Azure ML: write the packages into condaDependencies\n"},
		"an unknown runtime": {script + `"runtime": "java", "cudaVersion": "11.8"`,
			"i.json:1:40: runtime: must be one of python, spark-py, python-slim, not \"java\": write \"python\"\n" +
				"i.json:1:63: cudaVersion: must be one of 9.0, 9.1, 10.0, not \"11.8\": " +
				"write the version in quotes, such as \"10.0\"\n"},
		"a cuda version without quotes": {script + `"cudaVersion": 10.0`,
			"i.json:1:44: cudaVersion: must be text, not 10.0: write the version in quotes, such as \"10.0\"\n"},
		"an image twice": {script + `"environment": {"docker": {"baseImage": "x", "baseDockerfile": "FROM x"}}`,
			"i.json:1:92: environment.docker.baseDockerfile: cannot be given together with baseImage: remove one of the two\n"},
		"half a login": {script + `"environment": {"docker": {"baseImageRegistry": {"username": "u", "password": 1}}}`,
			"warning: i.json:1:56: environment.docker.baseImageRegistry: is no login without address, username and password: write all three\n" +
				"i.json:1:107: environment.docker.baseImageRegistry.password: must be text in quotes: write the password in quotes\n"},
		"what is not supported": {script + `"environment": {"docker": {"buildContext": {}, "platform": {"architecture": "arm64"}}}`,
			"warning: i.json:1:56: environment.docker.buildContext: is not supported: " +
				"build the image yourself and name it in baseImage\n" +
				"i.json:1:105: environment.docker.platform.architecture: must be one of amd64, not \"arm64\": write \"amd64\"\n"},
		"variables": {script + `"environment": {"environmentVariables": {"A": null, "B": [], "C=D": "", "AZUREML_MODEL_DIR": "x"}}`,
			"warning: i.json:1:75: environment.environmentVariables.A: is null and left out: write \"\" for an empty value\n" +
				"i.json:1:86: environment.environmentVariables.B: must be text, not a list: write it in quotes\n" +
				"i.json:1:90: environment.environmentVariables.C=D: must be a name without \"=\": rename the variable\n" +
				"warning: i.json:1:101: environment.environmentVariables.AZUREML_MODEL_DIR: " +
				"is set by the deployment, this value has no effect: remove it\n"},
		"conda without azureml-defaults": {script + conda + `{"dependencies": ["python", {"pip": ["numpy"]}]}}}`, defaults},
		"conda with its twin":            {script + conda + `{"dependencies": [{"pip": ["AzureML_Defaults[x]>=1"]}]}}}`, ""},
		"conda that is a path": {script + conda + `"conda.yml"}}`,
			"i.json:1:77: environment.python.condaDependencies: must be an object, not the text \"conda.yml\": " +
				"write {\"channels\": […], \"dependencies\": […]}\n"},
		"conda with an unknown key": {script + conda + `{"pip": ["azureml-defaults"], "dependencies": null}}}`,
			defaults + "i.json:1:78: environment.python.condaDependencies.pip: is not a key of a conda file: " +
				"write one of name, channels, dependencies, prefix, variables\n"},
		"conda with wrong dependencies": {script + conda + `{"channels": "x", "dependencies": [1, {"npm": []}, {"pip": [2]}, {"pip": "a"}]}}}`,
			defaults + "i.json:1:90: environment.python.condaDependencies.channels: must be a list, not the text \"x\": " +
				"write [\"conda-forge\"]\n" +
				"i.json:1:112: environment.python.condaDependencies.dependencies: must hold package names and one " +
				"{\"pip\": […]}, not 1" + package1 +
				"i.json:1:115: environment.python.condaDependencies.dependencies: must hold package names and one " +
				"{\"pip\": […]}, not an object" + package1 +
				"i.json:1:137: environment.python.condaDependencies.dependencies: must hold package names, not 2" + package1 +
				"i.json:1:150: environment.python.condaDependencies.dependencies: must have a list of package names " +
				"for \"pip\", not the text \"a\"" + package1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadInferenceConfig("i.json", []byte("{"+c.keys+"}"))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

func TestReadYAMLWithAnchors(t *testing.T) {
	t.Parallel()
	c, findings := ReadInferenceConfig("i.yml", []byte(`entryScript: &script score.py
sourceDirectory: !!str 2024
environment:
  name: *script
  environmentVariables: &more {A: 1, B: "2"}
  python:
    condaDependencies:
      dependencies: [python, {pip: [azureml-defaults]}]
      variables:
        <<: *more
        B: "3"
`))
	expect(t, "findings", told(findings), "")
	if got := c.Environment.Python.CondaDependencies.Variables; !reflect.DeepEqual(got, map[string]string{"A": "1", "B": "3"}) {
		t.Errorf("variables %v", got)
	}
	if c.SourceDirectory != "2024" || c.Environment.Name != "score.py" {
		t.Errorf("read %+v, %+v", c, c.Environment)
	}
	_, findings = ReadInferenceConfig("i.yml", []byte("entryScript: score.py\nenvironment: *gone\n"))
	expect(t, "findings", told(findings),
		"i.yml:2:14: is neither valid JSON nor valid YAML: alias *gone has no anchor before it\n")
}

func FuzzReadInferenceConfig(f *testing.F) {
	for _, seed := range []string{
		dumped, "entryScript: score.py\nruntime: python\n", "environment: &e\n  python: *e\n", "environment: {docker: {arguments: [[]]}}",
		"entryScript: >-\n  a\n  b\nenvironment:\n  environmentVariables:\n    <<: [{a: 1}, {b: 2}]\n", "{\"environment\": []}", "? &a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, findings := ReadInferenceConfig("i", src)
		for _, f := range findings {
			if f.File != "i" || f.Message == "" || strings.ContainsAny(f.Message, "\n\r") {
				t.Errorf("finding %#v", f)
			}
		}
		if findings.Err() == nil && c.EntryScript == "" {
			t.Errorf("no entry script and no error in %q", src)
		}
	})
}
