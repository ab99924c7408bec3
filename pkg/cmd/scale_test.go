// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"strings"
	"testing"
)

func TestScaleSetsAFixedNumberOrARange(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	const v = "versions.green."
	for _, step := range []struct {
		args, want, says string
	}{
		{"--replicas 3", "3 false", ""},
		{"--replicas 2 --current-replicas 3", "2 false", ""},
		{"--replicas 0", "0 false", "note: version green has 20 % of the requests, which go to the default version blue " +
			"while it has no replicas\n"},
		{"--max-replicas 4", "0 true 1 4 70", ""},
		{"--min-replicas 2", "0 true 2 4 70", ""},
		{"--target-utilization 50", "0 true 2 4 50", ""},
		{"--replicas 1 --no-autoscale", "1 false", ""},
	} {
		r := w.fine(w.run(append([]string{"scale", "diabetes", "--version-name", "green"}, strings.Fields(step.args)...)...))
		if r.out != "endpoint/diabetes scaled\n" || !strings.Contains(r.err, step.says) {
			t.Errorf("scale %s: %s%s, want %s", step.args, r.out, r.err, step.says)
		}
		got := []string{w.value(v + "replicas"), w.value(v + "autoscaling.enabled"), w.value(v + "autoscaling.minReplicas"),
			w.value(v + "autoscaling.maxReplicas"), w.value(v + "autoscaling.targetUtilization")}
		if text := strings.Join(got, " "); !strings.HasPrefix(text, step.want) {
			t.Errorf("scale %s made %s, want %s", step.args, text, step.want)
		}
	}
}

