// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// A cluster of kind comes with one command and goes with another, whatever
// became of the command that began to make it.
func TestComputeKindComesAndGoes(t *testing.T) {
	s := newSpace(t)
	image, config, err := cluster.Spare(t.Context(), cluster.Options{}, t.TempDir())
	must(t, err)
	name := spareName()
	t.Cleanup(func() { removeNodes(t) })
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	before, err := clientcmd.LoadFromFile(s.kubeconfig)
	must(t, err)
	create := []string{"compute", "create", "kind", "-n", name, "--image", image, "--config", config, "--wait", "2m"}

	s.cutOff(create)
	made := s.ok(create...)
	if made.out != "compute/"+name+" created\n" || !strings.Contains(made.err, "not finished by an earlier create") {
		t.Errorf("create said\n%s%s", made.out, made.err)
	}
	t.Logf("a cluster is made in %s", made.took.Round(time.Second))

	s.spareIsAttached()
	now, err := clientcmd.LoadFromFile(s.kubeconfig)
	must(t, err)
	if now.CurrentContext != before.CurrentContext || len(now.Contexts) != len(before.Contexts)+1 {
		t.Errorf("the current context is %s of %d", now.CurrentContext, len(now.Contexts))
	}
	if r := s.run(create...); r.code != 3 || !strings.Contains(r.err, "compute "+name+" is there already") {
		t.Errorf("a second create ended with %d:\n%s", r.code, r.err)
	}

	s.ok("compute", "delete", "-n", name, "--yes")
	if left := nodesOfSpare(t); left != "" {
		t.Errorf("nodes are left: %s", left)
	}
	if now, err = clientcmd.LoadFromFile(s.kubeconfig); err != nil || now.Contexts[name] != nil || len(now.Contexts) != 1 {
		t.Errorf("the kubeconfig is left with %d contexts, %v", len(now.Contexts), err)
	}
}

// spareName is the compute's. In lower case, as kind wants it, it is the run's: so the
// next run removes its nodes if this one is killed.
func spareName() string { return "A" + strings.TrimPrefix(os.Getenv(runVar), "a") }

// cutOff runs the plugin and kills it when there is a node.
func (s *space) cutOff(args []string) {
	s.t.Helper()
	c := s.command(s.t.Context(), args...)
	c.Stdout, c.Stderr = io.Discard, io.Discard
	must(s.t, c.Start())
	must(s.t, wait.PollUntilContextTimeout(s.t.Context(), 100*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) { return nodesOfSpare(s.t) != "", nil }))
	must(s.t, c.Process.Kill())
	_ = c.Wait() // killed
}

// spareIsAttached looks at the cluster by the context that leads to it.
func (s *space) spareIsAttached() {
	s.t.Helper()
	name := spareName()
	kubectl := exec.CommandContext(s.t.Context(), "kubectl", "--kubeconfig", s.kubeconfig, "--context", name,
		"get", "nodes", "-o", "name")
	out, err := kubectl.CombinedOutput()
	if err != nil || string(out) != "node/"+strings.ToLower(name)+"-control-plane\n" {
		s.t.Errorf("kubectl get nodes: %v: %s", err, out)
	}
	rest, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: s.kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	must(s.t, err)
	client, err := kubernetes.NewForConfig(rest)
	must(s.t, err)
	r, err := compute.Read(s.t.Context(), client)
	must(s.t, err)
	if r.Name != name || r.Provider != compute.Kind || r.KindCluster != strings.ToLower(name) || !r.Created ||
		r.Purpose != endpoint.DevTest {
		s.t.Errorf("the record is %+v", r)
	}
}

func nodesOfSpare(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", "ps", "--all", "--quiet",
		"--filter", "label=io.x-k8s.kind.cluster="+strings.ToLower(spareName())).Output()
	must(t, err)
	return strings.Join(strings.Fields(string(out)), " ")
}

// removeNodes leaves nothing of a test that failed.
func removeNodes(t *testing.T) {
	t.Helper()
	if left := nodesOfSpare(t); left != "" {
		args := append([]string{"rm", "--force", "--volumes"}, strings.Fields(left)...)
		_ = exec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).Run()
	}
}

// Without anything that runs containers, create kind says so and does nothing.
func TestComputeKindNeedsAnEngine(t *testing.T) {
	s := newSpace(t)
	plugin, err := filepath.Abs(os.Getenv(pluginVar))
	must(t, err)
	t.Setenv(pluginVar, plugin)
	t.Setenv("PATH", t.TempDir())
	r := s.run("compute", "create", "kind", "-n", "spare")
	if r.code != 1 || !strings.Contains(r.err, "kind needs docker, podman or nerdctl, and there is none") {
		t.Errorf("ended with %d:\n%s", r.code, r.err)
	}
}
