// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

const computeConfig = `apiVersion: v1
clusters:
- cluster:
    server: https://127.0.0.1:6443
  name: kind
- cluster:
    server: https://127.0.0.1:7443
  name: other
contexts:
- context:
    cluster: kind
    namespace: models
    user: me
  name: kind
- context:
    cluster: other
    user: me
  name: other
current-context: kind
kind: Config
users:
- name: me
  user:
    token: t
`

// newComputeWorld is a world whose cluster has nodes, and a kubeconfig to write to.
func newComputeWorld(t *testing.T, nodes, cpus int) *world {
	t.Helper()
	w := newWorld(t)
	w.write("kubeconfig", computeConfig)
	add := func(o runtime.Object) {
		if err := w.cluster.Clientset.Tracker().Add(o); err != nil {
			t.Fatal(err)
		}
	}
	add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "uid-of-cluster"}})
	for i := range nodes {
		add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("node-", i)}, Status: corev1.NodeStatus{
			Capacity:   corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(cpus), resource.DecimalSI)},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}})
	}
	made := 0
	w.cluster.Clientset.PrependReactor("create", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		made++
		a.(clienttesting.CreateAction).GetObject().(*corev1.ConfigMap).UID = types.UID(fmt.Sprintf("uid-%d", made))
		return false, nil, nil
	})
	w.cluster.Clientset.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{
			UserInfo: authenticationv1.UserInfo{Username: "ada"}}}, nil
	})
	w.isOf("v1.37.2")
	return w
}

// isOf makes the cluster one of a version.
func (w *world) isOf(kubernetes string) {
	w.cluster.Clientset.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: kubernetes}
}

// compute runs a command of compute with the world's kubeconfig.
func (w *world) compute(line string) said {
	w.t.Helper()
	return w.run(append([]string{"--kubeconfig", filepath.Join(w.dir, "kubeconfig"), "compute"}, strings.Fields(line)...)...)
}

func (w *world) kubeconfig() string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "kubeconfig"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestAComputeFromItsAttachmentToItsEnd(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	for _, step := range []struct {
		line, out, err string
		code           int
	}{
		{"list", "", "No computes in the kubeconfig: attach one with kubectl aml compute attach kubernetes -n NAME.\n", 0},
		{"show lab", "", `error: no compute "lab" in the kubeconfig: see kubectl aml compute list, or attach it with ` +
			"kubectl aml compute attach kubernetes -n lab --context CONTEXT\n", 7},
		{"attach kubernetes -n lab", "compute/lab attached\n", "", 0},
		{"attach kubernetes lab", "compute/lab unchanged (already attached)\n", "", 0},
		{"list", "CURRENT   NAME   PROVIDER     NAMESPACE   SERVER\n" +
			"          lab    kubernetes   models      https://127.0.0.1:6443\n", "", 0},
		{"list -o name", "compute/lab\n", "", 0},
		{"show lab -o name", "compute/lab\n", "", 0},
		{"show lab -o id", "", "error: compute lab is no cluster of Azure: it has no id\n", 1},
		{"use lab", "Switched to compute \"lab\".\n", "", 0},
		{"list -o table", "CURRENT   NAME   PROVIDER     NAMESPACE   SERVER\n" +
			"*         lab    kubernetes   models      https://127.0.0.1:6443\n", "", 0},
		{"use kind", "", `error: no compute "kind" in the kubeconfig: see kubectl aml compute list, or attach it with ` +
			"kubectl aml compute attach kubernetes -n kind --context CONTEXT\n", 7},
		{"detach -n lab", "compute/lab detached\n",
			"warning: lab was your current context: choose another with kubectl config use-context\n", 0},
		{"detach lab --context kind", "", "error: the cluster is not attached as a compute: attach it with " +
			"kubectl aml compute attach kubernetes -n NAME\n", 7},
	} {
		if r := w.compute(step.line); r.out != step.out || r.err != step.err || r.code != step.code {
			t.Errorf("compute %s ended with %d:\n%s%s\nwant %d:\n%s%s", step.line, r.code, r.out, r.err, step.code, step.out, step.err)
		}
	}
	if now := strings.Replace(w.kubeconfig(), "current-context: lab", "current-context: kind", 1); now != computeConfig {
		t.Errorf("the kubeconfig is\n%s", now)
	}
}

func TestGetComputesIsComputeList(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	for _, noun := range []string{"compute", "computes"} {
		r := w.run("--kubeconfig", filepath.Join(w.dir, "kubeconfig"), "get", noun, "-o", "name")
		if r.out != "compute/lab\n" {
			t.Errorf("get %s answers %s%s", noun, r.out, r.err)
		}
	}
}

