// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The environment that an inference config describes is built when it is nowhere,
// and found after that, whatever becomes of the code.
func TestDeployBuildsItsEnvironmentOnce(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	base := os.Getenv(environmentVar)
	s.env = []string{environmentVar + "="}
	dir := t.TempDir()
	script, config := filepath.Join(dir, "score.py"), filepath.Join(dir, "inferenceconfig.json")
	code := func(word string) {
		t.Helper()
		must(t, os.WriteFile(script, []byte("def init():\n    pass\n\n\ndef run(data):\n"+
			"    return open('/opt/said').read().strip() + ' "+word+"'\n"), 0o600))
	}
	text, err := json.Marshal(map[string]any{"entryScript": "score.py", "sourceDirectory": ".",
		"environment": map[string]any{"name": "said",
			"docker": map[string]any{"baseDockerfile": "FROM " + base + "\nUSER root\nRUN echo " + s.namespace + " > /opt/said\nUSER 10001\n"},
			"python": map[string]any{"userManagedDependencies": true}}})
	must(t, err)
	must(t, os.WriteFile(config, text, 0o600))
	deploy := func(args ...string) said {
		return s.ok(append([]string{"deploy", "said", "--inference-config", config, "--relative-to-file"}, args...)...)
	}
	says := func(text string, wanted bool, r said) {
		t.Helper()
		if strings.Contains(r.err, text) != wanted {
			t.Errorf("deploy says %q: %v, want %v:\n%s", text, !wanted, wanted, r.err)
		}
	}

	code("first")
	shown := s.ok("build", "--inference-config", config, "--relative-to-file", "--dry-run")
	if !strings.HasPrefix(shown.out, "FROM "+base+"\n") || !strings.Contains(shown.err, "its digest is ") {
		t.Errorf("build --dry-run shows\n%s%s", shown.out, shown.err)
	}
	says("zeros stand for the image's digest", true, deploy("--dry-run=client"))
	r := deploy("--builder", "docker")
	says("building it with ", true, r)
	answered := func(word string) {
		t.Helper()
		if got := s.ok("invoke", "said", "-d", "{}").out; strings.TrimSpace(got) != `"`+s.namespace+" "+word+`"` {
			t.Errorf("answered %s, want %s", got, word)
		}
	}
	answered("first")

	code("second")
	r = deploy()
	says("building it with ", false, r)
	says("found in "+os.Getenv(registryVar)+"/environments", true, r)
	answered("second")
	built := s.ok("build", "--inference-config", config, "--relative-to-file").out
	if !strings.HasPrefix(built, os.Getenv(registryVar)+"/environments@sha256:") {
		t.Errorf("build answers %s", built)
	}
	if packages := s.ok("sbom", "said").out; !strings.Contains(packages, `"azureml-inference-server-http"`) {
		t.Errorf("the packages are\n%s", packages)
	}
}
