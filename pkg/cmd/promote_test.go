// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// twoVersions is a world where blue is the default and green has a share.
func twoVersions(t *testing.T, args ...string) (*world, *pods) {
	t.Helper()
	w, p := withPods(t)
	w.mustDeploy("blue", args...)
	w.mustDeploy("green", "--traffic", "20")
	return w, p
}

// history are the descriptions of the revisions that are or were in force.
func (w *world) history() []string {
	w.t.Helper()
	s, err := w.connect(genericclioptions.NewConfigFlags(false))
	if err != nil {
		w.t.Fatal(err)
	}
	revisions, err := s.Releases.(*release.Client).History(w.t.Context(), "diabetes")
	if err != nil {
		w.t.Fatal(err)
	}
	var told []string
	for _, r := range revisions {
		if r.Status == "deployed" || r.Status == "superseded" {
			told = append(told, r.Description)
		}
	}
	return told
}

// lines ends the test unless the revisions are these.
func (w *world) mustHave(history ...string) {
	w.t.Helper()
	if got := w.history(); !slices.Equal(got, history) {
		w.t.Errorf("the revisions are %q, want %q", got, history)
	}
}

// when has do called once, when a command has said text for the nth time.
func (w *world) when(text string, nth int, do func()) {
	w.heard = func(said string) {
		if !strings.Contains(said, text) {
			return
		}
		if nth--; nth == 0 {
			w.heard = nil
			do()
		}
	}
}

func TestANewVersionBecomesTheDefaultOnceItIsReady(t *testing.T) {
	t.Parallel()
	w, p := withPods(t)
	w.mustDeploy("blue")
	p.set(func(p *pods) { p.starting["green"] = true })
	r := w.deploy("green", "--default", "--wait", "--timeout", "2s", "--traffic", "10")
	if want := "version green: 0 of 1 replicas ready"; r.code != 3 || !strings.Contains(r.err, want) {
		t.Fatalf("exit code %d, want 3 and %q\n%s", r.code, want, r.err)
	}
	if got := w.run("get", "versions", "-o", "name").out; got != "version/blue\n" {
		t.Errorf("left: %s", got)
	}
	p.set(func(p *pods) { p.starting["green"] = false })
	before := len(w.history())
	r = w.fine(w.deploy("green", "--default", "--traffic", "10"))
	if r.out != "endpoint/diabetes configured\n" ||
		!strings.Contains(r.err, "version green becomes the default as soon as it is ready\n") {
		t.Errorf("got %s%s", r.out, r.err)
	}
	if got := w.history()[before:]; !slices.Equal(got, []string{"deploy green", "make green the default"}) {
		t.Errorf("made the revisions %q", got)
	}
	if got := w.value("defaultVersion") + w.value("versions.green.traffic"); got != "green10" {
		t.Errorf("got %s", got)
	}
}

