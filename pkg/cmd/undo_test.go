// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// rolledOut is a world with three revisions of an endpoint: blue, then green with
// a share, then another limit for blue and another split.
func rolledOut(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.mustDeploy("blue", "--description", "for patients")
	w.mustDeploy("green", "--traffic", "20")
	w.write("dc.json", `{"computeType": "AKS", "maxConcurrentRequestsPerContainer": 4}`)
	w.mustDeploy("blue", "--deploy-config", "dc.json", "--traffic", "50", "--default")
	return w
}

func TestUndoTellsWhatItDid(t *testing.T) {
	t.Parallel()
	w := rolledOut(t)
	second := w.undone("diabetes", 2)
	for _, step := range []struct{ args, out string }{
		{"undo diabetes --dry-run client", "endpoint/diabetes rolled back to revision 2 (revision 4) (dry run)\n"},
		{"undo diabetes --dry-run server --to-revision 1",
			"endpoint/diabetes rolled back to revision 1 (revision 4) (server dry run)\n"},
		{"undo diabetes --wait=false", "endpoint/diabetes rolled back to revision 2 (revision 4)\n"},
		{"undo diabetes --wait=false --to-revision 2", "endpoint/diabetes unchanged\n"},
		{"undo diabetes --wait=false", "endpoint/diabetes rolled back to revision 3 (revision 5)\n"},
		{"undo diabetes --wait=false --to-revision 2 -o name", "endpoint/diabetes\n"},
	} {
		if r := w.run(strings.Fields(step.args)...); r.out != step.out || r.code != 0 || r.err != "" {
			t.Errorf("%s: exit code %d\n%s%s", step.args, r.code, r.out, r.err)
		}
	}
	if now := w.run("render", "diabetes").out; now != second {
		t.Errorf("got\n%s\nwant\n%s", now, second)
	}
}

// undone is what is rendered of a revision.
func (w *world) undone(name string, revision int) string {
	w.t.Helper()
	s, err := w.connect(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	history, err := s.Releases.History(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return history[revision-1].Manifest
}

func TestUndoBringsNoKeysBackAndLeavesNoEndpointWithout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	keys := func() string { return w.run("keys", "get", "diabetes", "-o", "name").out }
	first := keys()
	w.fine(w.run(strings.Fields("endpoint realtime update -n diabetes --no-wait --ae false")...))
	w.fine(w.run("undo", "diabetes", "--wait=false"))
	if mode := w.value("auth.mode"); mode != "key" || keys() != first {
		t.Errorf("mode %s, other keys %v", mode, keys() != first)
	}
	w.fine(w.run("undo", "diabetes", "--wait=false")) // open again
	secrets := w.cluster.Clientset.CoreV1().Secrets("models")
	if err := secrets.Delete(t.Context(), "diabetes-keys", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := w.run("undo", "diabetes", "--dry-run", "server"); r.code != 0 || r.err != "" {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if _, err := secrets.Get(t.Context(), "diabetes-keys", metav1.GetOptions{}); err == nil {
		t.Error("a dry run has made keys")
	}
	r := w.fine(w.run("undo", "diabetes", "--wait=false"))
	if want := "note: the keys of the endpoint were gone, it has new ones: see kubectl aml keys get diabetes\n"; r.err != want {
		t.Errorf("told %q, want %q", r.err, want)
	}
	if again := keys(); again == first || len(again) != len(first) {
		t.Error("the endpoint has no keys, or the old ones")
	}
}

func TestUndoNeedsTheSecretThatSomebodyGave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.edit("diabetes", "auth.existingSecret", "ours")
	w.edit("diabetes", "auth.existingSecret", "diabetes-keys")
	r := w.run("undo", "diabetes", "--wait=false")
	want := "error: the revision takes its keys from secret models/ours, which is gone: make it again first\n"
	if r.code != 1 || r.err != want {
		t.Errorf("exit code %d, %q", r.code, r.err)
	}
	if got := w.value("auth.existingSecret"); got != "diabetes-keys" {
		t.Errorf("keys are from %s", got)
	}
}

func TestWhatUndoRefusesIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"undo iris": {1, `error: no endpoint "iris" in namespace "models": see kubectl aml get endpoints -n models`},
		"undo diabetes": {1, `error: endpoint "diabetes" has nothing to go back to: no kept revision before 1, ` +
			`which is in force, was in force and is another`},
		"undo diabetes --to-revision 3": {1, `error: endpoint "diabetes" has no revision 3: those that were in force are 1; ` +
			`the last 10 revisions are kept`},
		"undo diabetes --to-revision -1": {2, `error: --to-revision -1: revisions count from 1`},
		"undo diabetes -o wide":          {2, `error: output format "wide" is not known here: write one of json, yaml, name`},
	} {
		if r := w.run(strings.Fields(args)...); r.code != want.code || r.err != want.says+"\n" || r.out != "" {
			t.Errorf("%s: exit code %d, %q", args, r.code, r.err)
		}
	}
}

