// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// read makes a config of a file's text; what is wrong with it by itself is the
// business of another package.
func read(t *testing.T, text string) amlv1.InferenceConfig {
	t.Helper()
	config, findings := amlv1.ReadInferenceConfig("ic.json", []byte(text))
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	return config
}

// told are findings as they are printed.
func told(findings amlv1.Findings) string {
	var b strings.Builder
	for _, f := range findings {
		if f.Warning {
			b.WriteString("warning: ")
		}
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func nothing(path string) ([]byte, error) { return nil, fmt.Errorf("open %s: nothing is read", path) }

// pinAll gives each image of e a digest made of its place.
func pinAll(t *testing.T, e Environment) Pinned {
	t.Helper()
	digests := map[string]string{}
	for i, base := range e.Bases() {
		digests[base] = fmt.Sprintf("example.test/image%d@sha256:%064d", i, i)
	}
	p, err := e.Pin(digests)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOf holds what becomes of each kind of config: the findings, the digest and
// the Dockerfile.
func TestOf(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/of/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configs: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			conda := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata/of", name)) }
			e, findings := Of(read(t, string(text)), conda)
			golden.Assert(t, strings.TrimSuffix(file, ".json")+".golden", told(findings)+shown(t, e, findings))
		})
	}
}

func shown(t *testing.T, e Environment, findings amlv1.Findings) string {
	t.Helper()
	if findings.Err() != nil {
		return ""
	}
	p := pinAll(t, e)
	ready, ok := p.Ready()
	return fmt.Sprintf("bases: %s\nready: %s %v\nplatform: %s\ndigest: %s\n---\n%s", strings.Join(e.Bases(), " "), ready, ok,
		p.Target(), p.Digest(), p.Dockerfile())
}

