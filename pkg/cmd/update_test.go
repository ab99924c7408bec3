// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"strings"
	"testing"
)

const (
	update = "service update -n diabetes --no-wait "
	noData = "warning: dataCollection.storageEnabled sends nothing: there is no workspace that knows where to. " +
		"Write the connection string of a storage account to environmentVariables as AML_MODEL_DC_STORAGE\n"
	noInsights = "warning: appInsightsEnabled sends nothing: there is no workspace that knows where to. " +
		"Write the instrumentation key to environmentVariables as AML_APP_INSIGHTS_KEY\n"
)

// running is a world with a service of one replica.
func running(t *testing.T) *world {
	t.Helper()
	w, _ := withPods(t)
	withFiles(w)
	w.fine(w.modelDeploy("-cp", "AKS", "-nr", "1", "-ic", "ic.json", "--tag", "stage=test", "--property", "run=7"))
	return w
}

// Each update of a service changes the values it names and no others.
func TestServiceUpdateChangesWhatIsGiven(t *testing.T) {
	t.Parallel()
	const v = "versions.main."
	for name, c := range map[string]struct {
		args string
		want map[string]string
		says string
	}{
		"replicas": {"-nr 3", map[string]string{v + "replicas": "3"}, ""},
		"a limit and its request": {"-cc 2 -ccl 3",
			map[string]string{v + "resources.requests.cpu": "2000m", v + "resources.limits.cpu": "3000m"}, ""},
		"autoscaling": {"-as true -ma 4",
			map[string]string{v + "autoscaling.enabled": "true", v + "autoscaling.maxReplicas": "4"}, ""},
		"from a file": {"-dc dc.json", map[string]string{v + "replicas": "2"}, ""},
		"what is said of it": {"--description patients --add-tag a=b --remove-tag stage --add-property job=8",
			map[string]string{"description": "patients", "tags": "map[a:b]", "properties": "map[job:8 run:7]"}, ""},
		"all tags": {"--tag a=b", map[string]string{"tags": "map[a:b]"}, ""},
		"open it":  {"-ae false", map[string]string{"auth.mode": "none", "auth.existingSecret": ""}, ""},
		"new code": {"-es other.py -m third=model.txt",
			map[string]string{v + "entryScript": "other.py", v + "models": "[local/third:1]", v + "env.LEVEL": "3"}, ""},
		"a key": {"-kp abc", nil, "warning: a key on a command line can be read by others on this machine: " +
			"write it into the deployment config\n" +
			"warning: the endpoint keeps the keys it has, those given are others: change them with kubectl aml service regen-key\n"},
		"an approximation": {"-gb 2", map[string]string{v + "resources.requests.memory": "2048Mi"},
			"note: --memory-gb: is taken as GiB, 1024 MiB\n"},
		"what an endpoint is for": {"-po 1", nil, "warning: --port: is not read for computeType AKS, only for LOCAL: remove it\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := running(t)
			before := map[string]string{v + "image": "", v + "env": "", v + "scoringTimeoutMs": "", "router.service.type": "",
				v + "probes": ""}
			for path := range before {
				before[path] = w.value(path)
			}
			r := w.fine(w.run(strings.Fields(update + c.args)...))
			if got := r.remarks(); got != c.says {
				t.Errorf("got\n%swant\n%s", got, c.says)
			}
			for path, want := range c.want {
				if got := w.value(path); got != want {
					t.Errorf("%s is %s, want %s", path, got, want)
				}
			}
			for path, want := range before {
				if got := w.value(path); got != want && (name != "new code" || path != v+"image") {
					t.Errorf("%s was %s, is %s", path, want, got)
				}
			}
		})
	}
}

func TestAnEndpointIsOpenedAndClosed(t *testing.T) {
	t.Parallel()
	w := running(t)
	keys := w.run("keys", "get", "diabetes", "-o", "name").out
	for _, step := range []struct{ args, mode, secret string }{
		{"service update -n diabetes --no-wait --ae false", "none", ""},
		{"endpoint realtime update -n diabetes --no-wait --ae true", "key", "diabetes-keys"},
		{"endpoint realtime update -n diabetes --no-wait --ae False", "none", ""},
		{"service update -n diabetes --no-wait --ae", "key", "diabetes-keys"},
	} {
		w.fine(w.run(strings.Fields(step.args)...))
		if mode, secret := w.value("auth.mode"), w.value("auth.existingSecret"); mode != step.mode || secret != step.secret {
			t.Errorf("%s: mode %s, secret %q", step.args, mode, secret)
		}
	}
	if again := w.run("keys", "get", "diabetes", "-o", "name").out; again != keys || len(keys) < 64 {
		t.Error("the keys are others")
	}
}

