// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"strings"
	"testing"
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

	w.fine(w.run("bundle", "create", "diabetes", "--file", "behind.tar"))
	w.elsewhere()
	w.mustDeploy("blue")
	r := w.run("bundle", "load", "behind.tar", "--registry", site, "--wait=false")
	if want := "error: the bundle has no router, it is of an endpoint behind a gateway: load it as another endpoint, or put " +
		"this one behind a gateway first, with kubectl aml deploy --gateway\n"; r.code != 1 || !strings.HasSuffix(r.err, want) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}
