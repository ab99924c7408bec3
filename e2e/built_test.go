// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// described is a project whose inference config describes an environment that
// nobody has, and whose code says what is in it.
type described struct {
	*space
	config, script string
	registry       string
}

func newDescribed(t *testing.T) *described {
	t.Helper()
	s, dir := newSpace(t), t.TempDir()
	d := &described{s, filepath.Join(dir, "inferenceconfig.json"), filepath.Join(dir, "score.py"), os.Getenv(registryVar)}
	s.env = []string{environmentVar + "="}
	text, err := json.Marshal(map[string]any{"entryScript": "score.py", "sourceDirectory": ".",
		"environment": map[string]any{"name": "said",
			"docker": map[string]any{"baseDockerfile": "FROM " + os.Getenv(environmentVar) + "\nUSER root\nRUN echo " +
				s.namespace + " > /opt/said\nUSER 10001\n"},
			"python": map[string]any{"userManagedDependencies": true}}})
	must(t, err)
	must(t, os.WriteFile(d.config, text, 0o600))
	return d
}

// code answers with what the environment has, a word, and what the models are.
func (d *described) code(word string) {
	d.t.Helper()
	must(d.t, os.WriteFile(d.script, []byte("import glob, os\n\n\ndef init():\n    pass\n\n\ndef run(data):\n"+
		"    models = glob.glob(os.environ.get('AZUREML_MODEL_DIR', '/none') + '/*.txt')\n"+
		"    return ' '.join(open(file).read().strip() for file in ['/opt/said'] + models) + ' "+word+"'\n"), 0o600))
}

func (d *described) args(command ...string) []string {
	return append(command, "--inference-config", d.config, "--relative-to-file")
}

func (d *described) answered(want string) {
	d.t.Helper()
	if got := d.ok("invoke", "said", "-d", "{}").out; strings.TrimSpace(got) != `"`+d.namespace+" "+want+`"` {
		d.t.Errorf("answered %s, want %s", got, want)
	}
}

func (d *described) says(text string, wanted bool, told string) {
	d.t.Helper()
	if strings.Contains(told, text) != wanted {
		d.t.Errorf("says %q: %v, want %v:\n%s", text, !wanted, wanted, told)
	}
}

// The environment that an inference config describes is built when it is nowhere,
// once, by one of two who deploy at the same time, and found after that, whatever
// becomes of the code.
func TestDeployBuildsItsEnvironmentOnce(t *testing.T) {
	t.Parallel()
	d := newDescribed(t)
	d.code("first")
	shown := d.ok(d.args("build", "--dry-run")...)
	if !strings.HasPrefix(shown.out, "FROM "+os.Getenv(environmentVar)+"\n") || !strings.Contains(shown.err, "its digest is ") {
		t.Errorf("build --dry-run shows\n%s%s", shown.out, shown.err)
	}
	d.says("zeros stand for the image's digest", true, d.ok(d.args("deploy", "said", "--dry-run=client")...).err)
	d.deployedByTwo()
	d.answered("first")

	d.code("second")
	pushModel(t, d.registry+"/"+d.namespace+"/word", "1", "word.txt", "a word of others")
	r := d.ok(d.args("deploy", "said", "-m", "word=oci://"+d.registry+"/"+d.namespace+"/word:1")...)
	d.says("building it with ", false, r.err)
	d.says("found in "+d.registry+"/environments\n", true, r.err)
	d.answered("a word of others second")
	d.foundAndRead()
}

// deployedByTwo has two deploy at the same time, of whom one builds.
func (d *described) deployedByTwo() {
	d.t.Helper()
	var told [2]said
	var both sync.WaitGroup
	for i, name := range []string{"said", "also"} {
		both.Go(func() { told[i] = d.run(d.args("deploy", name, "--builder", "docker")...) })
	}
	both.Wait()
	built := strings.Count(told[0].err+told[1].err, "building it with ")
	if told[0].code != 0 || told[1].code != 0 || built != 1 {
		d.t.Fatalf("built %d times:\n%s\n%s", built, told[0].err, told[1].err)
	}
}

// foundAndRead looks for what was built from a workspace that has it in a global
// registry, and reads what is attached to it with another implementation.
func (d *described) foundAndRead() {
	d.t.Helper()
	built := strings.TrimSpace(d.ok(d.args("build")...).out)
	own := d.registry + "/" + d.namespace
	found := d.ok(d.args("build", "--registry", own, "--global-registry", d.registry)...)
	d.says("not in "+own+"/environments\n", true, found.err)
	d.says("found in "+d.registry+"/environments\n", true, found.err)
	if !strings.HasPrefix(built, d.registry+"/environments@sha256:") || strings.TrimSpace(found.out) != built {
		d.t.Errorf("build answers %s, and from elsewhere %s", built, found.out)
	}
	packages, attached := d.ok("sbom", "said").out, string(attachedTo(d.t, built))
	if !strings.Contains(packages, `"azureml-inference-server-http"`) || packages != attached {
		d.t.Errorf("the packages are\n%s\nand attached are\n%s", packages, attached)
	}
	d.ok("model", "register", "-n", "code", "-p", d.script, "--registry", own)
	code, err := os.ReadFile(d.script)
	must(d.t, err)
	if pulled := pullModel(d.t, own+"/models/code", "1"); pulled != string(code) {
		d.t.Errorf("the model is pulled as\n%s", pulled)
	}
}