func TestVersionsComeAndChange(t *testing.T) {
	t.Parallel()
	w := running(t)
	create := "endpoint realtime create-version -n diabetes --no-wait -m model.txt -es score.py --vn "
	change := "endpoint realtime update-version -n diabetes --no-wait --vn "
	const v, withKeys = "versions.green.", `{"computeType": "AKSENDPOINT", "authEnabled": false, "numReplicas": 1}`
	w.write("version.json", withKeys)
	noteAuth := "note: authentication and keys are the endpoint's and stay as they are: " +
		"see kubectl aml endpoint realtime update\n"
	for _, step := range []struct {
		args, says string
		want       map[string]string
	}{
		{create + "green -tp 20.5 -d new -dc version.json --add-tag a=b -cc 1", noteAuth, map[string]string{
			v + "traffic": "20.5", v + "description": "new", v + "tags": "map[a:b]", "defaultVersion": "main",
			"auth.mode": "key", v + "replicas": "1", v + "resources.requests.cpu": "1000m", "tags": "map[stage:test]"}},
		{change + "green -tp 40 --is-default true -cvt", "", map[string]string{
			v + "traffic": "40", "defaultVersion": "green", "controlVersion": "green", v + "description": "new"}},
		{change + "green --is-default false -cvt false", "", map[string]string{
			"defaultVersion": "green", "controlVersion": "green", v + "traffic": "40"}},
		{change + "green -dc version.json --add-tag c=d --add-property e=f", noteAuth, map[string]string{
			"auth.mode": "key", v + "tags": "map[a:b c:d]", v + "properties": "map[e:f]"}},
		{change + "main -md", noData, nil},
		{"endpoint realtime update -n diabetes --no-wait -d patients --add-tag x=y --remove-tag stage -ai", noInsights, map[string]string{"description": "patients", "tags": "map[x:y]"}},
	} {
		r := w.fine(w.run(strings.Fields(step.args)...))
		if got := r.remarks(); got != step.says {
			t.Errorf("%s: got\n%swant\n%s", step.args, got, step.says)
		}
		for path, want := range step.want {
			if got := w.value(path); got != want {
				t.Errorf("%s: %s is %s, want %s", step.args, path, got, want)
			}
		}
	}
}

func TestWhatIsWrongWithAnUpdateIsTold(t *testing.T) {
	t.Parallel()
	w := running(t)
	version := "endpoint realtime update-version -n diabetes --no-wait "
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"nothing given":    {update, 2, "nothing to change: give at least one flag that says what"},
		"only where it is": {update + "--ct here --relative-to-file -v", 2, "nothing to change"},
		"only what builds": {update + "--builder docker --global-registry a.io --registry-ca x --subscription s " +
			"--micromamba-image m --buildkit-address b --buildkit-certificates c --buildkit-image i --pip-config p " +
			"--build-ca c --insecure-registry --environment-image e --builder-cpu 1 --builder-memory 1Gi --builder-disk 1Gi", 2, "nothing to change"},
		"only where models are": {update + "--model-mount volume", 2, "give --inference-config-file or --entry-script too"},
		"no name":               {"service update -nr 2", 2, "the name of the service is missing: write --name NAME"},
		"no service": {"service update -n iris -nr 2", 1,
			`no endpoint "iris" in namespace "models": see kubectl aml get endpoints -n models`},
		"models without code": {update + "-m model.txt", 2, "give --inference-config-file or --entry-script too"},
		"code without the model's file": {update + "-es other.py", 2, "version main has the model model.txt:1 from a file, " +
			"which is needed again: give it with --model model.txt:1=PATH"},
		"a limit below the request": {update + "-cc 2 -ccl 1", 1,
			"--cpu-cores-limit: must not be less than cpu, but 1 is less than 2: write 2 or more"},
		"token auth beside keys": {update + "--token-auth-enabled", 1,
			"--token-auth-enabled: cannot be on together with authEnabled: set one of the two to false"},
		"token auth": {update + "--token-auth-enabled --ae false", 1, "token auth is not served"},
		"a property that is there": {update + "--add-property run=8", 1,
			`property "run" is "7" and cannot be changed: add one of another name, or use a tag`},
		"a key that no header takes": {update + "-kp é", 1, "error: primaryKey cannot be sent in a header"},
		"no version":                 {version + "-tp 2", 2, "the name of the version is missing: write --version-name NAME"},
		"an unknown version": {version + "--vn blu -tp 20", 1,
			`"blu" is not a version of endpoint "diabetes": there is main`},
		"a version that is there": {"endpoint realtime create-version -n diabetes --vn main -m model.txt -es score.py", 1,
			`endpoint "diabetes" has a version "main" already: change it with kubectl aml endpoint realtime update-version`},
		"a percentage":           {version + "--vn main -tp 120", 1, "--traffic-percentile: must be from 0 to 100, not 120"},
		"nothing to an endpoint": {"endpoint realtime update -n diabetes --no-wait", 2, "nothing to change"},
	} {
		r := w.run(strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
	}
	if got := w.run("get", "endpoints", "-o", "json").out; !strings.Contains(got, `"revision": 1,`) {
		t.Errorf("there is a new revision: %s", got)
	}
	w.fine(w.run(strings.Fields("endpoint realtime create-version -n diabetes --no-wait --vn green -m model.txt -es score.py")...))
	r := w.run("service", "update", "-n", "diabetes", "-nr", "2")
	if want := `service "diabetes" is an endpoint with versions green, main: use kubectl aml endpoint realtime ` +
		"update-version --version-name"; r.code != 2 || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

// Application Insights is a variable of the pods: who turns it on waits for them.
func TestAnUpdateOfTheEndpointWaitsForThePodsThatItChanges(t *testing.T) {
	t.Parallel()
	w, p := withPods(t)
	w.mustDeploy("blue")
	w.fine(w.types(`sed -i 's/env: {}/env: {AML_APP_INSIGHTS_KEY: k}/' "$1"`))
	p.set(func(p *pods) { p.starting["blue"] = true })
	ctx, cancel := context.WithCancel(t.Context())
	w.ctx = ctx
	w.when("version blue: 0 of 1 replicas ready", 1, cancel)
	r := w.run("endpoint", "realtime", "update", "-n", "diabetes", "-ai")
	w.ctx = nil
	if r.code != 1 || !strings.Contains(r.err, "error: interrupted; rolled back to revision 2") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
}
