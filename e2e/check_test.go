// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// checked runs compute check, which has to end with code, and returns its rows.
func (s *space) checked(code int, args ...string) map[string]compute.Check {
	s.t.Helper()
	r := s.run(append([]string{"compute", "check", "-o", "json"}, args...)...)
	var told struct{ Checks []compute.Check }
	if err := json.Unmarshal([]byte(r.out), &told); err != nil || r.code != code {
		s.t.Fatalf("check %v ended with %d, want %d: %v\n%s%s", args, r.code, code, err, r.out, r.err)
	}
	rows := map[string]compute.Check{}
	for _, c := range told.Checks {
		rows[c.Check] = c
	}
	return rows
}

// expect ends with an error for each row whose verdict is another.
func expect(t *testing.T, rows map[string]compute.Check, want map[string]compute.Verdict) {
	t.Helper()
	for name, verdict := range want {
		if rows[name].Verdict != verdict {
			t.Errorf("%s is %+v, want %s", name, rows[name], verdict)
		}
	}
}

// The same cluster is enough for tests and too small for production.
func TestComputeCheckJudgesByThePurpose(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada := s.owner()
	ada.ok(ada.attachArgs("lab")...)
	expect(t, ada.checked(0, "lab"), map[string]compute.Verdict{
		"kubernetes-version": compute.Good, "attachment": compute.Good, "capacity": compute.Good, "architecture": compute.Good,
		"metrics-server": compute.Good, "tls": compute.Good, "azureml-fe": compute.Good, "rights": compute.Good,
		"pod-security": compute.Good,
	})
	ada.ok("compute", "detach", "lab", "--force")
	expect(t, ada.checked(0), map[string]compute.Verdict{"attachment": compute.Warning, "capacity": compute.Warning})

	ada.ok(ada.attachArgs("lab", "--cluster-purpose", "FastProd", "--skip-capacity-check")...)
	rows := ada.checked(1, "lab")
	expect(t, rows, map[string]compute.Verdict{"attachment": compute.Good, "capacity": compute.Bad, "rights": compute.Good})
	if c := rows["capacity"]; !strings.Contains(c.Finding, "FastProd needs at least 12 vCPUs") || c.Remedy == "" {
		t.Errorf("the row says %+v", c)
	}
}

// A compute that somebody else detached is a row that failed.
func TestComputeCheckTellsOfADetach(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada, bob := s.owner(), s.owner()
	ada.ok(ada.attachArgs("lab")...)
	bob.ok("compute", "detach", "lab", "--force")
	rows := ada.checked(1, "lab")
	expect(t, rows, map[string]compute.Verdict{"attachment": compute.Bad})
	if c := rows["attachment"]; !strings.Contains(c.Remedy, "detach -n lab --local-only") {
		t.Errorf("the row says %+v", c)
	}
}

// What Azure ML v1 left is a warning with the lines that delete it.
func TestComputeCheckSeesAzureMLsFrontEnd(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	s.frontEnd()
	rows := s.owner().checked(0)
	expect(t, rows, map[string]compute.Verdict{"azureml-fe": compute.Warning})
	for _, line := range []string{"kubectl delete deployment azureml-fe -n default",
		"kubectl delete clusterrolebinding azureml-fe-binding"} {
		if !strings.Contains(rows["azureml-fe"].Remedy, line) {
			t.Errorf("the remedy lacks %q: %s", line, rows["azureml-fe"].Remedy)
		}
	}
}

// Somebody with the ClusterRole edit in one namespace may deploy there. What they
// may not look at is unknown, with the right; elsewhere they lack rights.
func TestComputeCheckAsSomebodyWithOneNamespace(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada := s.owner()
	ada.ok(ada.attachArgs("lab")...)
	rows := s.checked(0)
	expect(t, rows, map[string]compute.Verdict{
		"kubernetes-version": compute.Good, "attachment": compute.Good, "capacity": compute.Unsure, "free-cpus": compute.Unsure,
		"storage-class": compute.Unsure, "gpu": compute.Unsure, "azureml-fe": compute.Unsure, "metrics-server": compute.Good,
		"pod-security": compute.Good,
	})
	// Whether there are gateways depends on the tests that ran before.
	if c := rows["rights"]; c.Verdict != compute.Good && !strings.HasPrefix(c.Finding, "you may deploy, but not with --gateway") {
		t.Errorf("the row says %+v", c)
	}
	if c := rows["capacity"]; !strings.HasSuffix(c.Finding, "you may not list nodes") {
		t.Errorf("the row says %+v", c)
	}
	viewer, err := s.admin.RbacV1().RoleBindings(s.namespace).Get(t.Context(), "deployer", metav1.GetOptions{})
	must(t, err)
	must(t, s.admin.RbacV1().RoleBindings(s.namespace).Delete(t.Context(), viewer.Name, metav1.DeleteOptions{}))
	viewer.ResourceVersion, viewer.UID, viewer.RoleRef.Name = "", "", "view"
	_, err = s.admin.RbacV1().RoleBindings(s.namespace).Create(t.Context(), viewer, metav1.CreateOptions{})
	must(t, err)
	rights := s.checked(1)["rights"]
	if rights.Verdict != compute.Bad || !strings.Contains(rights.Finding, "you may not get secrets, ") ||
		!slices.Contains(strings.Fields(rights.Finding), s.namespace) {
		t.Errorf("the row says %+v", rights)
	}
}

// The example runs as it stands, and leaves nothing.
func TestComputeExampleRuns(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada := s.owner()
	ada.kubectl("config", "set-context", "--current", "--namespace", s.namespace)
	before, err := os.ReadFile(ada.kubeconfig)
	must(t, err)
	folder, answers := trainExample(t)
	example := filepath.Join(filepath.Dir(folder), "compute")
	must(t, os.CopyFS(example, os.DirFS("../examples/compute")))
	c := exec.CommandContext(t.Context(), "sh", filepath.Join(example, "compute.sh"))
	c.Env = append(os.Environ(), kubeconfigVar+"="+ada.kubeconfig, "HOME="+t.TempDir(),
		"PATH="+kubectlWithPlugin(t)+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		t.Fatalf("the script: %v\n%s\n%s", err, &out, &talk)
	}
	rest := out.String()
	for _, want := range []string{"compute/lab attached\n", "rights ", "compute/lab\n", "endpoint/diabetes created\n",
		answers["blue"] + "\n", "endpoint/diabetes deleted\n", "compute/lab detached\n"} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the script did not print %q after what comes before:\n%s\n%s", want, &out, &talk)
		}
		rest = after
	}
	s.unattached()
	ada.has(before)
	if left := s.objects(); len(left) > 0 {
		t.Errorf("the script left %v", left)
	}
}
