// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/bundle"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// Whether callers need a key is said where the endpoint is: a bundle of an endpoint
// that anybody may call does not open another one.
func TestABundleOpensNoEndpoint(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.write("open.json", `{"computeType": "AKSENDPOINT", "authEnabled": false, "numReplicas": 1}`)
	w.fine(w.run("bundle", "create", "diabetes", "--file", "open.tar", "--version-name", "blue", "--entry-script", "score.py",
		"-m", "model.txt", "--deploy-config", "open.json"))
	w.fine(w.run("bundle", "load", "open.tar", "--registry", site, "--wait=false"))
	if values := w.values("diabetes"); !strings.Contains(values, "existingSecret: diabetes-keys\n  mode: key\n") {
		t.Errorf("loaded with\n%s", values)
	}
	w.write("mode.yaml", "auth: {mode: none}\n")
	w.fine(w.run("bundle", "load", "open.tar", "--registry", site, "--values", "mode.yaml", "--wait=false"))
	if values := w.values("diabetes"); !strings.Contains(values, "existingSecret: \"\"\n  mode: none\n") {
		t.Errorf("loaded with\n%s", values)
	}
}

// A Gateway asks for no keys and has nothing of a router, whatever the bundle says.
func TestABundleIsLoadedBehindAGateway(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.fine(w.run("delete", "version", "diabetes", "green"))
	w.write("router.yaml", "router: {maxRequestBytes: 1000}\n")
	w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site, "--values", "router.yaml", "--wait=false"))
	w.fine(w.run("delete", "version", "diabetes", "green"))
	w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	w.elsewhere()
	w.addGateway("10.0.0.7", 80, "True")
	w.runs("blue")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--wait=false"))
	values := w.values("diabetes")
	for _, want := range []string{"mode: none\n", "mode: gateway\n", "image: " + site + "/ml/envoy@sha256:"} {
		if !strings.Contains(values, want) {
			t.Errorf("%q is not in\n%s", want, values)
		}
	}

	r := w.fine(w.run("bundle", "create", "diabetes", "--file", "behind.tar"))
	if want := "note: the endpoint is behind Gateway models/front: where the bundle is loaded there has to be one of that name"; !strings.Contains(
		r.err, want) {
		t.Errorf("told %s", r.err)
	}
	w.elsewhere()
	w.addGateway("10.0.0.7", 80, "True")
	w.write("back.yaml", "routing: {gateway: {name: back}}\n")
	r = w.run("bundle", "load", "behind.tar", "--registry", site+"/new", "--values", "back.yaml", "--wait=false")
	if r.code != 1 || !strings.Contains(r.err, "there is no Gateway models/back") || strings.Contains(r.err, "pushing") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	w.mustDeploy("blue")
	w.fine(w.run("bundle", "load", "behind.tar", "--registry", site, "--wait=false"))
	if values := w.values("diabetes"); !strings.Contains(values, "mode: router\n") || strings.Contains(values, w.registry) {
		t.Errorf("loaded in place of an endpoint with a router:\n%s", values)
	}
}

// An endpoint behind a Gateway that came in a bundle gets its router from there, if
// it was to be had.
func TestABundleHasARouterToGoBackTo(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.elsewhere()
	w.addGateway("10.0.0.7", 80, "True")
	w.runs("blue")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	w.fine(w.run("bundle", "create", "diabetes", "--file", "behind.tar"))
	if r := w.fine(w.run("bundle", "show", "behind.tar")); strings.Count(r.out, " router ") != 1 {
		t.Errorf("it shows\n%s", r.out)
	}
	w.env["AML_ROUTER_IMAGE"] = ""
	w.mustDeploy("blue", "--router-image", w.registry+"/gone:1")
	r := w.fine(w.run("bundle", "create", "diabetes", "--file", "without.tar"))
	if want := "note: the router's image is not in the bundle, so that the endpoint has to stay behind a Gateway: "; strings.Count(
		r.err, want) != 1 {
		t.Errorf("told %s", r.err)
	}

	w.fine(w.run("delete", "endpoint", "diabetes"))
	w.fine(w.run("bundle", "load", "behind.tar", "--registry", site, "--wait=false"))
	w.mustDeploy("blue", "--gateway", "none", "--wait=false")
	if values := w.values("diabetes"); !strings.Contains(values, "image: "+site+"/envoy@sha256:") ||
		!strings.Contains(values, "mode: router\n") {
		t.Errorf("without the Gateway it is\n%s", values)
	}
	r = w.run("bundle", "load", "without.tar", "--registry", site, "--wait=false")
	if want := "error: the bundle has no router, it is of an endpoint behind a gateway: load it as another endpoint, or put " +
		"this one behind a gateway first, with kubectl aml deploy --gateway\n"; r.code != 1 || !strings.HasSuffix(r.err, want) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

// What a file from anybody says is told in one line, and moves no cursor.
func TestValuesThatNoBundleHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	packed, err := chart.Pack()
	if err != nil {
		t.Fatal(err)
	}
	courier, err := image.NewCourier(t.Context(), image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ name, values, want string }{
		"no YAML":        {"diabetes", "a: b: c", "its values, of chart"},
		"a key twice":    {"diabetes", "purpose: DevTest\npurpose: DevTest\ntls: 1\ntls: 2\n", "already set in map"},
		"no map":         {"diabetes", "versions: {\"a\\nb\": 1}", "is not a map"},
		"a name":         {"Diabetes", "{}", `endpoint name "Diabetes" is not valid`},
		"a version":      {"diabetes", "versions: {\"\\e[2J\": {}}", `version name "\x1b[2J" is not valid`},
		"a model's name": {"diabetes", "versions: {blue: {models: [\"\\e[2J\"]}}", `model "\x1b[2J" of version blue`},
		"an unknown key": {"diabetes", "router: {color: red}", `unknown field "color"`},
	} {
		e := bundle.Endpoint{Name: c.name, Chart: packed, Values: []byte(c.values)}
		if _, err := bundle.Write(t.Context(), courier, e, filepath.Join(w.dir, "b.tar"), true); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"show", "b.tar"}, {"load", "b.tar", "echo", "--registry", w.registry}} {
			r := w.run(append([]string{"bundle"}, args...)...)
			_, last, _ := strings.Cut(r.err, "error: ")
			if r.code != 1 || !strings.Contains(last, "b.tar: its values, of chart ") || !strings.Contains(last, c.want) ||
				strings.Count(last, "\n") != 1 || strings.Contains(r.out+r.err, "\x1b") {
				t.Errorf("%s, %v: exit code %d: %q %q", what, args, r.code, r.out, r.err)
			}
		}
	}
}