func TestAttachRefusesBeforeItWrites(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line, says string
		code       int
		version    string
	}{
		"no name":              {line: "", says: "the name of the compute is missing: write -n NAME", code: 2},
		"a short name":         {line: "-n ab", says: `compute name "ab": write 3 to 24 letters`, code: 2},
		"two names":            {line: "lab -n fab", says: "two names, fab and lab: one is enough", code: 2},
		"a cluster of Arc":     {line: "lab -i /subscriptions/s/resourceGroups/r/providers/Microsoft.Kubernetes/connectedClusters/c", says: "run that, and attach the context it makes with --context", code: 2},
		"a cluster of AKS":     {line: "lab -i /subscriptions/s/resourceGroups/r/providers/Microsoft.ContainerService/managedClusters/c", says: "write kubectl aml compute attach aks -i /subscriptions", code: 2},
		"another resource":     {line: "lab -i /subscriptions/s", says: "is of no cluster: leave it out", code: 2},
		"DenseProd":            {line: "lab --cluster-purpose DenseProd", says: "was never supported by Azure ML's SDK v1", code: 2},
		"all findings at once": {line: "lab --cluster-purpose Fun --load-balancer-type Big", says: "cluster purpose \"Fun\": write FastProd or DevTest; load balancer type \"Big\"", code: 2},
		"a subnet of a public balancer": {line: "lab --load-balancer-subnet s",
			says: "load balancer subnet \"s\": only with --load-balancer-type InternalLoadBalancer", code: 2},
		"no such context":     {line: "lab --context nowhere", says: `there is no context "nowhere" to attach`, code: 2},
		"a server":            {line: "lab --server https://127.0.0.1:1", says: "a context is attached: leave out --server", code: 2},
		"a context elsewhere": {line: "other", says: `context "other" already, which leads to https://127.0.0.1:7443`, code: 3},
		"too small":           {line: "lab", says: "the cluster has 2×4=8 vCPUs in 2 nodes; FastProd needs at least 12 vCPUs and 3 nodes. Use --cluster-purpose DevTest, or --skip-capacity-check", code: 4},
		"an old cluster":      {line: "lab", says: "the cluster has Kubernetes v1.29.4 and endpoints need >=1.30.0-0: upgrade it first", code: 1, version: "v1.29.4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newComputeWorld(t, 2, 4)
			if test.version != "" {
				w.isOf(test.version)
			}
			if r := w.compute("attach kubernetes " + test.line); r.code != test.code || !strings.Contains(r.err, test.says) || r.out != "" {
				t.Errorf("ended with %d, want %d:\n%s%swant %s", r.code, test.code, r.out, r.err, test.says)
			}
			if _, err := compute.Read(t.Context(), w.cluster.Clientset); !errors.Is(err, compute.ErrNotAttached) {
				t.Errorf("the record: %v", err)
			}
			if now := w.kubeconfig(); now != computeConfig {
				t.Errorf("the kubeconfig is\n%s", now)
			}
		})
	}
}

func TestAttachTakesWhatTheFlagsSay(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 1, 1)
	r := w.compute("attach kubernetes -n other --context kind --namespace prod --cluster-purpose dev-test " +
		"--load-balancer-type internalloadbalancer --load-balancer-subnet front --overwrite-existing --set-context")
	if r.code != 0 || !strings.Contains(r.err, "warning: the cluster has 1 vCPU") {
		t.Fatalf("ended with %d: %s", r.code, r.err)
	}
	record, err := compute.Read(t.Context(), w.cluster.Clientset)
	if err != nil {
		t.Fatal(err)
	}
	want := compute.LoadBalancer{Type: compute.Internal, Subnet: "front"}
	if record.Name != "other" || record.Namespace != "prod" || record.Purpose != "DevTest" || record.LoadBalancer != want ||
		record.Provider != compute.Kubernetes || record.AttachedFrom != "ada@desk" || record.AttachedAt.IsZero() {
		t.Errorf("the record is %+v", record)
	}
	if out := w.compute("list").out; !strings.Contains(out, "*         other   kubernetes   prod        https://127.0.0.1:6443") {
		t.Errorf("listed as\n%s", out)
	}
	if r := w.compute("attach kubernetes -n big --context kind --skip-capacity-check"); r.code != 3 ||
		!strings.Contains(r.err, `already attached as "other"`) {
		t.Errorf("a second one ended with %d: %s", r.code, r.err)
	}
}

