// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import "testing"

// What is said of a version stays when it is deployed again, and so does the way
// the endpoint is reached, unless a flag says otherwise.
func TestADeployKeepsWhatIsSaidOfAVersion(t *testing.T) {
	t.Parallel()
	const v = "versions.blue."
	w := newWorld(t)
	for _, step := range []struct {
		args []string
		want map[string]string
	}{
		{nil, map[string]string{v + "description": "", v + "tags": "map[]", "router.service.type": "ClusterIP"}},
		{[]string{"--description", "patients", "--tag", "a=b", "--property", "run=7", "--service-type", "NodePort"},
			map[string]string{v + "description": "patients", v + "tags": "map[a:b]", v + "properties": "map[run:7]",
				"router.service.type": "NodePort", "tags": "map[]"}},
		{[]string{"--replicas", "2"}, map[string]string{v + "replicas": "2", v + "description": "patients",
			v + "tags": "map[a:b]", v + "models": "[local/model.txt:1]", "router.service.type": "NodePort"}},
		{[]string{"--description", "", "--tag", "c=d", "--property", "job=8"}, map[string]string{v + "description": "",
			v + "tags": "map[c:d]", v + "properties": "map[job:8 run:7]"}},
	} {
		w.mustDeploy("blue", step.args...)
		for path, want := range step.want {
			if got := w.value(path); got != want {
				t.Errorf("%v: %s is %s, want %s", step.args, path, got, want)
			}
		}
	}
	w.env["AML_SERVICE_TYPE"] = "LoadBalancer"
	w.mustDeploy("blue")
	if got := w.value("router.service.type"); got != "LoadBalancer" {
		t.Errorf("with AML_SERVICE_TYPE: %s", got)
	}
}
