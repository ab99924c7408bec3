// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

const wrongFiles = "../../e2e/testdata/wrong"

// wrongWorld is a world whose folder holds files that are right but for those
// of one case. A case with a deploymentconfig.yml has no JSON one.
func wrongWorld(t *testing.T, name string) *world {
	t.Helper()
	w := newWorld(t)
	w.dir = filepath.Join(t.TempDir(), "work")
	copyOver(t, w.dir, "../../e2e/testdata/right")
	copyOver(t, w.dir, filepath.Join(wrongFiles, name))
	if _, err := os.Stat(filepath.Join(w.dir, "deploymentconfig.yml")); err == nil {
		if err := os.Remove(filepath.Join(w.dir, "deploymentconfig.json")); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func copyOver(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o750); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Everything that is wrong is told at its line and column, and deploy refuses
// the same with the same words, before it has made anything.
func TestEveryWrongFileIsToldAtItsPlace(t *testing.T) {
	t.Parallel()
	cases, err := os.ReadDir(wrongFiles)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Fatalf("%d wrong files", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			t.Parallel()
			w := wrongWorld(t, c.Name())
			r := w.run("validate", ".", "--offline")
			golden.Assert(t, filepath.Join(wrongFiles, c.Name(), "want.txt"), w.plain(r.out))
			if r.code != 1 || !strings.HasSuffix(r.err, "correct the errors and validate again\n") {
				t.Errorf("exit code %d: %s", r.code, r.err)
			}
			w.refused(r.out, c.Name())
		})
	}
}

// refused deploys and compares what is told with what validate told.
func (w *world) refused(validated, name string) {
	w.t.Helper()
	if name == "script-syntax" || name == "script-return" {
		return // told by Python, which deploy does not ask
	}
	deployment := "deploymentconfig.json"
	if name == "yaml" {
		deployment = "deploymentconfig.yml"
	}
	r := w.run("deploy", "wrong", "--inference-config", "inferenceconfig.json", "--deploy-config", deployment)
	for line := range strings.Lines(w.plain(validated)) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if !strings.Contains(r.err, text+"\n") {
			w.t.Errorf("deploy does not tell %q:\n%s", text, r.err)
		}
	}
	if r.code != 1 || r.out != "" || strings.Count(r.err, "error: ") != 1 {
		w.t.Errorf("deploy: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if left := w.cluster.Names(); len(left) > 0 {
		w.t.Errorf("left: %v", left)
	}
}

func TestValidateListsFindingsAsObjects(t *testing.T) {
	t.Parallel()
	w := wrongWorld(t, "three-files")
	r := w.run("validate", ".", "-o", "json", "--offline")
	var got []struct {
		Severity, File, Field, Message string
		Line, Column                   int
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || r.code != 1 {
		t.Fatalf("exit code %d: %s", r.code, r.out)
	}
	if f := got[0]; f.File != "deploymentconfig.json" || f.Line != 4 || f.Field != "numReplicas" || f.Column == 0 {
		t.Errorf("got %+v", f)
	}
}

func TestWhatIsRightIsValid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a folder": {[]string{"validate", "."}, "0 errors, 0 warnings: deploy takes these files\n"},
		"files": {[]string{"validate", "--inference-config", "inferenceconfig.json", "--deploy-config",
			"deploymentconfig.json", "-m", "model.txt"}, "0 errors, 0 warnings: deploy takes these files\n"},
		"imported too": {[]string{"validate", ".", "--import"}, "0 errors, 0 warnings: deploy takes these files\n"},
		"no registry named": {[]string{"validate", ".", "--registry", ""},
			"note: no registry is named with --registry or AML_REGISTRY: none was looked up\n" +
				"0 errors, 0 warnings: deploy takes these files\n"},
	} {
		w := newWorld(t)
		copyOver(t, w.dir, "../../e2e/testdata/right")
		if r := w.run(c.args...); r.code != 0 || r.err != c.want || r.out != "" {
			t.Errorf("%s: exit code %d\n%s%s", name, r.code, r.out, r.err)
		}
	}
}

func TestValidateTellsWhatElseIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		script string
		python string
		code   int
		want   string
	}{
		"no such folder": {[]string{"absent"}, "", "", 1, "the folder cannot be read"},
		"an empty folder": {[]string{"src/.."}, "-", "", 1,
			"src/.. has no inferenceconfig.json and no deploymentconfig.json: name the files"},
		"nothing named":            {nil, "", "", 2, "nothing to check"},
		"a model missing":          {[]string{".", "-m", "a=absent.pkl", "-m", "b=gone.pkl", "--offline"}, "", "", 1, "2 errors"},
		"no such registered model": {[]string{".", "-m", "absent:3"}, "", "", 1, "absent"},
		"registered models offline": {[]string{".", "-m", "absent:3", "--offline"}, "", "", 0,
			"note: models without a path are taken for registered ones: they were not looked up"},
		"no registry there": {[]string{".", "--registry", "127.0.0.1:1"}, "", "", 1,
			"error: cannot reach 127.0.0.1:1/endpoint: nothing listens at 127.0.0.1:1"},
		"no such environment image": {[]string{".", "--environment-image", "REGISTRY/nothing:1"}, "", "", 1,
			"error: cannot look up REGISTRY/nothing:1: there is no such"},
		"no python": {[]string{".", "--offline"}, "", "none", 0,
			"note: there is no python3 on the PATH: the script was not compiled"},
		"no run": {[]string{".", "--offline"}, "def init(): pass\n", "", 0,
			"warning: src/score.py: defines no run(): write one"},
		"not importable": {[]string{".", "--offline", "--import"}, "\nimport nothing_like_it\n" +
			"def init(): pass\ndef run(data): pass\n", "", 1,
			"error: src/score.py:2:1: cannot be imported here: ModuleNotFoundError: No module named 'nothing_like_it'"},
		"exits": {[]string{".", "--offline", "--import"}, "raise SystemExit(0)\ninit = run = 1\n", "", 1,
			"error: src/score.py:1:1: cannot be imported here: SystemExit: 0"},
		"runs nothing unless told to": {[]string{".", "--offline"}, "raise SystemExit(1)\ninit = run = 1\n", "", 0, "0 errors"},
		"not a function": {[]string{".", "--offline", "--import"}, "print('hello')\ninit = run = 1\n", "", 1,
			"error: src/score.py: has no function run(): write one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			copyOver(t, w.dir, "../../e2e/testdata/right")
			if c.script == "-" {
				for _, file := range []string{"inferenceconfig.json", "deploymentconfig.json"} {
					if err := os.Remove(filepath.Join(w.dir, file)); err != nil {
						t.Fatal(err)
					}
				}
			} else if c.script != "" {
				w.write("src/score.py", c.script)
			}
			w.noPython = c.python == "none"
			for i := range c.args {
				c.args[i] = strings.ReplaceAll(c.args[i], "REGISTRY", w.registry)
			}
			r := w.run(append([]string{"validate"}, c.args...)...)
			if got := w.plain(r.out) + r.err; r.code != c.code || !strings.Contains(got, c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", r.code, c.code, c.want, got)
			}
		})
	}
}

// python is the Python of this machine; these tests need one.
func python() string {
	path, err := exec.LookPath("python3")
	if err != nil {
		return ""
	}
	return path
}