// What show finds is told, and never an error of its own.
func TestShowTellsWhatBecameOfACompute(t *testing.T) {
	t.Parallel()
	unreachable := &url.Error{Op: "Get", URL: "https://127.0.0.1:6443/api", Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}}
	fail := func(verb, resource string, err error) func(*world) {
		return func(w *world) {
			w.cluster.Clientset.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, err
			})
		}
	}
	for name, test := range map[string]struct {
		happens      func(*world)
		row, message string
	}{
		"attached": {func(*world) {}, "Attached kubernetes FastProd models v1.37.2 3 12 0", ""},
		"detached": {func(w *world) { w.compute("detach lab --local-only"); w.attachAgain("lab", "") },
			"NotAttached kubernetes <none> models v1.37.2 3 12 0 <none>", "somebody has detached it"},
		"attached anew": {func(w *world) { w.compute("detach lab --local-only"); w.attachAgain("lab", "fab") },
			"Stale kubernetes <none> models v1.37.2 3 12 0 <none>", `attached anew as "fab"`},
		"unreachable": {fail("*", "*", unreachable), "Unreachable kubernetes <none> models <none> <none> <none> <none> <none>",
			"no cluster answers at https://127.0.0.1:6443"},
		"no rights": {fail("get", "configmaps", apierrors.NewForbidden(corev1.Resource("configmaps"), "", nil)),
			"Unknown kubernetes <none> models v1.37.2 3 12 0 <none>", "does not let you get configmaps"},
		"hidden nodes": {fail("list", "nodes", apierrors.NewForbidden(corev1.Resource("nodes"), "", nil)),
			"Attached kubernetes FastProd models v1.37.2 <none> <none> <none>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newComputeWorld(t, 3, 4)
			w.compute("attach kubernetes lab")
			test.happens(w)
			r := w.compute("show lab")
			rows := strings.Split(r.out, "\n")
			if r.code != 0 || len(rows) < 2 || !strings.HasPrefix(strings.Join(strings.Fields(rows[1]), " "), "lab "+test.row) {
				t.Errorf("ended with %d:\n%s%s\nwant %s", r.code, r.out, r.err, test.row)
			}
			if !strings.Contains(r.err, test.message) || (test.message == "" && r.err != "") {
				t.Errorf("says %q, want %q", r.err, test.message)
			}
		})
	}
}

// attachAgain makes the kubeconfig know the compute as it was, while the cluster
// is detached, and attached under another name unless that is empty.
func (w *world) attachAgain(name, now string) {
	w.t.Helper()
	w.write("kubeconfig", computeConfig)
	w.compute("attach kubernetes " + name)
	mine := w.kubeconfig()
	w.compute("detach " + name)
	if now != "" {
		w.compute("attach kubernetes " + now)
	}
	w.write("kubeconfig", mine)
}

func TestDetachOfADeadClusterSaysHowToForgetIt(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	w.cluster.Clientset.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, &url.Error{Op: "Get", URL: "https://127.0.0.1:6443/api", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
	})
	if r := w.compute("detach lab"); r.code != 1 || !strings.Contains(r.err, "no cluster answers at https://127.0.0.1:6443") ||
		!strings.Contains(r.err, "forget it with kubectl aml compute detach -n lab --local-only") {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	if r := w.compute("detach lab --local-only"); r.code != 0 || r.out != "compute/lab forgotten (the cluster was not asked)\n" {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	if now := w.kubeconfig(); now != computeConfig {
		t.Errorf("the kubeconfig is\n%s", now)
	}
}

func TestDetachOfWhatSomebodyDetachedForgetsIt(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.attachAgain("lab", "")
	if r := w.compute("detach lab"); r.code != 0 || r.out != "compute/lab detached\n" ||
		r.err != "note: somebody has detached compute lab already\n" {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	if now := w.kubeconfig(); now != computeConfig {
		t.Errorf("the kubeconfig is\n%s", now)
	}
}

func TestADetachNeedsForceWhereEndpointsAre(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	w.mustDeploy("blue")
	if r := w.compute("detach lab"); r.code != 3 || !strings.Contains(r.err, "compute lab still has endpoint/diabetes (namespace models)") {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	if r := w.compute("detach lab --force"); r.code != 0 {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	if out := w.run("get", "endpoints", "-o", "name").out; out != "endpoint/diabetes\n" {
		t.Errorf("left is %q", out)
	}
}

// The records of endpoints outlive their pods while a namespace is being deleted.
func TestADetachDoesNotWaitForANamespaceThatIsGoing(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	w.mustDeploy("blue")
	going := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "models", DeletionTimestamp: &metav1.Time{}}}
	namespaces := corev1.SchemeGroupVersion.WithResource("namespaces")
	if err := w.cluster.Clientset.Tracker().Update(namespaces, going, ""); err != nil {
		t.Fatal(err)
	}
	if r := w.compute("detach lab"); r.code != 0 || r.out != "compute/lab detached\n" {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
}

func TestComputesAreCompleted(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	for _, line := range []string{"use ", "show --name ", "detach -n "} {
		args := append([]string{"__complete", "--kubeconfig", filepath.Join(w.dir, "kubeconfig"), "compute"}, strings.Fields(line)...)
		if r := w.run(append(args, "")...); !strings.HasPrefix(r.out, "lab\n") {
			t.Errorf("%s completes %q %s", line, r.out, r.err)
		}
	}
}

// Contexts can be renamed, even to the name of another compute.
func TestTheNameOfAComputeGoesBeforeThatOfAContext(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	context := func(name, compute string) string {
		return "- context:\n    cluster: kind\n    extensions:\n    - extension: {apiVersion: aml.dev/v1, kind: Compute, name: " +
			compute + "}\n      name: aml.dev/compute\n    user: me\n  name: " + name + "\n"
	}
	w.write("kubeconfig", strings.Replace(computeConfig, "current-context:",
		context("lab", "fab")+context("old", "lab")+"current-context:", 1))
	if r := w.compute("use lab"); r.code != 0 || !strings.Contains(w.kubeconfig(), "current-context: old\n") {
		t.Errorf("it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
}
