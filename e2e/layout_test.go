// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With no registry named, models and images are in a folder, and the nodes get
// the images from there. A change of the code sends no layer that they have.
func TestNoRegistryIsNeededOnKind(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	folder := filepath.Join(t.TempDir(), "images")
	s.env = []string{"AML_REGISTRY=", "AML_LAYOUT=" + folder}
	dir := t.TempDir()
	model, script := filepath.Join(dir, "word.txt"), filepath.Join(dir, "score.py")
	must(t, os.WriteFile(model, []byte(s.namespace), 0o600))
	code := func(answer string) {
		t.Helper()
		must(t, os.WriteFile(script, []byte("import os\n\n\ndef init():\n    global word\n"+
			"    word = open(os.path.join(os.environ['AZUREML_MODEL_DIR'], 'word.txt')).read()\n\n\n"+
			"def run(data):\n    return word + ' "+answer+"'\n"), 0o600))
	}
	answers := func(want string) {
		t.Helper()
		if got := s.ok("invoke", "words", "-d", "{}").out; strings.TrimSpace(got) != `"`+s.namespace+" "+want+`"` {
			t.Errorf("answered %s, want %s", got, want)
		}
	}

	if got := s.ok("model", "register", "--name", "word", "--model-path", model, "--query", "id", "-o", "tsv").out; got != "word:1\n" {
		t.Errorf("registered %s", got)
	}
	code("first")
	r := s.ok("deploy", "words", "--entry-script", script, "-m", "word:1")
	for _, want := range []string{"images are in " + folder, "image: layout.localhost/words@sha256:", "nodes of kind cluster"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("deploy does not say %q:\n%s", want, r.err)
		}
	}
	answers("first")

	code("second")
	r = s.ok("deploy", "words", "--entry-script", script, "-m", "word:1")
	if !strings.Contains(r.err, "(0.0 MB in ") || !strings.Contains(r.err, "(2 blobs sent, ") {
		t.Errorf("a change of the code sent more than that:\n%s", r.err)
	}
	answers("second")

	refused := s.run("model", "delete", "word:1")
	if refused.code != 1 || !strings.Contains(refused.err, "model word:1 is run by version main") {
		t.Errorf("delete of a model in use: exit code %d: %s", refused.code, refused.err)
	}
	s.ok("delete", "endpoint", "words")
	s.ok("model", "delete", "word:1")
	if got := s.ok("model", "list", "--query", "[].id", "-o", "tsv").out; strings.TrimSpace(got) != "" {
		t.Errorf("left: %s", got)
	}
}