// The pods run already: the same command does what was left to do.
func TestTheSameCommandDoesTheRestOfADeploymentThatWasCutOff(t *testing.T) {
	t.Parallel()
	w, _ := withPods(t)
	w.mustDeploy("blue")
	ctx, cancel := context.WithCancel(t.Context())
	w.ctx = ctx
	w.when("version green: 1 of 1 replicas ready", 2, cancel)
	r := w.deploy("green", "--default", "--wait")
	w.ctx = nil
	if want := "version green is deployed and not the default yet, kubectl aml traffic set diabetes --default green " +
		"does the rest"; r.code != 1 ||
		!strings.Contains(r.err, want) {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	w.mustHave("deploy blue", "deploy green", "Rollback to 2")
	w.fine(w.deploy("green", "--default", "--wait"))
	w.mustHave("deploy blue", "deploy green", "Rollback to 2", "make green the default")
}

func TestOnlyAVersionThatIsReadyBecomesTheDefault(t *testing.T) {
	t.Parallel()
	w, p := twoVersions(t)
	p.set(func(p *pods) { p.starting["green"] = true })
	const why = "version green does not become the default, nothing is changed: "
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"traffic set, at once": {"traffic set diabetes --default green --wait=false", 1, why + "version green: 0 of 1 replicas ready"},
		"traffic set":          {"traffic set diabetes --default green --timeout 1s", 3, why + "still progressing after"},
		"promote":              {"promote diabetes green --timeout 1s", 3, why + "still progressing after"},
		"promote, at once":     {"promote diabetes green --wait=false", 1, why + "version green: 0 of 1 replicas ready"},
		"server dry run":       {"promote diabetes green --dry-run server", 1, why + "version green: 0 of 1 replicas ready"},
		"the default goes":     {"delete version diabetes blue --wait=false", 1, why + "version green: 0 of 1"},
	} {
		r := w.run(strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
	}
	w.mustHave("deploy blue", "deploy green")
	p.set(func(p *pods) { p.looked = func() { t.Error("the cluster was asked") } })
	if r := w.run("promote", "diabetes", "green", "--dry-run", "client"); r.out !=
		"endpoint/diabetes version/green promoted (dry run)\n" {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	w.fine(w.run("traffic", "set", "diabetes", "green=100", "--wait=false"))
	p.set(func(p *pods) { p.starting, p.looked = map[string]bool{}, nil })
	w.fine(w.run("delete", "version", "diabetes", "blue"))
	w.mustHave("deploy blue", "deploy green", "set traffic green=100", "delete version blue")
}

func TestPromoteGivesAllTrafficToOneVersion(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t, "--replicas", "3")
	r := w.fine(w.run("promote", "diabetes", "green", "--control"))
	if r.out != "endpoint/diabetes version/green promoted\n" {
		t.Errorf("answered %s", r.out)
	}
	if want := "warning: version green has 1 replicas, the default before, blue, has 3: give it as many with " +
		"kubectl aml scale diabetes --version-name green --replicas 3\n"; !strings.Contains(r.err, want) {
		t.Errorf("said\n%swithout\n%s", r.err, want)
	}
	want := "VERSION   DECLARED   EFFECTIVE   ROLE\nblue      0%         0%          <none>\n" +
		"green     0%         100%        default,control\n"
	if got := w.run("traffic", "get", "diabetes").out; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r = w.fine(w.run("promote", "diabetes", "green", "--retire-after", "0s"))
	if r.out != "endpoint/diabetes unchanged\n" || !strings.Contains(r.err, "no version is retired: no other had traffic") {
		t.Errorf("got %s%s", r.out, r.err)
	}
}

func TestPromoteRetiresWhatItRelieved(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	w.mustDeploy("spare")
	w.mustDeploy("third", "--traffic", "5")
	if r := w.fine(w.run("promote", "diabetes", "green", "--retire-after", "1h", "--dry-run", "client")); r.err !=
		"note: version blue would be deleted 1h0m0s later\nnote: version third would be deleted 1h0m0s later\n" {
		t.Errorf("said %s", r.err)
	}
	r := w.fine(w.run("promote", "diabetes", "green", "--retire-after", "0s"))
	if want := "endpoint/diabetes version/green promoted\nendpoint/diabetes version/blue, version/third retired\n"; r.out != want {
		t.Errorf("answered %s", r.out)
	}
	if got := w.run("get", "versions", "-o", "name").out; got != "version/green\nversion/spare\n" {
		t.Errorf("left: %s", got)
	}
}

func TestPromoteRetiresNothingWhenSomethingCameBetween(t *testing.T) {
	t.Parallel()
	const all = "nothing is retired: kubectl aml delete version diabetes blue does it all the same\n"
	for name, c := range map[string]struct {
		meanwhile func(w *world, p *pods, cancel func())
		want      string
	}{
		"traffic came back": {func(w *world, _ *pods, _ func()) {
			w.fine(w.run("traffic", "set", "diabetes", "blue=10", "--wait=false"))
		}, "error: endpoint diabetes was changed meanwhile, revision 4: set traffic blue=10, " + all},
		"the version is ill": {func(_ *world, p *pods, _ func()) {
			p.set(func(p *pods) { p.starting["green"] = true })
		}, "error: version green does not serve any more (0 of 1 replicas ready: "},
		"somebody presses Ctrl-C": {func(_ *world, _ *pods, cancel func()) { cancel() },
			"error: interrupted: the promotion stays, " + all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := twoVersions(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.ctx = ctx
			w.when("version/blue: deleted in 1h0m0s", 1, func() { c.meanwhile(w, p, cancel) })
			r := w.run("promote", "diabetes", "green", "--retire-after", "1h")
			w.ctx = nil
			if r.code != 1 || !strings.Contains(r.err, c.want) || r.out != "endpoint/diabetes version/green promoted\n" {
				t.Errorf("exit code %d, want %q\n%s%s", r.code, c.want, r.out, r.err)
			}
			if got := w.run("get", "versions", "-o", "name").out; got != "version/blue\nversion/green\n" {
				t.Errorf("left: %s", got)
			}
		})
	}
}

func TestWhatIsWrongWithAPromotionIsTold(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"no version":         {"diabetes", 2, "1 arguments where 2 belong: write kubectl aml promote ENDPOINT VERSION"},
		"an unknown version": {"diabetes red", 1, `"red" is not a version of endpoint "diabetes": there is blue, green`},
		"an unknown endpoint": {"iris red", 1,
			`no endpoint "iris" in namespace "models": see kubectl aml get endpoints -n models`},
		"a time before now": {"diabetes green --retire-after -1s", 2, "write a time of 0 or more"},
		"no waiting": {"diabetes green --retire-after 1s --wait=false", 2,
			"versions are retired after a promotion that is in force: leave out --wait=false, or --retire-after"},
	} {
		r := w.run(append([]string{"promote"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
	}
	w.mustHave("deploy blue", "deploy green")
}

func TestRestartChangesOnlyThePods(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                              "true true false",
		"--version-name green":          "false true false",
		"--routers":                     "false false true",
		"--routers --version-name blue": "true false true",
	} {
		w, _ := twoVersions(t)
		r := w.fine(w.run(append([]string{"restart", "diabetes"}, strings.Fields(args)...)...))
		if r.out != "endpoint/diabetes restarted\n" {
			t.Errorf("restart %s answered %s", args, r.out)
		}
		var got [3]bool
		for i, path := range []string{"versions.blue", "versions.green", "router"} {
			got[i] = strings.Contains(w.value(path+".podAnnotations"), "kubectl.kubernetes.io/restartedAt:2")
		}
		if fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("restart %s restarted %v, want %s", args, got, want)
		}
		if d := w.cluster.Object("Deployment/diabetes-green"); strings.Contains(fmt.Sprint(d), "restartedAt") != got[1] {
			t.Errorf("restart %s: the pods of green are not as the values say", args)
		}
	}
	w, _ := twoVersions(t)
	if r := w.run("restart", "diabetes", "--version-name", "red"); r.code != 1 || !strings.Contains(r.err, `"red" is not a version`) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}
