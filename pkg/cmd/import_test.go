// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

const exports = "../amlv1/testdata/export"

// export copies one of the exports into the folder of w.
func (w *world) export(name string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(exports, name))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, string(text))
}

func (w *world) read(file string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, file))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// files are those in a folder, with their modes.
func (w *world) files(dir string) string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, dir))
	if err != nil {
		return ""
	}
	var out []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e.Name()+" "+info.Mode().Perm().String())
	}
	return strings.Join(out, "\n")
}

func TestImportWritesFilesAndPrintsTheCommands(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"service":  {"service.json", "-d", "out"},
		"endpoint": {"endpoint.json"},
		"params":   {"params.json", "-d", "out"},
		"short":    {"short.json", "--endpoint", "other"},
	} {
		w := newWorld(t)
		w.export(name + ".json")
		r := w.run(append([]string{"import"}, args...)...)
		golden.Assert(t, "testdata/import/"+name+".golden", r.out+"-- stderr --\n"+r.err)
		if r.code != 0 {
			t.Errorf("%s: exit code %d", name, r.code)
		}
	}
}

func (w *world) reconstructed() {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(exports, "deployment.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict(text, &d); err != nil {
		w.t.Fatal(err)
	}
	d.Namespace = "models"
	if _, err := w.cluster.Clientset.AppsV1().Deployments("models").Create(w.t.Context(), &d, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func TestImportReadsTheDeploymentOfAService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reconstructed()
	r := w.run("import", "--service", "diabetes", "-d", "out")
	golden.Assert(t, "testdata/import/cluster.golden", r.out+"-- stderr --\n"+r.err)
	if r.code != 0 || !strings.Contains(w.read("out/inferenceconfig.json"), "OMP_NUM_THREADS") {
		t.Errorf("exit code %d", r.code)
	}
}

// What import prints is what deploys the image, with the script and variables
// that the old Deployment had.
func TestTheCommandOfAnImportDeploys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reconstructed()
	if r := w.run("import", "--service", "diabetes", "--endpoint", "again"); r.code != 0 {
		t.Fatal(r.err)
	}
	r := w.run("deploy", "again", "--image", w.registry+"/environment:1", "--inference-config", "inferenceconfig.json",
		"--deploy-config", "deploymentconfig.json", "--wait=false")
	if r.code != 0 {
		t.Fatal(r.err)
	}
	manifest := w.run("render", "again").out
	for _, want := range []string{"AZUREML_ENTRY_SCRIPT, value: \"src/score.py\"", "AZUREML_SOURCE_DIRECTORY, value: \"src\"",
		"name: \"OMP_NUM_THREADS\"", "replicas: 3"} {
		if !strings.Contains(manifest, want) {
			t.Errorf("%q is not in the manifest", want)
		}
	}
}

func TestKeysGoAlongOnRequestAndAreNeverPrinted(t *testing.T) {
	t.Parallel()
	const key = "PRIMARYprimaryPRIMARYprimary1234"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"left out":    {nil, "deploymentconfig.json -rw-r--r--"},
		"from export": {[]string{"--with-keys"}, "deploymentconfig.json -rw-------"},
		"from a file": {[]string{"--keys-file", "keys.json"}, "deploymentconfig.json -rw-------"},
	} {
		w := newWorld(t)
		w.export("params.json")
		w.write("keys.json", `{"primaryKey": "`+key+`", "secondaryKey": "another"}`)
		r := w.run(append([]string{"import", "params.json", "-d", "out"}, c.args...)...)
		if r.code != 0 || strings.Contains(r.out+r.err, key) || strings.Contains(r.out+r.err, "another") {
			t.Errorf("%s: exit code %d\n%s%s", name, r.code, r.out, r.err)
		}
		if got := w.files("out"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
		if has := strings.Contains(w.read("out/deploymentconfig.json"), key); has != (len(c.args) > 0) {
			t.Errorf("%s: key written: %v", name, has)
		}
	}
}

func TestTheKeysOfAnImportLetCallersIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.export("params.json")
	if r := w.run("import", "params.json", "--with-keys", "-d", "out"); r.code != 0 {
		t.Fatal(r.err)
	}
	w.mustDeploy("blue", "--deploy-config", "out/deploymentconfig.json")
	if got := w.run("keys", "get", "diabetes", "-o", "name").out; !strings.HasPrefix(got, "PRIMARYprimaryPRIMARYprimary1234\n") {
		t.Error("the endpoint has other keys")
	}
}

func TestImportRefusesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing named":  {nil, 2, "name either a file with an exported service, or a service in the cluster"},
		"both named":     {[]string{"params.json", "--service", "diabetes"}, 2, "name either a file"},
		"no such file":   {[]string{"absent.json"}, 1, "the export cannot be read"},
		"no service":     {[]string{"--service", "diabetes"}, 1, `no deployment "diabetes" in namespace "models": see kubectl get deployments`},
		"no keys in it":  {[]string{"short.json", "--with-keys"}, 1, "the export holds no keys"},
		"no keys there":  {[]string{"short.json", "--keys-file", "short.json"}, 1, "primaryKey: is missing"},
		"no keys file":   {[]string{"short.json", "--keys-file", "absent.json"}, 1, "the keys cannot be read"},
		"a bad endpoint": {[]string{"short.json", "--endpoint", "a b"}, 1, `endpoint name "a b" is not valid`},
		"several wrong": {[]string{"wrong.json"}, 1, "wrong.json:1:10: name: must be 3 to 32 lower-case letters, digits and hyphens, " +
			"beginning with a letter and not ending with a hyphen, not \"X\"\nwrong.json:1:30: numReplicas: must be a whole number"},
		"a file there": {[]string{"params.json", "-d", "."}, 1, "deploymentconfig.json is there already: move it away"},
	} {
		w := newWorld(t)
		w.export("params.json")
		w.export("short.json")
		w.write("wrong.json", `{"name": "X", "numReplicas": "3"}`)
		w.write("deploymentconfig.json", "mine")
		r := w.run(append([]string{"import", "-d", "out"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
		if got := w.files("out"); got != "" || w.read("deploymentconfig.json") != "mine" || strings.Contains(w.files("."), "inference") {
			t.Errorf("%s: left %s", name, w.files("."))
		}
	}
}

// A folder that cannot be written to in the middle of an import is left as it
// was.
func TestAHalfWrittenImportIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.export("short.json")
	w.write("out", "a file where a folder would be")
	r := w.run("import", "short.json", "-d", "out/deeper")
	if r.code != 1 || w.read("out") != "a file where a folder would be" {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestInitWritesWhatIsValidAndDeploys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run("init", "hello")
	want := "hello/README.md\nhello/deploymentconfig.json\nhello/inferenceconfig.json\nhello/sample.json\nhello/src/score.py\n"
	if r.out != want || r.code != 0 {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	if r := w.run("validate", "hello", "--import"); r.code != 0 || r.out != "" {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	w.dir = filepath.Join(w.dir, "hello")
	if r := w.run("deploy", "hello", "--inference-config", "inferenceconfig.json", "--deploy-config", "deploymentconfig.json",
		"--wait=false"); r.code != 0 {
		t.Error(r.err)
	}
	again := w.run("init")
	if again.code != 1 || strings.Count(again.err, "is there already") != 5 || again.out != "" {
		t.Errorf("again: exit code %d: %s", again.code, again.err)
	}
}
