// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func TestReadEnvironmentDirectory(t *testing.T) {
	t.Parallel()
	e, findings := ReadEnvironmentDirectory("env", folder(map[string]string{
		definitionFile: `{"name": "env", "version": 2, "environmentVariables": {"A": 1}, "docker": {"baseDockerfile": null},
  "python": {"condaDependencies": {"dependencies": ["python=3.7"]}, "userManagedDependencies": false}}`,
		condaFile:  "name: project\nchannels: [conda-forge]\ndependencies:\n- python=3.8\n- pip:\n  - azureml-defaults\n",
		dockerfile: "FROM x\nRUN y\n",
	}))
	expect(t, "findings", told(findings), "")
	no := false
	want := Environment{Name: "env", Version: "2", Variables: map[string]string{"A": "1"},
		Python: Python{UserManagedDependencies: &no, CondaDependencies: &CondaDependencies{Name: "project",
			Channels: []string{"conda-forge"}, Dependencies: []string{"python=3.8"}, Pip: []string{"azureml-defaults"}}},
		Docker: Docker{BaseDockerfile: "FROM x\nRUN y\n"}}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("got\n%+v\nwant\n%+v", e, want)
	}
}

func TestReadEnvironmentDirectoryFindings(t *testing.T) {
	t.Parallel()
	const image = `{"docker": {"baseImage": "x"}}`
	const both = "cannot be given together with baseImage: remove one of the two\n"
	const noDefaults = `has no pip package azureml-defaults, which brings the scoring server: add it below "pip"; an image that is built gets the server without it` + "\n"
	const named = `"env" is only the name of an environment: ` + writeInFull + "\n"
	cases := map[string]struct {
		files map[string]string
		want  string
	}{
		"a definition alone": {map[string]string{definitionFile: image}, ""},
		"no definition": {map[string]string{condaFile: "name: x\n"},
			"env/azureml_environment.json: does not exist: give the folder that has it, as Azure ML saved it\n" +
				"warning: env/conda_dependencies.yml:1:1: " + noDefaults},
		"a definition that is YAML": {map[string]string{definitionFile: "docker: {baseImage: x}"},
			"env/azureml_environment.json:1:1: is not valid JSON: invalid character 'd' looking for beginning of value\n"},
		"a definition that is a list": {map[string]string{definitionFile: "[]"},
			"env/azureml_environment.json:1:1: must hold an object with keys, not a list: write it as {\"key\": value, …}\n"},
		"findings in each file": {map[string]string{
			definitionFile: "{\n\"docker\": {\"baseImage\": \"x\"},\n\"python\": {\"userManagedDependencies\": 1}}",
			condaFile:      "channels: x\nwhat: 1\n", dockerfile: "FROM x"},
			"env/azureml_environment.json:3:39: python.userManagedDependencies: must be true or false, not 1: " +
				"write true or false without quotes\n" +
				"warning: env/conda_dependencies.yml:1:1: " + noDefaults +
				"env/conda_dependencies.yml:1:11: channels: must be a list, not the text \"x\": write [\"conda-forge\"]\n" +
				"env/conda_dependencies.yml:2:1: what: is not a key of a conda file: " +
				"write one of name, channels, dependencies, prefix, variables\n"},
		"an image beside a Dockerfile": {map[string]string{definitionFile: image, dockerfile: "FROM x"}, ""},
		"two images in the definition": {map[string]string{definitionFile: `{"docker": {"baseImage": "x", "baseDockerfile": "y"}}`},
			"env/azureml_environment.json:1:49: docker.baseDockerfile: " + both},
		"packages without azureml-defaults in the definition": {map[string]string{
			definitionFile: `{"python": {"condaDependencies": {"dependencies": []}}}`},
			"warning: env/azureml_environment.json:1:34: python.condaDependencies: " + noDefaults},
		"a name alone": {map[string]string{definitionFile: `{"name": "env"}`},
			"env/azureml_environment.json:1:1: " + named},
		"a name and packages":     {map[string]string{definitionFile: `{"name": "env"}`, condaFile: "dependencies: [pip: [azureml-defaults]]"}, ""},
		"a name and a Dockerfile": {map[string]string{definitionFile: `{"name": "env"}`, dockerfile: "FROM x"}, ""},
		"empty files beside a name": {map[string]string{definitionFile: `{"name": "env"}`, condaFile: "", dockerfile: "\n"},
			"env/conda_dependencies.yml:1:1: is empty: write it as {\"key\": value, …}\n"},
		"a conda file that is no YAML": {map[string]string{definitionFile: image, condaFile: "a: ["},
			"env/conda_dependencies.yml:1:4: is neither valid JSON nor valid YAML: sequence end token ']' not found\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadEnvironmentDirectory("env", folder(c.files))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

// locked is a folder whose files cannot be read.
type locked struct{}

func (locked) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("permission denied")}
}

func TestReadEnvironmentDirectoryThatIsLocked(t *testing.T) {
	t.Parallel()
	_, findings := ReadEnvironmentDirectory("env", locked{})
	const rest = ": cannot be read (permission denied): write a file that can be read\n"
	expect(t, "findings", told(findings),
		"env/azureml_environment.json"+rest+"env/conda_dependencies.yml"+rest+"env/BaseDockerfile"+rest)
}

// What is no file, such as a pipe, is not waited for, and no more is read than people write.
func TestReadEnvironmentDirectoryWithoutFiles(t *testing.T) {
	t.Parallel()
	files := folder(map[string]string{definitionFile: "{}", condaFile: strings.Repeat("#", longestText+1)})
	files[dockerfile] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	_, findings := ReadEnvironmentDirectory("env", files)
	for _, want := range []string{"env/conda_dependencies.yml: cannot be read (it has more than 1 MiB): write a file that " +
		"can be read\n", "env/BaseDockerfile: cannot be read (it is no file): write a file that can be read\n"} {
		if !strings.Contains(told(findings), want) {
			t.Errorf("does not say %q:\n%s", want, told(findings))
		}
	}
	if read, err := OpenEnvironmentDirectory(files); err == nil || !strings.Contains(err.Error(), condaFile+": it has more") {
		t.Errorf("read %d files: %v", len(read), err)
	}
}

func TestUseEnvironment(t *testing.T) {
	t.Parallel()
	given := Environment{Docker: Docker{BaseImage: "given"}}
	cases := map[string]struct{ keys, image, want string }{
		"without one in the file": {``, "given", ""},
		"one in the file goes before it": {`, "environment": {"docker": {"baseImage": "own"}}`, "own",
			"warning: i.json:1:44: environment: goes before the environment given as a flag: remove one of the two\n"},
		"with keys of the old form": {`, "runtime": "python"`, "given", "i.json:1:40: runtime: cannot be given together with " +
			"an environment: move it into the environment and remove it here\n"},
	}
	for name, c := range cases {
		config, findings := ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py"`+c.keys+`}`))
		if err := findings.Err(); err != nil {
			t.Fatal(err)
		}
		expect(t, name, told(config.UseEnvironment(given)), c.want)
		if got := config.Environment.Docker.BaseImage; got != c.image {
			t.Errorf("%s: image %q, want %q", name, got, c.image)
		}
	}
}

func TestARegisteredEnvironmentIsUsed(t *testing.T) {
	t.Parallel()
	read := func(environment, more string) (InferenceConfig, Findings) {
		return ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py", "environment": `+environment+more+`}`))
	}
	for environment, want := range map[string]string{
		`{"name": "env", "version": 3}`: "env:3", `{"name": "env", "docker": null}`: "env:", `{"name": null}`: "", `"env"`: "",
		`{"name": "env", "docker": {"baseImage": "x"}}`: "",
	} {
		c, _ := read(environment, "")
		name, version, ok := c.Reference()
		if got := name + ":" + version; ok != (want != "") || ok && got != want {
			t.Errorf("%s: reference %s, %v, want %s", environment, got, ok, want)
		}
	}
	c, findings := read(`{"name": "env"}`, `, "runtime": "python", "condaFile": 1`)
	findings = c.UseRegistered(&Environment{Docker: Docker{BaseImage: "x"}}, findings)
	expect(t, "what is left", told(findings), "i.json:1:72: runtime: cannot be given together with an environment: "+
		"move it into the environment and remove it here\n"+
		"i.json:1:95: condaFile: must be text, not 1: write the path of a conda file, such as \"conda.yml\"\n")
	if _, _, ok := c.Reference(); ok || c.Environment.Docker.BaseImage != "x" {
		t.Errorf("used %+v", c.Environment)
	}
}

func TestEnvironmentFiles(t *testing.T) {
	t.Parallel()
	files, err := OpenEnvironmentDirectory(folder(map[string]string{"score.py": "", condaFile: "dependencies: [python=3.8]\n",
		definitionFile: `{"name": "env", "version": 2, "shm": 1.50, "docker": {"baseImage": "x"}, "a": "<&>"}`, dockerfile: " \n"}))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	files, err = files.Versioned("7")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "definition", string(files[definitionFile]), "{\n    \"a\": \"<&>\",\n    \"docker\": {\n        \"baseImage\": \"x\"\n    },\n"+
		"    \"name\": \"env\",\n    \"shm\": 1.50,\n    \"version\": \"7\"\n}\n")
	e, findings := files.Environment("env:7")
	if err := findings.Err(); err != nil {
		t.Error(err)
	}
	if e.Version != "7" || e.Docker.BaseImage != "x" || len(e.Python.CondaDependencies.Dependencies) != 1 {
		t.Errorf("read %+v", e)
	}
	if _, ok := files.Dockerfile(); ok {
		t.Error("an empty Dockerfile is one")
	}
	_, err = OpenEnvironmentDirectory(locked{})
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a locked folder: %v", err)
	}
	for text, want := range map[string]string{"null": "it is null, and no object", "[]": "cannot unmarshal array"} {
		_, err = EnvironmentFiles{definitionFile: []byte(text)}.Versioned("7")
		if err == nil || !strings.Contains(err.Error(), definitionFile+" cannot be read: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("a definition %s: %v", text, err)
		}
	}
	_, findings = EnvironmentFiles{}.Environment("env:7")
	expect(t, "no files", told(findings), "env:7/azureml_environment.json: does not exist: give the folder that has it, as Azure ML saved it\n")
}