func TestOfSaysWhereItStands(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ config, want string }{
		"a file of one's own": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"dependencies": ["python=3.11", {"pip": ["azureml-defaults",
  "-r requirements.txt"]}]}}}}`,
			`ic.json:3:3: environment.python.condaDependencies.dependencies.pip[1]: "-r requirements.txt" names requirements.txt, ` +
				"which is not there where the image is built: write its packages here, or its URL\n"},
		"conda's = for pip": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"dependencies": [{"pip": ["azureml-defaults", "numpy=1.19"]}]}}}}`,
			`ic.json:2:49: environment.python.condaDependencies.dependencies.pip[1]: "numpy=1.19" has a single =, which is conda's: ` +
				"write NAME==VERSION\n"},
		"no conda package": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"dependencies": ["python=3.11", "$(id)", {"pip": ["azureml-defaults"]}]}}}}`,
			`ic.json:2:35: environment.python.condaDependencies.dependencies[1]: "$(id)" is no package as conda reads it: write NAME=VERSION` + "\n"},
		"no image": {`{"entryScript": "score.py", "environment": {"python": {"userManagedDependencies": true},
 "docker": {"baseImage": "two words"}}}`,
			`ic.json:2:26: environment.docker.baseImage: base image "two words" is no name of an image: write one such as ` +
				"docker.io/library/python:3.11-slim\n"},
		"a Dockerfile that needs files": {`{"entryScript": "score.py", "environment": {"python": {"userManagedDependencies": true},
 "docker": {"baseDockerfile": "FROM a\nCOPY x /x\nADD y /y\n"}}}`,
			"ic.json:2:31: environment.docker.baseDockerfile: line 2 of the Dockerfile copies x, and there is no folder to build " +
				"from: write COPY <<EOF, ADD with a URL, or RUN\n" +
				"ic.json:2:31: environment.docker.baseDockerfile: line 3 of the Dockerfile adds y, and there is no folder to build " +
				"from: write COPY <<EOF, ADD with a URL, or RUN\n"},
		"a channel with a line break": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"channels": ["a\nb"], "dependencies": [{"pip": ["azureml-defaults"]}]}}}}`,
			`ic.json:2:16: environment.python.condaDependencies.channels[0]: "a\nb" is no name of a channel: write one such as ` +
				"conda-forge\n"},
		"a channel of one's own": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"channels": ["conda-forge", "./mine"], "dependencies": [{"pip": ["azureml-defaults"]}]}}}}`,
			`ic.json:2:31: environment.python.condaDependencies.channels[1]: "./mine" is a folder of yours, which is not there ` +
				"where the image is built: write the URL of a channel\n"},
		"a channel with a token": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"channels": ["https://example.test/t/to-ken/mine"], "dependencies": ["x", {"pip": ["azureml-defaults"]}]}}}}`,
			"warning: ic.json:2:15: environment.python.condaDependencies.channels: have a URL with a password or a token, which " +
				"everybody reads who has the image: write a channel that wants none, such as a mirror's\n"},
		"a package with a password": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"channels": ["x"], "dependencies": ["https://u:p@example.test/mine::x", {"pip": ["azureml-defaults"]}]}}}}`,
			"warning: ic.json:2:15: environment.python.condaDependencies.channels: have a URL with a password or a token, which " +
				"everybody reads who has the image: write a channel that wants none, such as a mirror's\n"},
		"pip's words for conda": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"}, "python": {"condaDependencies":
 {"dependencies": ["python=3.11",
  "uvicorn[standard]", "numpy >=1.2 <2",
  {"pip": ["azureml-defaults"]}]}}}}`,
			`ic.json:3:3: environment.python.condaDependencies.dependencies[1]: "uvicorn[standard]" is pip's, and not conda's: ` +
				`write it below "pip"` + "\n" +
				`ic.json:3:24: environment.python.condaDependencies.dependencies[2]: "numpy >=1.2 <2" is no package as conda reads ` +
				"it: write NAME=VERSION\n"},
		"packages that nobody has": {`{"entryScript": "score.py", "environment": {"python": {"userManagedDependencies": true}}}`,
			"ic.json:1:83: environment.python.userManagedDependencies: is true without a base image that could have the packages: " +
				"write docker.baseImage too, or false\n"},
		"no path of a Python": {`{"entryScript": "score.py", "environment": {"docker": {"baseImage": "b"},
 "python": {"userManagedDependencies": true, "interpreterPath": "/a b/python"}}}`,
			"ic.json:2:65: environment.python.interpreterPath: is no path of a Python in the image: write one such as " +
				"/opt/conda/bin/python\n"},
		"a conda file that is not there": {`{"entryScript": "score.py", "runtime": "python", "condaFile": "absent.yml"}`,
			"ic.json:1:63: condaFile: absent.yml cannot be read: open absent.yml: nothing is read\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := Of(read(t, c.config), nothing)
			if got := told(findings); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestOfFindsAPlaceInACondaFile(t *testing.T) {
	t.Parallel()
	config := read(t, `{"entryScript": "score.py", "runtime": "python", "condaFile": "conda.yml"}`)
	_, findings := Of(config, func(string) ([]byte, error) {
		return []byte("dependencies:\n- python=3.11\n- pip:\n  - azureml-defaults\n  - ./mine\n"), nil
	})
	want := `conda.yml:5:5: dependencies.pip[1]: "./mine" is a file of yours, which is not there where the image is built: ` +
		"write NAME==VERSION or its URL\n"
	if got := told(findings); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestOfKeepsPasswords holds that a login is told to nobody but who asks for it.
func TestOfKeepsPasswords(t *testing.T) {
	t.Parallel()
	e, findings := Of(read(t, `{"entryScript": "score.py", "environment": {"docker": {"baseImage": "/mine:1",
 "baseImageRegistry": {"address": "https://r.example.test", "username": "u", "password": "secret"}},
 "python": {"userManagedDependencies": true, "interpreterPath": "/opt/x/bin/python"}}}`), nothing)
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	if e.Base != "r.example.test/mine:1" || e.Login.Password != "secret" {
		t.Errorf("the base is %q with the password %q", e.Base, e.Login.Password)
	}
	with := pinAll(t, e)
	for what, text := range map[string]string{"text": with.Dockerfile(), "value": fmt.Sprintf("%v %+v %#v", e, e, with)} {
		if strings.Contains(text, "secret") {
			t.Errorf("the %s has the password:\n%s", what, text)
		}
	}
	e.Login = amlv1.ImageRegistry{}
	if pinAll(t, e).Digest() != with.Digest() {
		t.Error("a login changes the digest")
	}
}

func TestPinRefuses(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	cases := map[string]struct {
		environment Environment
		digests     map[string]string
		want        string
	}{
		"an image without a digest": {Environment{Base: "a:1"}, nil,
			`image a:1 has no digest, but "": it has to be NAME@sha256:…`},
		"a digest that is none": {Environment{Dockerfile: "FROM a\nFROM b\n"}, map[string]string{"a": "a:1", "b": "b" + digest},
			`image a has no digest, but "a:1": it has to be NAME@sha256:…`},
		"a line break in a package": {Environment{Base: "a", Pip: []string{"x\nRUN id"}}, map[string]string{"a": "a" + digest},
			`pip package "x\nRUN id" holds a line break or another character that is none of a name: write one package in each text`},
		"a line break in a conda package": {Environment{Base: "a", Conda: []string{"x\ny"}}, map[string]string{"a": "a" + digest},
			`conda package "x\ny" holds a line break or another character that is none of a name: write one package in each text`},
		"no image": {Environment{}, nil,
			`base image "" is no name of an image: write one such as docker.io/library/python:3.11-slim`},
		"a Dockerfile that is none": {Environment{Dockerfile: "FRM a\n"}, nil,
			"the Dockerfile cannot be read: dockerfile parse error on line 1: unknown instruction: FRM (did you mean FROM?)"},
		"a FROM of nothing": {Environment{Dockerfile: "ARG A\nFROM $A\n"}, nil,
			`line 2 of the Dockerfile has a FROM with no image, but "": give its ARG a value before the first FROM`},
		"files from an ARG": {Environment{Dockerfile: "FROM a\nCOPY --from=${B} /x /x\n"}, nil,
			"line 2 of the Dockerfile takes files from \"${B}\", which is no image: write its name without ARGs"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.environment.Pin(c.digests)
			if err == nil || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestPinTakesWhatIsPinned(t *testing.T) {
	t.Parallel()
	const base = "a.test/b@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	p, err := Environment{Base: base, UserManaged: true}.Pin(nil)
	ready, ok := p.Ready()
	if err != nil || !ok || ready != base {
		t.Errorf("got %q, %v: %v", ready, ok, err)
	}
	if _, err := (Environment{Base: base, Pip: []string{"x y"}}).Pin(nil); err == nil || errors.Unwrap(err) != nil {
		t.Errorf("got %v", err)
	}
}
