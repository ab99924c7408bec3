// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// scale sets the replicas of a Deployment, as kubectl scale does.
func (w *world) scale(name string, replicas int64) {
	w.t.Helper()
	d := w.cluster.Object("Deployment/" + name)
	if err := unstructured.SetNestedField(d.Object, replicas, "spec", "replicas"); err != nil {
		w.t.Fatal(err)
	}
	w.cluster.Put(d)
}

const scaled = "deployment diabetes-blue has 5 replicas where revision 1 says 2: "

func TestAFreshEndpointHasNoDifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue", "--replicas", "2")
	for _, args := range [][]string{
		{"diff", "diabetes"},
		{"diff", "diabetes", "--revision", "1"},
		{"diff", "diabetes", "--version-name", "blue", "--entry-script", "score.py", "-m", "model.txt", "--replicas", "2"},
	} {
		if r := w.run(args...); r.out != "" || r.code != 0 {
			t.Errorf("%v: exit code %d: %s%s", args, r.code, r.out, r.err)
		}
	}
}

func TestWhatWasScaledByHandIsToldEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue", "--replicas", "2")
	w.scale("diabetes-blue", 5)

	r := w.run("diff", "diabetes")
	want := "traffic stays as it is\nversion blue goes from 5 to 2 replicas\nno pod restarts\n" +
		"1 object was changed by hand:\n  " + scaled + "it is set back\n\nDeployment/diabetes-blue (changed by hand)\n"
	if !strings.HasPrefix(r.out, want) || !strings.Contains(r.out, "-  replicas: 5\n+  replicas: 2\n") || r.code != 1 || r.err != "" {
		t.Errorf("diff: exit code %d, want 1 and %q\n%s%s", r.code, want, r.out, r.err)
	}
	r = w.deploy("blue", "--replicas", "2", "--dry-run", "server")
	if !strings.Contains(r.err, "note: "+scaled+"it is set back\n") || r.out != "endpoint/diabetes configured (server dry run)\n" {
		t.Errorf("dry run: %s%s", r.out, r.err)
	}
	r = w.run("traffic", "set", "diabetes", "blue=50", "--wait=false")
	if !strings.Contains(r.err, "note: "+scaled+"it is set back\n") || r.code != 0 {
		t.Errorf("traffic set: exit code %d: %s", r.code, r.err)
	}
	if r := w.run("diff", "diabetes"); r.code != 0 {
		t.Errorf("set back: exit code %d: %s%s", r.code, r.out, r.err)
	}
}

func TestDiffTellsWhatADeployWouldDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue", "--replicas", "2")
	w.mustDeploy("green", "--traffic", "10")
	w.write("score.py", "def init(): pass\ndef run(data): return 1\n")
	w.scale("diabetes-blue", 5)
	r := w.run("diff", "diabetes", "--version-name", "green", "--entry-script", "score.py", "-m", "model.txt",
		"--traffic", "40", "-o", "json")
	var d printer.Diff
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		t.Fatalf("%v: %s%s", err, r.out, r.err)
	}
	want := []string{"traffic: blue goes from 90 % to 60 %, green goes from 10 % to 40 %",
		"version green: image", "version blue goes from 5 to 2 replicas", "the pods of version green are replaced (image)"}
	matches := len(d.Summary) == len(want)
	for i := range min(len(want), len(d.Summary)) {
		matches = matches && strings.HasPrefix(d.Summary[i], want[i])
	}
	if !matches || r.code != 1 || d.Revision != 2 || len(d.ByHand) != 1 {
		t.Errorf("exit code %d, %+v, want %q", r.code, d, want)
	}
	var objects []string
	for _, o := range d.Objects {
		objects = append(objects, o.Object)
	}
	if want := []string{"ConfigMap/diabetes-router", "Deployment/diabetes-blue", "Deployment/diabetes-green"}; !slices.Equal(objects, want) {
		t.Errorf("objects are %q, want %q", objects, want)
	}
	if !strings.Contains(r.err, "which is not pushed in a dry run") {
		t.Errorf("said %s", r.err)
	}
}

func TestDiffComparesWithARevisionAndWithValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.mustDeploy("green", "--traffic", "10")
	w.write("values.yaml", "defaultVersion: red\nversions: {red: {image: x/y:1}}\nauth: {existingSecret: diabetes-keys}\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"revision": {[]string{"diff", "diabetes", "--revision", "1"},
			"traffic: blue goes from 90 % to 100 %, green loses its 10 %\nversion green removed\nno pod restarts\n"},
		"values": {[]string{"diff", "diabetes", "--values", "values.yaml"},
			"traffic: red gets 100 %, blue loses its 90 %, green loses its 10 %\nversion blue removed\n"},
		"new endpoint": {[]string{"diff", "iris", "--entry-script", "score.py"}, "traffic: main gets 100 %\nversion main added\nno pod restarts\n"},
	} {
		if r := w.run(c.args...); !strings.HasPrefix(r.out, c.want) || r.code != 1 {
			t.Errorf("%s: exit code %d\n%s%s\nwant %s", name, r.code, r.out, r.err, c.want)
		}
	}
}

func TestADiffThatCannotBeMadeEndsWithMoreThanOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue", "--replicas", "2")
	w.write("bad.yaml", "versions: {blue: {traffic: 101}}\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no endpoint":         {[]string{"diff", "iris"}, `no endpoint "iris" in namespace "models"`},
		"no revision":         {[]string{"diff", "diabetes", "--revision", "9"}, `endpoint "diabetes" has no revision 9: there are [1]`},
		"two things":          {[]string{"diff", "diabetes", "--revision", "1", "--replicas", "3"}, "there is one thing to compare with"},
		"a negative revision": {[]string{"diff", "diabetes", "--revision", "-1"}, "revisions count from 1"},
		"no file":             {[]string{"diff", "diabetes", "--values", "absent.yaml"}, "the values cannot be read"},
		"bad values":          {[]string{"diff", "diabetes", "--values", "bad.yaml"}, "101"},
		"bad format":          {[]string{"diff", "diabetes", "-o", "wide"}, "write one of json, yaml"},
		"nothing to deploy":   {[]string{"diff", "diabetes", "--traffic", "3"}, "nothing to deploy"},
	} {
		if r := w.run(c.args...); r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want 2 and %q\n%s%s", name, r.code, c.want, r.out, r.err)
		}
	}
	w.scale("diabetes-blue", 5)
	w.cluster.Refuse = func(verb, _ string) error {
		if verb == "try" {
			return errors.New("the webhook does not support dry run")
		}
		return nil
	}
	if r := w.run("diff", "diabetes"); r.code != 2 || !strings.Contains(r.err, "does not support dry run") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}

func TestADiffThatIsInterruptedSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.ctx = ctx
	if r := w.run("diff", "diabetes"); r.code != 2 || r.err != "error: interrupted\n" || r.out != "" {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
}

func TestStatusTellsOfDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue", "--replicas", "2")
	w.scale("diabetes-blue", 5)
	if r := w.run("status", "diabetes"); !strings.Contains(r.out, "note: "+scaled+"the next deploy sets it back\n") {
		t.Errorf("got %s%s", r.out, r.err)
	}
	var tree struct {
		Drift []struct {
			Object, Field  string
			Live, Revision int
		} `json:"drift"`
	}
	if err := json.Unmarshal([]byte(w.run("status", "diabetes", "-o", "json").out), &tree); err != nil {
		t.Fatal(err)
	}
	if len(tree.Drift) != 1 || tree.Drift[0].Field != "spec.replicas" || tree.Drift[0].Live != 5 || tree.Drift[0].Revision != 2 {
		t.Errorf("got %+v", tree.Drift)
	}
}
