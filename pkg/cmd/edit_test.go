// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// types makes an editor of a script, which gets the file as $1 and the number of
// its call as $n, and runs edit with it.
func (w *world) types(script string, args ...string) said {
	w.t.Helper()
	editor := filepath.Join(w.dir, "editor.sh")
	count := filepath.Join(w.dir, "count")
	text := "#!/bin/sh\nset -e\necho >> " + count + "\nn=$(wc -l < " + count + ")\n" + script + "\n"
	if err := os.WriteFile(editor, []byte(text), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.env["KUBE_EDITOR"] = editor
	return w.run(append([]string{"edit", "diabetes"}, args...)...)
}

// keptFile is the content of the file that an error names; it is removed.
func (w *world) keptFile(said string) string {
	w.t.Helper()
	found := regexp.MustCompile(`what was edited is kept in (\S+)`).FindStringSubmatch(said)
	if found == nil {
		w.t.Fatalf("no file is named: %s", said)
	}
	file := strings.ReplaceAll(found[1], "DIR", w.dir)
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestEditChangesTheValues(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	r := w.fine(w.types(`cp "$1" ` + w.dir + `/seen; sed -i 's/traffic: 20/traffic: 30/' "$1"`))
	if r.out != "endpoint/diabetes edited\n" || w.value("versions.green.traffic") != "30" {
		t.Errorf("answered %s%s, green has %s", r.out, r.err, w.value("versions.green.traffic"))
	}
	seen, err := os.ReadFile(filepath.Join(w.dir, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "# The chart values of endpoint diabetes in namespace models, revision 2."; !strings.HasPrefix(string(seen), want) {
		t.Errorf("the file began\n%.200s", seen)
	}
	for _, key := range strings.Fields(w.run("keys", "get", "diabetes", "-o", "name").out) {
		if strings.Contains(string(seen), key) {
			t.Error("a key stands in the file")
		}
	}
	w.mustHave("deploy blue", "deploy green", "edit")
}

func TestEditChangesNothing(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	for script, want := range map[string]string{
		"true":                        "edit cancelled, no changes made\n",
		`: > "$1"`:                    "edit cancelled, the file is empty\n",
		`sed -i '1i # a remark' "$1"`: "edit cancelled, no changes made\n",
	} {
		if r := w.fine(w.types(script)); r.err != want || r.out != "" {
			t.Errorf("%s: %s%s, want %s", script, r.out, r.err, want)
		}
	}
	if r := w.types("exit 1"); r.code != 1 || !strings.Contains(r.err, "there was a problem with the editor") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	w.mustHave("deploy blue", "deploy green")
}

// What is wrong is told in the file, all of it, and whoever mends it is done.
func TestEditIsOpenedAgainUntilItIsRight(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	r := w.fine(w.types(`case $n in
1) sed -i 's/traffic: 20/traffic: 120/; s/replicas: 1$/replicas: -1/' "$1";;
2) cp "$1" ` + w.dir + `/second; sed -i 's/traffic: 120/traffic: 40/; s/replicas: -1$/replicas: 2/' "$1";;
esac`))
	second, err := os.ReadFile(filepath.Join(w.dir, "second"))
	if err != nil {
		t.Fatalf("it was not opened again: %v%s", err, r.err)
	}
	for _, want := range []string{"# This is wrong with it:\n", "traffic 120 is not a percentile", "replicas -1: write 1 or more",
		"at '/versions/green/traffic': maximum: got 120, want 100"} {
		if !strings.Contains(string(second), want) {
			t.Errorf("the file does not say %q:\n%.1500s", want, second)
		}
	}
	if got := w.value("versions.green.traffic") + " " + w.value("versions.green.replicas"); got != "40 2" {
		t.Errorf("got %s", got)
	}
}

func TestWhatWasEditedInVainIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, want, kept string }{
		"never right": {`[ $n -gt 1 ] || sed -i 's/^purpose:/purpos:/' "$1"`,
			`error: edit cancelled, nothing valid was written: values: unknown field "purpos"`, "purpos:"},
		"no YAML":            {`[ $n -gt 1 ] || echo '}' >> "$1"`, "error: edit cancelled, nothing valid was written: this is not YAML", "}"},
		"twice the same key": {`[ $n -gt 1 ] || echo 'purpose: DevTest' >> "$1"`, `key "purpose" already set in map`, "purpose: DevTest"},
		"a default that is not ready": {`sed -i 's/defaultVersion: blue/defaultVersion: green/' "$1"`,
			"error: version green does not become the default, nothing is changed", "defaultVersion: green"},
	} {
		w, p := twoVersions(t)
		p.set(func(p *pods) { p.starting["green"] = true })
		r := w.types(c.script, "--wait=false")
		if r.code != 1 || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %q\n%s%s", name, r.code, c.want, r.out, r.err)
		}
		if kept := w.keptFile(r.err); !strings.Contains(kept, c.kept) {
			t.Errorf("%s: kept\n%s", name, kept)
		}
		w.mustHave("deploy blue", "deploy green")
	}
}

func TestEditOfWhatSomebodyElseChangedIsRefused(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	waits := filepath.Join(w.dir, "waits")
	done := make(chan said)
	go func() {
		done <- w.types(`touch ` + waits + `; while [ -e ` + waits + ` ]; do sleep 0.1; done; sed -i 's/traffic: 20/traffic: 30/' "$1"`)
	}()
	for _, err := os.Stat(waits); err != nil; _, err = os.Stat(waits) {
		select {
		case r := <-done:
			t.Fatalf("it ended with %d: %s", r.code, r.err)
		default:
		}
	}
	w.fine(w.run("traffic", "set", "diabetes", "green=10", "--wait=false"))
	if err := os.Remove(waits); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if want := "error: endpoint diabetes was changed meanwhile, revision 3: set traffic green=10: edit it again"; r.code != 1 ||
		!strings.Contains(r.err, want) {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
	if kept := w.keptFile(r.err); !strings.Contains(kept, "traffic: 30") {
		t.Errorf("kept\n%s", kept)
	}
	w.mustHave("deploy blue", "deploy green", "set traffic green=10")
}

// As for any deployment, what does not get ready is rolled back.
func TestEditWaitsForThePodsThatItChanges(t *testing.T) {
	t.Parallel()
	w, p := twoVersions(t)
	p.set(func(p *pods) { p.starting["green"] = true })
	w.fine(w.types(`sed -i 's/traffic: 20/traffic: 0/' "$1"`)) // not for those that only get another share
	r := w.types(`sed -i '/^  green:/,$ s/replicas: 1$/replicas: 2/' "$1"`, "--timeout", "1s")
	if want := "version green: 0 of 2 replicas ready"; r.code != 3 || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d, want 3 and %q\n%s%s", r.code, want, r.out, r.err)
	}
	if kept := w.keptFile(r.err); !strings.Contains(kept, "replicas: 2") {
		t.Errorf("kept\n%s", kept)
	}
	if got := w.value("versions.green.replicas"); got != "1" {
		t.Errorf("green has %s replicas", got)
	}
}