func TestAnUndoThatFailsIsUndone(t *testing.T) {
	t.Parallel()
	w := rolledOut(t)
	third := w.undone("diabetes", 3)
	w.cluster.Refuse = func(_, object string) error {
		if object == "Deployment/diabetes-blue" {
			w.cluster.Refuse = nil
			return errors.New("quota exceeded")
		}
		return nil
	}
	r := w.run("undo", "diabetes", "--wait=false")
	if r.code != 1 || !strings.HasSuffix(r.err, "quota exceeded; rolled back to revision 3\n") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if now := w.run("render", "diabetes").out; now != third {
		t.Errorf("got\n%s\nwant\n%s", now, third)
	}
}

func TestRevisionsAreCompleted(t *testing.T) {
	t.Parallel()
	w := rolledOut(t)
	w.cluster.Refuse = func(string, string) error { return errors.New("quota exceeded") }
	if r := w.deploy("blue", "--no-rollback", "--replicas", "3"); r.code != 1 {
		t.Fatalf("exit code %d", r.code)
	}
	w.cluster.Refuse = nil
	for args, want := range map[string]string{
		"undo diabetes --to-revision ": "3\tdeploy blue\n2\tdeploy green\n1\tdeploy blue\n:36\n",
		"history diabetes --revision ": "4\tUpgrade \"diabetes\" failed: quota exceeded\n3\tdeploy blue\n2\tdeploy green\n1\tdeploy blue\n:36\n",
		"undo --to-revision ":          ":4\n",
	} {
		if r := w.run(append([]string{"__complete"}, strings.Split(args, " ")...)...); r.out != want {
			t.Errorf("%s: got %q, want %q", args, r.out, want)
		}
	}
}

// edit sets one value of an endpoint, as helm would.
func (w *world) edit(name, path string, to any) {
	w.t.Helper()
	s, err := w.connect(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = s.Releases.Apply(w.t.Context(), name, func(now *release.Release) (map[string]any, error) {
		return now.Values, unstructured.SetNestedField(now.Values, to, strings.Split(path, ".")...)
	}, release.ApplyOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A default without a ready replica has nobody to leave its requests to, so this
// is waited for also by who does not wait.
func TestUndoAtOnceBringsTheDefaultBackFirst(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	w.fine(w.run("promote", "diabetes", "green", "--wait=false"))
	w.fine(w.run("delete", "version", "diabetes", "blue", "--wait=false"))
	r := w.fine(w.run("undo", "diabetes", "--to-revision", "2", "--wait=false"))
	if want := "version blue is to be the default and has to be ready first\n"; !strings.Contains(r.err, want) {
		t.Errorf("got %s%s, want %q", r.out, r.err, want)
	}
	w.mustHave("deploy blue", "deploy green", "promote green", "delete version blue",
		"undo to revision 2: version blue first", "undo to revision 2")
}
