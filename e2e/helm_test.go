// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The chart stands alone: plain Helm installs, tests, upgrades and uninstalls
// it, and the plugin works on what Helm has installed.
func TestPlainHelmInstallsTheChartAndThePluginTakesItOver(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky") // only to have an image of the echo model
	image := s.image("echo", "blue")
	s.ok("delete", "endpoint", "echo")

	values := filepath.Join(t.TempDir(), "values.yaml")
	text, err := json.Marshal(map[string]any{
		"defaultVersion": "blue",
		"router":         map[string]any{"image": os.Getenv("AML_ROUTER_IMAGE")},
		"limiter":        map[string]any{"image": os.Getenv("AML_LIMITER_IMAGE")},
		"versions": map[string]any{"blue": map[string]any{"image": image, "entryScript": "echo/score.py",
			"sourceDirectory": "echo", "modelDir": "/var/azureml-app/azureml-models/name.txt/1"}},
	})
	must(t, err)
	must(t, os.WriteFile(values, text, 0o600))
	s.helm("install", "plain", "../charts/inference", "-f", values, "--wait", "--timeout", "4m")
	s.helm("test", "plain", "--timeout", "2m")
	secret, err := s.admin.CoreV1().Secrets(s.namespace).Get(t.Context(), "plain-keys", metav1.GetOptions{})
	must(t, err)
	key := string(secret.Data["primaryKey"])

	for _, what := range []string{"manifest", "values", "notes"} {
		if strings.Contains(s.helm("get", what, "plain"), key) {
			t.Errorf("a key stands in helm get %s", what)
		}
	}
	s.client().send(s.url("plain"), 3, bearer(key), "-body={}").allOK(t)
	s.ok("traffic", "set", "plain", "blue=10")
	s.helm("upgrade", "plain", "../charts/inference", "-f", values)
	if s.key("plain") != key {
		t.Error("an upgrade has changed the keys")
	}
	s.helm("rollback", "plain", "2")
	s.undoesWhatHelmDid(key)
	s.helm("upgrade", "plain", s.newerChart(), "-f", values)
	r := s.run("traffic", "set", "plain", "blue=20")
	if r.code != 1 || !strings.Contains(r.err, "deployed with chart 99.0.0") ||
		!strings.Contains(r.err, "upgrade kubectl-aml") {
		t.Errorf("an endpoint of a newer chart: exit code %d\n%s", r.code, r.err)
	}
	s.helm("uninstall", "plain", "--wait", "--timeout", "2m")
}

// undoesWhatHelmDid undoes a rollback of Helm's to the plugin's own revision 2.
// Who made a revision is known of the plugin's, and Helm's hand nothing on.
func (s *space) undoesWhatHelmDid(key string) {
	s.t.Helper()
	r := s.ok("undo", "plain")
	if want := "endpoint/plain rolled back to revision 3 (revision 5)\n"; r.out != want {
		s.t.Errorf("undone: %s, want %s", r.out, want)
	}
	if s.key("plain") != key {
		s.t.Error("an undo has changed the keys")
	}
	var list struct {
		Items []struct{ By, Description string } `json:"items"`
	}
	must(s.t, json.Unmarshal([]byte(s.ok("history", "plain", "-o", "json").out), &list))
	for i, r := range list.Items {
		if ours := i == 1 || i == 4; strings.Contains(r.By, "@") != ours {
			s.t.Errorf("revision %d (%s) is by %q", i+1, r.Description, r.By)
		}
	}
}

// newerChart is a copy of the chart as a later kubectl-aml may bring it.
func (s *space) newerChart() string {
	s.t.Helper()
	folder := filepath.Join(s.t.TempDir(), "inference")
	must(s.t, os.CopyFS(folder, os.DirFS("../charts/inference")))
	file := filepath.Join(folder, "Chart.yaml")
	text, err := os.ReadFile(file)
	must(s.t, err)
	later := regexp.MustCompile(`(?m)^version:.*$`).ReplaceAll(text, []byte("version: 99.0.0"))
	must(s.t, os.WriteFile(file, later, 0o600))
	return folder
}

func (s *space) helm(args ...string) string {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), "go", append([]string{"tool", "-modfile=../hack/tools/helm/go.mod", "helm",
		"--namespace", s.namespace, "--kubeconfig", s.kubeconfig}, args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// image is the image that a version runs, by digest.
func (s *space) image(name, version string) string {
	s.t.Helper()
	var list struct {
		Items []struct{ Name, Image string } `json:"items"`
	}
	must(s.t, json.Unmarshal([]byte(s.ok("get", "versions", name, "-o", "json").out), &list))
	for _, v := range list.Items {
		if v.Name == version {
			return v.Image
		}
	}
	s.t.Fatalf("endpoint %s has no version %s", name, version)
	return ""
}
