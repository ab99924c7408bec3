// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (w *world) makeFolder(name string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func TestPathsInAFileStartWhereTheyAreSaidTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeFolder("team/src")
	w.write("team/inferenceconfig.json", `{"entryScript": "score.py", "sourceDirectory": "src"}`)
	w.write("team/src/score.py", "def init(): pass\ndef run(data): return data\n")
	for name, c := range map[string]struct {
		command, want string
	}{
		"the working directory": {"deploy", "error: team/inferenceconfig.json:1:48: sourceDirectory: DIR/src does not exist: " +
			"write a folder that is there; the path is taken from DIR\n"},
		"the file's folder":       {"deploy --relative-to-file", ""},
		"the file's folder in v1": {"model deploy --cp AKS --no-wait --relative-to-file", ""},
	} {
		args := append(strings.Fields(c.command), "-m", "model.txt", "--dry-run", "client",
			"--inference-config", "team/inferenceconfig.json", "moods")
		if strings.HasPrefix(c.command, "model") {
			args = append(strings.Fields(c.command), "-m", "model.txt", "-ic", "team/inferenceconfig.json", "-n", "moods")
		}
		if r := w.run(args...); c.want != "" && (r.err != c.want || r.code != 1) || c.want == "" && r.code != 0 {
			t.Errorf("%s: exit code %d: %s, want %s", name, r.code, r.err, c.want)
		}
	}
}

func TestWhatStandsBesideAFileIsCheckedWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeFolder("environment")
	w.write("environment/azureml_environment.json", `{"name": "e", "environmentVariables": {"LEVEL": "3"}}`)
	w.write("old.json", `{"entryScript": "score.py", "runtime": "python"}`)
	w.write("new.json", `{"entryScript": "score.py", "environment": {"name": "own", "environmentVariables": {"LEVEL": "4"}}}`)
	w.write("aci.json", `{"computeType": "ACI", "sslEnabled": true, "cname": "a.example", "sslCertificate": "absent.pem", "sslKey": "model.txt"}`)
	for name, c := range map[string]struct {
		flags, level, want string
	}{
		"an environment's folder": {"--entry-script score.py --environment-directory environment", "3", ""},
		"the file's environment goes before it": {"--inference-config new.json --environment-directory environment", "4",
			"warning: new.json:1:44: environment: goes before the environment given as a flag: remove one of the two\n"},
		"an environment and the old form": {"--inference-config old.json --environment-directory environment", "",
			"error: old.json:1:40: runtime: cannot be given together with an environment: move it into the environment and remove it here\n"},
		"no such folder": {"--entry-script score.py --environment-directory absent", "",
			"absent/azureml_environment.json: does not exist"},
		"a certificate": {"--entry-script score.py --deploy-config aci.json", "",
			"aci.json:1:84: sslCertificate: DIR/absent.pem does not exist: write a path from DIR\n"},
	} {
		r := w.run(append(strings.Fields("deploy moods -m model.txt --dry-run client -o yaml "), strings.Fields(c.flags)...)...)
		if !strings.Contains(r.err, c.want) || (r.code == 0) != (c.level != "") {
			t.Errorf("%s: exit code %d: %s, want %s", name, r.code, r.err, c.want)
		}
		if c.level == "" {
			continue
		}
		if r := w.run(append(strings.Fields("deploy moods -m model.txt --wait=false"), strings.Fields(c.flags)...)...); r.code != 0 {
			t.Fatal(r.err)
		}
		if got := w.values("moods"); !strings.Contains(got, `LEVEL: "`+c.level+`"`) {
			t.Errorf("%s: values\n%s", name, got)
		}
	}
}
