// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// The exports are written after what is known of them: service.json and
// endpoint.json have the fields of serialize() in azureml-core 1.61,
// params.json the names that the migration tool's script changes, and
// deployment.yaml the labels and variables that documents and users show.
func TestAnExportBecomesFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"service", "endpoint", "params", "short"} {
		src, err := os.ReadFile(filepath.Join("testdata/export", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		e, findings := ReadExport(name+".json", src)
		golden.Assert(t, "testdata/export/"+name+".golden", describeExport(e, findings))
	}
}

func describeExport(e Exported, findings Findings) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "warning %v: %s\n", f.Warning, f)
	}
	fmt.Fprintf(&b, "name %s, keys %v\n", e.Name, e.Keys)
	for _, v := range e.Versions {
		fmt.Fprintf(&b, "== version %q default %v control %v image %q models %v\n%s%s", v.Name, v.Default, v.Control,
			v.Image, v.Models, v.DeploymentFile(Keys{}), v.InferenceFile())
	}
	return b.String()
}

func TestADeploymentOfAzureMLBecomesFiles(t *testing.T) {
	t.Parallel()
	v, findings := FromDeployment(reconstructed(t))
	golden.Assert(t, "testdata/export/deployment.golden",
		describeExport(Exported{Name: "diabetes", Versions: []ExportedVersion{v}}, findings))
}

func reconstructed(t testing.TB) appsv1.Deployment {
	t.Helper()
	src, err := os.ReadFile("testdata/export/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict(src, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOddDeploymentsAreToldApart(t *testing.T) {
	t.Parallel()
	container := func(c corev1.Container) appsv1.Deployment {
		return appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "odd", Labels: map[string]string{ServiceLabel: "true"}},
			Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}}}
	}
	cases := map[string]struct {
		deployment appsv1.Deployment
		want       string
	}{
		"no container": {appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "odd"}},
			"deployment/odd: spec.template.spec.containers: has no container"},
		"no label": {appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "odd"},
			Spec: container(corev1.Container{Image: "a"}).Spec}, "metadata.labels: lacks isazuremlapp=true"},
		"a variable from elsewhere": {container(corev1.Container{Env: []corev1.EnvVar{
			{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{}}}}), "env.TOKEN: comes from another object and is left out"},
	}
	for name, c := range cases {
		_, findings := FromDeployment(c.deployment)
		if got := fmt.Sprint(findings); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWrongExportsAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ src, want string }{
		"not JSON":          {`{"name": `, "s.json:1:10: is not valid JSON: unexpected end of JSON input"},
		"no name":           {`{"computeType": "AKS"}`, "s.json:1:1: name: is missing: export one service"},
		"a bad name":        {`{"name": "A B"}`, `s.json:1:10: name: must be 3 to 32`},
		"another compute":   {`{"name": "abc", "computeType": "MIR"}`, `s.json:1:32: computeType: "MIR" is not a service in a cluster`},
		"a number as text":  {`{"name": "abc", "numReplicas": "3"}`, "s.json:1:32: numReplicas: must be a whole number"},
		"no version":        {`{"name": "abc", "versions": {}}`, "s.json:1:29: versions: must be an object with the versions"},
		"a version of text": {`{"name": "abc", "versions": {"blue": 1}}`, "s.json:1:38: versions.blue: must be an object, not 1"},
		"no deployment":     {`{"parameters": {"onlineEndpointName": {"value": "abc"}}}`, "onlineDeployments: must hold a list"},
		"a bad duration": {`{"onlineEndpointName": {"value": "abc"}, "onlineDeployments": {"value": [{"name": "blue",
  "properties": {"requestSettings": {"requestTimeout": "soon"}}}]}}`,
			`s.json:2:56: onlineDeployments[0].requestSettings.requestTimeout: must be a duration such as PT1M30S, not "soon"`},
		"a bad quantity": {`{"onlineEndpointName": {"value": "abc"}, "onlineDeployments": {"value": [{"name": "blue",
  "properties": {"containerResourceRequirements": {"containerResourceRequests": {"cpu": "much"}}}}]}}`,
			`s.json:2:89: onlineDeployments[0].containerResourceRequirements: must be an amount of Kubernetes`},
		"too much traffic": {`{"onlineEndpointName": {"value": "abc"}, "onlineEndpointPropertiesTrafficUpdate": {"value":
  {"traffic": {"blue": 101}}}, "onlineDeployments": {"value": [{"name": "blue"}, {"name": "green"}]}}`,
			"s.json:2:24: traffic.blue: must be from 0 to 100, not 101"},
	}
	for name, c := range cases {
		_, findings := ReadExport("s.json", []byte(c.src))
		if err := findings.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, findings, c.want)
		}
	}
}

func TestTokenAuthBecomesKeyAuth(t *testing.T) {
	t.Parallel()
	e, findings := ReadExport("s.json", []byte(`{"name": "abc", "authEnabled": false, "aadAuthEnabled": true}`))
	if err := findings.Err(); err != nil {
		t.Fatal(err)
	}
	if s := e.Versions[0].Config.Effective(); !s.KeyAuth || s.TokenAuth {
		t.Errorf("key auth %v, token auth %v", s.KeyAuth, s.TokenAuth)
	}
	if !strings.Contains(fmt.Sprint(findings), "tokenAuthEnabled: tokens are not served") {
		t.Errorf("got %v", findings)
	}
}

func TestKeysAreWrittenOnRequestOnly(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/export/params.json")
	if err != nil {
		t.Fatal(err)
	}
	e, _ := ReadExport("params.json", src)
	if text := string(e.Versions[0].DeploymentFile(Keys{})); strings.Contains(text, "PRIMARY") {
		t.Error("a key is written")
	}
	c, findings := ReadDeploymentConfig("d.json", e.Versions[0].DeploymentFile(e.Keys))
	if len(findings) > 0 || c.Keys != e.Keys || c.Keys.PrimaryKey == "" {
		t.Errorf("%v", findings)
	}
}

// An export that is taken gives files that are taken, and that say the same.
func FuzzReadExport(f *testing.F) {
	for _, name := range []string{"service", "endpoint", "params", "short"} {
		src, err := os.ReadFile(filepath.Join("testdata/export", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		e, findings := ReadExport("s.json", src)
		if findings.Err() != nil {
			return
		}
		for _, v := range e.Versions {
			sameAgain(t, v)
		}
	})
}

func sameAgain(t *testing.T, v ExportedVersion) {
	t.Helper()
	c, findings := ReadDeploymentConfig("d.json", v.DeploymentFile(Keys{}))
	if err := findings.Err(); err != nil {
		t.Fatalf("%v\n%s", err, v.DeploymentFile(Keys{}))
	}
	want := v.Config
	want.ComputeType, want.VersionName = c.ComputeType, c.VersionName
	if c.ComputeType == AKS {
		want.TrafficPercentile = nil
	}
	if got, want := c.Effective(), want.Effective(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
	if _, findings := ReadInferenceConfig("i.json", v.InferenceFile()); findings.Err() != nil && v.environment == nil {
		t.Fatalf("%v\n%s", findings, v.InferenceFile())
	}
}

// Whatever a Deployment holds, it gives a file that is taken, or findings.
func FuzzFromDeployment(f *testing.F) {
	src, err := os.ReadFile("testdata/export/deployment.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Fuzz(func(t *testing.T, src []byte) {
		var d appsv1.Deployment
		if yaml.Unmarshal(src, &d) != nil {
			return
		}
		v, findings := FromDeployment(d)
		if findings.Err() == nil {
			sameAgain(t, v)
		}
	})
}