func TestWhatIsWrongWithAScaleIsTold(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	w.fine(w.run("scale", "diabetes", "--version-name", "green", "--max-replicas", "4"))
	const green, blue = "--version-name green ", "--version-name blue "
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"nothing":     {green, 2, "nothing to scale: write --replicas, or --min-replicas and --max-replicas"},
		"no version":  {"--replicas 2", 2, `endpoint "diabetes" has versions [blue green]: name one with --version-name`},
		"which":       {"--version-name red --replicas 2", 1, `"red" is not a version of endpoint "diabetes": there is blue, green`},
		"both":        {green + "--replicas 2 --max-replicas 3", 2, "--replicas is a fixed number: leave out --min-replicas"},
		"below zero":  {blue + "--replicas -1", 2, "replicas -1: write 0 or more"},
		"range of 0":  {green + "--min-replicas 0", 2, "--min-replicas 0: write 1 or more"},
		"no number":   {green + "--max-replicas 3 --no-autoscale", 2, "--no-autoscale needs a number: write --replicas"},
		"least first": {green + "--min-replicas 5", 1, "autoscaling from 5 to 4 replicas: the least is 1 and the most not below"},
		"autoscaled": {green + "--replicas 2", 1, "version green follows the load, with 1 to 4 replicas: set --min-replicas " +
			"and --max-replicas, or add --no-autoscale"},
		"not autoscaled": {blue + "--min-replicas 2", 2, "version blue has a fixed number of replicas: write --max-replicas"},
		"the default rests": {blue + "--replicas 0", 1, `default version "blue" of endpoint "diabetes" has 0 replicas, ` +
			"and somebody has to answer: write 1 or more, or make another the default first"},
		"another number now": {blue + "--replicas 2 --current-replicas 5", 1,
			"version blue has 1 replicas, not 5 as --current-replicas says: nothing is changed"},
	} {
		r := w.run(append([]string{"scale", "diabetes"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
	}
	w.mustHave("deploy blue", "deploy green", "scale green with the load")
}

// A version that rests is not one to promote, but takes any other update.
func TestAVersionThatRests(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	w.fine(w.run("scale", "diabetes", "--version-name", "green", "--replicas", "0"))
	if r := w.run("promote", "diabetes", "green"); r.code != 1 ||
		!strings.Contains(r.err, `default version "green" of endpoint "diabetes" has 0 replicas`) {
		t.Errorf("promoted: exit code %d: %s", r.code, r.err)
	}
	w.fine(w.run("update", "diabetes", "--version-name", "green", "--scoring-timeout-ms", "5000"))
	if got := w.value("versions.green.replicas") + " " + w.value("versions.green.scoringTimeoutMs"); got != "0 5000" {
		t.Errorf("got %s", got)
	}
	w.fine(w.run("update", "diabetes", "--version-name", "green", "--replicas", "1"))
	if got := w.value("versions.green.replicas"); got != "1" {
		t.Errorf("got %s replicas", got)
	}
}

func TestUpdateChangesWhatIsGivenOfAVersion(t *testing.T) {
	t.Parallel()
	const v = "versions.blue."
	for name, c := range map[string]struct {
		args string
		want map[string]string
	}{
		"replicas":  {"--replicas 3", map[string]string{v + "replicas": "3"}},
		"resources": {"--memory-gb 2", map[string]string{v + "resources.requests.memory": "2048Mi"}},
		"a file": {"--deploy-config part.json", map[string]string{v + "scoringTimeoutMs": "7000", v + "replicas": "2",
			"auth.mode": "key"}},
		"a flag goes before the file": {"--deploy-config part.json --replicas 4", map[string]string{v + "scoringTimeoutMs": "7000",
			v + "replicas": "4"}},
		"devices":           {"--accelerator amd:2", map[string]string{v + "accelerator": "map[count:2 resource: type:amd]"}},
		"its share":         {"--traffic 30 --control", map[string]string{v + "traffic": "30", "controlVersion": "blue"}},
		"said of it":        {"--description new --add-tag a=b", map[string]string{v + "description": "new", v + "tags": "map[a:b]", "tags": "map[]"}},
		"said of the whole": {"--of-endpoint --tag a=b", map[string]string{"tags": "map[a:b]", v + "tags": "map[]"}},
		"new code": {"--entry-script other.py -m third=model.txt", map[string]string{v + "entryScript": "other.py",
			v + "models": "[local/third:1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := withPods(t)
			withFiles(w)
			w.write("part.json", `{"computeType": "AKS", "scoringTimeoutMs": 7000, "numReplicas": 2}`)
			w.mustDeploy("blue")
			r := w.fine(w.run(append([]string{"update", "diabetes"}, strings.Fields(c.args)...)...))
			if r.out != "endpoint/diabetes version/blue updated\n" {
				t.Errorf("answered %s", r.out)
			}
			for path, want := range c.want {
				if got := w.value(path); got != want {
					t.Errorf("%s is %s, want %s", path, got, want)
				}
			}
		})
	}
}

func TestWhatIsWrongWithAnUpdateOfAVersionIsTold(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"nothing":    {"--version-name blue --dry-run client", 2, "nothing to change: give at least one flag that says what"},
		"no version": {"--replicas 2", 2, "name one with --version-name"},
		"a limit":    {"--version-name blue --cpu-cores 2 --cpu-cores-limit 1", 1, "must not be less than cpu"},
		"the share":  {"--version-name blue --traffic 90", 1, "traffic of endpoint \"diabetes\" sums to 110"},
		"its model":  {"--version-name blue --entry-script score.py", 2, "give it with --model model.txt:1=PATH"},
	} {
		r := w.run(append([]string{"update", "diabetes"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
	}
	if r := w.fine(w.run("update", "diabetes", "--version-name", "blue", "--replicas", "2", "--dry-run", "client")); r.out !=
		"endpoint/diabetes version/blue updated (dry run)\n" {
		t.Errorf("answered %s", r.out)
	}
	w.mustHave("deploy blue", "deploy green")
}

func TestANumberOfReplicasThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	for _, command := range []string{"deploy diabetes --entry-script score.py", "update diabetes"} {
		for _, n := range []string{"0", "-1"} {
			r := w.run(append(strings.Fields(command), "--replicas", n)...)
			if want := "error: replicas " + n + ": write 1 or more, or let a version rest with kubectl aml scale\n"; r.code != 2 ||
				!strings.HasSuffix(r.err, want) {
				t.Errorf("%s: exit code %d, want 2 and %q\n%s%s", command, r.code, want, r.out, r.err)
			}
		}
	}
}