func TestOldEnvironment(t *testing.T) {
	t.Parallel()
	const notPython = "runtime: must be \"python\" for an environment to be made of the old keys: write \"python\"\n"
	const noEffect = ": has no effect without runtime, as in Azure ML: write \"runtime\": \"python\" too\n"
	const twoCUDAs = "baseImage: cannot be given together with enableGpu or cudaVersion: " +
		"the image brings its own CUDA, remove them\n"
	yes, no := true, false
	cases := map[string]struct {
		old  OldForm
		want OldEnvironment
		said string
	}{
		"nothing":                 {OldForm{}, OldEnvironment{}, ""},
		"a runtime alone":         {OldForm{Runtime: "python"}, OldEnvironment{Base: CPUBaseImage}, ""},
		"a conda file":            {OldForm{Runtime: "python", CondaFile: "c.yml"}, OldEnvironment{Base: CPUBaseImage, CondaFile: "c.yml"}, ""},
		"no GPU":                  {OldForm{Runtime: "python", EnableGPU: &no}, OldEnvironment{Base: CPUBaseImage}, ""},
		"a GPU":                   {OldForm{Runtime: "python", EnableGPU: &yes}, OldEnvironment{Base: GPUBaseImage}, ""},
		"CUDA 10.0":               {OldForm{Runtime: "python", CUDAVersion: "10.0"}, OldEnvironment{Base: GPUBaseImage}, ""},
		"CUDA 9.0":                {OldForm{Runtime: "python", CUDAVersion: "9.0"}, OldEnvironment{Base: CUDA9BaseImage}, ""},
		"a GPU goes before a 9.0": {OldForm{Runtime: "python", EnableGPU: &yes, CUDAVersion: "9.0"}, OldEnvironment{Base: GPUBaseImage}, ""},
		"an own image": {OldForm{Runtime: "python", BaseImage: "x", BaseImageRegistry: ImageRegistry{"a", "u", "p"}},
			OldEnvironment{Base: OwnBaseImage, Image: "x", Registry: ImageRegistry{"a", "u", "p"}}, ""},
		"CUDA 9.1": {OldForm{Runtime: "python", CUDAVersion: "9.1"}, OldEnvironment{Base: CPUBaseImage},
			"cudaVersion: has no image for 9.1: write \"10.0\"\n"},
		"an own image with a GPU": {OldForm{Runtime: "python", BaseImage: "x", EnableGPU: &yes},
			OldEnvironment{Base: OwnBaseImage, Image: "x"}, twoCUDAs},
		"an own image with CUDA": {OldForm{Runtime: "python", BaseImage: "x", CUDAVersion: "9.0"},
			OldEnvironment{Base: OwnBaseImage, Image: "x"}, twoCUDAs},
		"Dockerfile steps": {OldForm{Runtime: "python", ExtraDockerfileSteps: "s"}, OldEnvironment{Base: CPUBaseImage},
			"extraDockerfileSteps: cannot be made part of an environment: " +
				"write an environment with these steps in docker.baseDockerfile\n"},
		"a runtime in another case":    {OldForm{Runtime: "Python"}, OldEnvironment{Base: CPUBaseImage}, notPython},
		"another runtime":              {OldForm{Runtime: "spark-py"}, OldEnvironment{Base: CPUBaseImage}, notPython},
		"a conda file without runtime": {OldForm{CondaFile: "c"}, OldEnvironment{Base: CPUBaseImage, CondaFile: "c"}, notPython},
		"an image without runtime":     {OldForm{BaseImage: "x"}, OldEnvironment{}, "warning: baseImage" + noEffect},
		"a GPU and CUDA without runtime": {OldForm{EnableGPU: &yes, CUDAVersion: "9.1"}, OldEnvironment{},
			"warning: enableGpu" + noEffect + "warning: cudaVersion" + noEffect},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, findings := InferenceConfig{Old: c.old}.OldEnvironment()
			expect(t, "findings", told(findings), c.said)
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	c, _ := ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py", "runtime": "PYTHON"}`))
	_, findings := c.OldEnvironment()
	expect(t, "findings of a file", told(findings), "i.json:1:40: "+notPython)
}

func FuzzReadEnvironment(f *testing.F) {
	for _, seed := range []string{
		`{"name": "e", "python": {"condaDependencies": {"dependencies": [{"pip": ["azureml-defaults"]}]}}}`,
		`{"docker": {"baseImage": "x", "baseDockerfile": "y", "platform": {"os": "windows"}}}`, `{"python": null}`, `[]`,
		`{"environmentVariables": {"": 1, "a": []}}`, "\t{\"name\": 1e4}",
	} {
		f.Add(seed, "dependencies:\n- pip:\n  - azureml-defaults\n", "FROM x")
		f.Add(seed, "a: [", "")
	}
	f.Fuzz(func(t *testing.T, definition, conda, docker string) {
		files := map[string]string{definitionFile: definition, condaFile: conda, dockerfile: docker}
		e, findings := ReadEnvironmentDirectory("e", folder(files))
		for _, found := range findings {
			if !strings.HasPrefix(found.File, "e/") || found.Message == "" || strings.ContainsAny(found.String(), "\n\r") &&
				!strings.ContainsAny(found.Field, "\n\r") {
				t.Errorf("finding %#v", found)
			}
		}
		if findings.Err() == nil && e.Docker.BaseImage != "" && e.Docker.BaseDockerfile != "" {
			t.Errorf("two images and no error: %+v", e)
		}
		_, inline := ReadInferenceConfig("i", []byte(`{"entryScript": "score.py", "environment": `+definition+`}`))
		for _, found := range inline {
			if found.File != "i" || found.Message == "" {
				t.Errorf("finding %#v", found)
			}
		}
	})
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	t.Parallel()
	c, findings := ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py", "environment": {"docker": {
		"baseImageRegistry": {"address": "a", "username": "u", "password": "geheim"}}}}`))
	if c.Environment.Docker.BaseImageRegistry.Password != "geheim" || len(findings) > 0 {
		t.Fatal(findings)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, *c.Environment); strings.Contains(text, "geheim") {
			t.Errorf("%s prints the password: %s", verb, text)
		}
	}
}
