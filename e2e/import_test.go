// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// A Deployment as Azure ML left it in a cluster, as far as that is known,
// becomes files, and the command that is printed serves its image under the
// keys that callers have. The old Deployment stays as it is.
func TestImport(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky")
	old := s.reconstructed("legacy", s.imageOf("echo-blue"))

	dir := t.TempDir()
	const key = "KEYfromAzureMLKEYfromAzureML1234"
	keys := filepath.Join(dir, "keys.json")
	must(t, os.WriteFile(keys, []byte(`{"primaryKey": "`+key+`", "secondaryKey": "second"}`), 0o600))
	out := filepath.Join(dir, "imported")
	r := s.ok("import", "--service", "legacy", "--endpoint", "renewed", "--keys-file", keys, "-d", out)
	if strings.Contains(r.out+r.err, key) {
		t.Fatal("a key is printed")
	}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	command := strings.TrimPrefix(lines[len(lines)-1], "kubectl aml ")
	c := s.command(t.Context(), strings.Fields(command)...)
	c.Dir = out
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, text)
	}
	answers := s.client().send(s.url("renewed"), 20, bearer(key), `-body={}`).allOK(t)
	if answers.Bodies[`{"model": "sky"}`] != 20 {
		t.Errorf("answers: %v", answers.Bodies)
	}
	now, err := s.admin.AppsV1().Deployments(s.namespace).Get(t.Context(), "legacy", metav1.GetOptions{})
	must(t, err)
	if now.Generation != old.Generation {
		t.Error("the old deployment was changed")
	}
}

// imageOf is the image of a version's scoring container.
func (s *space) imageOf(deployment string) string {
	s.t.Helper()
	d, err := s.admin.AppsV1().Deployments(s.namespace).Get(s.t.Context(), deployment, metav1.GetOptions{})
	must(s.t, err)
	return d.Spec.Template.Spec.Containers[0].Image
}

// reconstructed makes the Deployment of a service as Azure ML made it, after
// what is known of it, with an image that is there and no replica.
func (s *space) reconstructed(name, image string) *appsv1.Deployment {
	s.t.Helper()
	text, err := os.ReadFile("../pkg/amlv1/testdata/export/deployment.yaml")
	must(s.t, err)
	var d appsv1.Deployment
	must(s.t, yaml.UnmarshalStrict(text, &d))
	d.Name, d.Namespace = name, s.namespace
	d.Spec.Replicas = ptr.To(int32(0))
	c := &d.Spec.Template.Spec.Containers[0]
	c.Image = image
	delete(c.Resources.Limits, "nvidia.com/gpu")
	c.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("50m") // what is left beside the other tests
	for i := range c.Env {
		switch c.Env[i].Name {
		case "AZUREML_ENTRY_SCRIPT":
			c.Env[i].Value = "echo/score.py"
		case "AZUREML_SOURCE_DIRECTORY":
			c.Env[i].Value = "echo"
		}
	}
	made, err := s.admin.AppsV1().Deployments(s.namespace).Create(s.t.Context(), &d, metav1.CreateOptions{})
	must(s.t, err)
	return made
}

// What init writes is valid, deploys as it is and answers its sample.
func TestInit(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := filepath.Join(t.TempDir(), "hello")
	s.ok("init", dir)
	s.ok("validate", dir)
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	must(t, err)
	for _, m := range regexp.MustCompile(`(?m)^    kubectl aml (.*)$`).FindAllStringSubmatch(string(readme), -1) {
		c := s.command(t.Context(), strings.Fields(m[1])...)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		if strings.HasPrefix(m[1], "invoke") && strings.TrimSpace(string(out)) != `{"prediction": [6, 15]}` {
			t.Errorf("%s answered %s", m[0], out)
		}
	}
}
