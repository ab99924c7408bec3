// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// azure is somebody who may do all in a cluster that Azure hands out, with a
// home of their own.
type azure struct {
	*space
	arm *armfake.Server
	// state is the folder of operations, user a kubeconfig of somebody who may edit
	// one namespace.
	state, user string
}

// newAzure starts a server that answers as Azure. What it hands out is the tests'
// own cluster.
func newAzure(t *testing.T, o armfake.Options) *azure {
	t.Helper()
	kind, err := os.ReadFile(os.Getenv(kubeconfigVar))
	must(t, err)
	o.Kubeconfig = kind
	s := newSpace(t)
	z := &azure{space: s.owner(), arm: armfake.New(t, o), user: s.kubeconfig}
	home := t.TempDir()
	z.state = filepath.Join(home, "state", "kubectl-aml", "operations")
	z.env = append(z.arm.Env(), "HOME="+home, "XDG_STATE_HOME="+filepath.Join(home, "state"),
		"XDG_CACHE_HOME="+filepath.Join(home, "cache"), "AZURE_CONFIG_DIR="+filepath.Join(home, "azure"))
	return z
}

// create are the arguments that create the compute prod in the group ml.
func (z *azure) create(args ...string) []string {
	return append([]string{"compute", "create", "aks", "-n", "prod", "-g", "ml", "-l", "eastus",
		"--namespace", z.namespace}, args...)
}

// once ends the test unless Azure was asked for one cluster, once.
func (z *azure) once() {
	z.t.Helper()
	puts := z.arm.Matching(armfake.PutCluster)
	if len(puts) != 1 || puts[0].Header.Get("If-None-Match") != "*" {
		z.t.Fatalf("Azure was asked for %d clusters: %+v", len(puts), puts)
	}
}

// operation is the file of what is under way; empty if nothing is.
func (z *azure) operation() string {
	z.t.Helper()
	files, err := filepath.Glob(filepath.Join(z.state, "*.json"))
	must(z.t, err)
	if len(files) > 1 {
		z.t.Fatalf("several operations are under way: %v", files)
	}
	return strings.Join(files, "")
}

// attached ends the test unless the cluster is attached as prod, and by this home.
func (z *azure) attached() {
	z.t.Helper()
	r := z.record()
	if r.Name != "prod" || r.Provider != compute.AKS || !r.Created {
		z.t.Fatalf("the record is %+v", r)
	}
	if file := z.operation(); file != "" {
		z.t.Errorf("%s stays", file)
	}
	if out := z.ok("compute", "show", "prod").out; !strings.Contains(out, "Attached") {
		z.t.Errorf("show says\n%s", out)
	}
}

// under is the plugin at work.
type under struct {
	*exec.Cmd
	z        *azure
	out, err bytes.Buffer
}

// start starts the plugin, and returns when the server has seen n requests that
// match.
func (z *azure) start(match string, n int, args ...string) *under {
	z.t.Helper()
	u := &under{Cmd: z.command(z.t.Context(), args...), z: z}
	u.Stdout, u.Stderr = &u.out, &u.err
	must(z.t, u.Start())
	for end := time.Now().Add(time.Minute); z.arm.Count(match) < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			_ = u.Process.Kill()
			_ = u.Wait()
			z.t.Fatalf("no request %s from %v:\n%s%s", match, args, &u.out, &u.err)
		}
	}
	return u
}

// signal sends a signal and returns what the plugin ended with.
func (u *under) signal(s os.Signal) int {
	u.z.t.Helper()
	must(u.z.t, u.Process.Signal(s))
	_ = u.Wait() // the code tells
	return u.ProcessState.ExitCode()
}

// A cluster is created, which attaches it; a model is deployed and called there;
// it is detached and goes on serving; it is attached again, detached, and stays.
func TestComputeLife(t *testing.T) {
	attachable(t)
	z := newAzure(t, armfake.Options{Polls: 2})
	before := z.kubectl("config", "view", "--raw")
	r := z.ok(z.create("-o", "id")...)
	id := strings.TrimSpace(r.out)
	if !strings.HasSuffix(id, "/resourceGroups/ml/providers/Microsoft.ContainerService/managedClusters/prod") {
		t.Errorf("answered %q", r.out)
	}
	t.Logf("create took %s and told\n%s", r.took.Round(time.Millisecond), r.err)
	inOrder(t, r.err, "InProgress", "Succeeded")
	z.once()
	golden.Assert(t, "testdata/azure/create.json", z.asked())
	z.attached()
	z.fails(3, []string{"prod"}, z.create()...)
	z.once()

	z.ok("compute", "use", "prod")
	z.echo("blue", "sky")
	if out := z.ok("invoke", "echo", "-d", "{}").out; !strings.Contains(out, "sky") {
		t.Errorf("the model answers %q", out)
	}
	z.fails(3, []string{"endpoint/echo", "--force"}, "compute", "detach", "prod")
	z.ok("compute", "detach", "prod", "--force")
	z.unattached()
	z.client().send(z.url("echo"), 5, bearer(z.admins().key("echo")), "-body={}").allOK(t)
	if after := z.kubectl("config", "view", "--raw"); withoutCurrent(after) != withoutCurrent(before) {
		t.Errorf("the kubeconfig was\n%s\nand is\n%s", before, after)
	}

	attach := []string{"compute", "attach", "aks", "-n", "again", "-i", strings.ToUpper(id[:14]) + id[14:] + "/",
		"--namespace", z.namespace, "--cluster-purpose", "DevTest"}
	z.ok(attach...)
	if out := z.ok(attach...).out; !strings.Contains(out, "already attached") {
		t.Errorf("attached again: %q", out)
	}
	z.fails(2, []string{"was attached, not created", "detach"}, "compute", "delete", "again", "--yes")
	z.ok("compute", "detach", "again", "--force")
	z.unattached()
	if n := z.arm.Count("^DELETE "); n > 0 || z.arm.State("ml", "prod") != "Succeeded" {
		t.Errorf("%d deletes reached Azure, the cluster is %q", n, z.arm.State("ml", "prod"))
	}
}

// admins is the same space, its kubeconfig that of the tests' cluster with the
// space's namespace.
func (z *azure) admins() *space {
	z.t.Helper()
	one := z.owner()
	one.kubectl("config", "set-context", "--current", "--namespace", z.namespace)
	return one
}

// withoutCurrent is a kubeconfig without the line of its current context.
func withoutCurrent(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "current-context:") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// inOrder ends the test unless text says all the words, one after the other.
func inOrder(t *testing.T, text string, words ...string) {
	t.Helper()
	rest := text
	for _, word := range words {
		_, after, found := strings.Cut(rest, word)
		if !found {
			t.Fatalf("does not say %q after what comes before:\n%s", word, text)
		}
		rest = after
	}
}

// asked is the body of the request for a cluster, without what differs each time.
func (z *azure) asked() string {
	z.t.Helper()
	var body map[string]any
	must(z.t, json.Unmarshal(z.arm.Matching(armfake.PutCluster)[0].Body, &body))
	tags, _ := body["tags"].(map[string]any)
	if id, _ := tags["aml-operation"].(string); len(id) != 36 {
		z.t.Errorf("the tags are %v", tags)
	}
	tags["aml-operation"] = "OPERATION"
	text, err := json.MarshalIndent(body, "", "  ")
	must(z.t, err)
	return string(text) + "\n"
}
