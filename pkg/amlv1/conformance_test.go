// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"testing"
	"testing/fstest"
)

// What a run of hack/conformance has found; see there for what Azure ML does.

func TestDeploymentConfigsThatAzureMLReads(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ file, want string }{
		"a directive":               {"%YAML 1.1\n---\ncomputeType: AKS\n", ""},
		"a line break of YAML 1.1":  {"computeType: AKS\u0085numReplicas: 2\u2028gpuCores: 1\n", ""},
		"zeros without autoscaling": {`{"computeType": "AKS", "autoScaler": {"minReplicas": 0, "maxReplicas": 0}}`, ""},
		"zeros with autoscaling off": {`{"computeType": "AKS", "numReplicas": 2, "autoScaler": {"autoscaleEnabled": false,
			"targetUtilization": 0}}`, ""},
		"a tab in a text": {"{\"computeType\": \"AKS\", 'namespace': \"a\"} # a\ttab", ""},
		"a number of YAML in JSON with tabs": {"{\n\t\"computeType\": \"AKS\",\n\t\"numReplicas\": 0x10\n}",
			"d.json:3:18: is not valid JSON: invalid character 'x' after object key:value pair\n"},
		"a comment in JSON with tabs": {"{\n\t\"computeType\": \"AKS\" # it's\n}",
			"d.json:2:23: is not valid JSON: invalid character '#' after object key:value pair\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadDeploymentConfig("d.json", []byte(c.file))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

func TestZerosAskForNothing(t *testing.T) {
	t.Parallel()
	c, findings := ReadDeploymentConfig("d.json", []byte(`{"computeType": "AKS", "autoScaler": {"minReplicas": 0}}`))
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	if got := c.Effective().Autoscale; got == nil || got.MinReplicas != 1 || got.MaxReplicas != 10 {
		t.Errorf("autoscaling %+v, want 1 to 10 replicas", got)
	}
}

func TestInferenceConfigsThatAzureMLReads(t *testing.T) {
	t.Parallel()
	const noLogin = "is no login without address, username and password: write all three\n"
	cases := map[string]struct{ keys, want string }{
		"an empty CUDA version": {`"cudaVersion": ""`, "i.json:1:44: cudaVersion: must be one of 9.0, 9.1, 10.0, not \"\": " +
			"write the version in quotes, such as \"10.0\"\n"},
		"an environment of a null": {`"environment": {"name": "e", "r": null}`, ""},
		"a part of a login":        {`"baseImageRegistry": {"username": "u"}`, "warning: i.json:1:29: baseImageRegistry: " + noLogin},
		"a part of an image's login": {`"environment": {"docker": {"baseImageRegistry": {"username": "u"}}}`,
			"warning: i.json:1:56: environment.docker.baseImageRegistry: " + noLogin},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadInferenceConfig("i.json", []byte(`{"entryScript": "score.py", `+c.keys+`}`))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ script, want string }{
		"a slash at the end": {"score.py/", "entryScript: must be a Python script, not a folder: " +
			"write the path without the / at its end\n"},
		"through a folder that is not there": {"sub/../score.py", "entryScript: goes through /w/sub, which does not exist: " +
			"write the path without ..\n"},
	}
	for name, c := range cases {
		_, findings := InferenceConfig{EntryScript: c.script}.Resolve(newTree(nil, "/w/score.py"), "/w")
		expect(t, name, told(findings), c.want)
	}
	yes := true
	tls := DeploymentConfig{ComputeType: ACI, ACI: ContainerInstance{SSLEnabled: &yes, SSLCertificate: "a", SSLKey: "k.pem"}}
	findings := tls.Resolve(newTree(nil, "/w/a/", "/w/k.pem"), "/w")
	expect(t, "a folder for a certificate", told(findings), "sslCertificate: /w/a is a folder: write the path of a file\n")
}

func TestDockerfileGoesBeforeTheImage(t *testing.T) {
	t.Parallel()
	e, findings := ReadEnvironmentDirectory("env", fstest.MapFS{
		definitionFile: {Data: []byte(`{"docker": {"baseImage": "x"}}`)}, dockerfile: {Data: []byte("FROM y\n")},
		condaFile: {Data: []byte("name: a\u0085b\ndependencies: [pip: [azureml-defaults]]\n")},
	})
	expect(t, "findings", told(findings), "")
	if e.Docker.BaseImage != "" || e.Docker.BaseDockerfile != "FROM y\n" || e.Python.CondaDependencies.Name != "a\u0085b" {
		t.Errorf("environment %+v", e)
	}
}
