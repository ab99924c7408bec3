// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// attachable gives the test the cluster's one record of an attachment: no other test
// attaches meanwhile, there is none before, and there is none after.
func attachable(t *testing.T) {
	t.Helper()
	alone(t, "attachment")
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(kubeconfigVar))
	must(t, err)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	ctx := context.WithoutCancel(t.Context())
	remove := func() {
		maps := client.CoreV1().ConfigMaps(compute.SystemNamespace)
		for _, name := range []string{compute.RecordName, compute.RecordName + "-next"} {
			if err := maps.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				t.Errorf("the record stays: %v", err)
			}
		}
	}
	r, err := compute.Read(ctx, client)
	switch {
	case err == nil && strings.HasPrefix(r.Namespace, spacePrefix): // of a test that was killed
		remove()
	case !errors.Is(err, compute.ErrNotAttached):
		t.Fatalf("the cluster is attached as %q already (%v): detach it", r.Name, err)
	}
	t.Cleanup(remove)
}

// alone waits until no test has what the cluster has one of, and keeps it to itself.
func alone(t *testing.T, what string) {
	t.Helper()
	path := filepath.Join(filepath.Dir(os.Getenv(kubeconfigVar)), what+".lock")
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	t.Cleanup(func() { _ = lock.Close() })
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
}

// owner is somebody who may do all in the cluster, with a kubeconfig of their own.
func (s *space) owner() *space {
	s.t.Helper()
	text, err := os.ReadFile(os.Getenv(kubeconfigVar))
	must(s.t, err)
	one := *s
	one.kubeconfig = filepath.Join(s.t.TempDir(), "owner")
	must(s.t, os.WriteFile(one.kubeconfig, text, 0o600))
	return &one
}

// attachArgs attach the cluster as a compute for tests.
func (s *space) attachArgs(name string, args ...string) []string {
	return append([]string{"compute", "attach", "kubernetes", "-n", name, "--namespace", s.namespace,
		"--cluster-purpose", "DevTest"}, args...)
}

// fails runs the plugin and ends the test unless it ends with code and says all
// the texts.
func (s *space) fails(code int, texts []string, args ...string) {
	s.t.Helper()
	r := s.run(args...)
	if r.code != code {
		s.t.Fatalf("%v ended with %d, want %d:\n%s%s", args, r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.err, text) {
			s.t.Errorf("%v does not say %q: %s", args, text, r.err)
		}
	}
}

// record is the cluster's.
func (s *space) record() compute.Record {
	s.t.Helper()
	r, err := compute.Read(s.t.Context(), s.admin)
	must(s.t, err)
	return r
}

// unattached ends the test if the cluster has a record.
func (s *space) unattached() {
	s.t.Helper()
	if r, err := compute.Read(s.t.Context(), s.admin); !errors.Is(err, compute.ErrNotAttached) {
		s.t.Fatalf("the cluster is attached as %q: %v", r.Name, err)
	}
}

// Of twenty who attach the cluster at once, each under a name of their own, one
// does, and the nineteen others are told who it was.
func TestComputeIsAttachedByOneOfTwenty(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	const racers = 20
	var commands [racers]*exec.Cmd
	var told [racers]bytes.Buffer
	for i := range racers {
		one := s.owner()
		commands[i] = one.command(t.Context(), one.attachArgs(fmt.Sprintf("racer-%02d", i))...)
		commands[i].Stderr = &told[i]
	}
	for _, c := range commands {
		must(t, c.Start())
	}
	var won []int
	for i, c := range commands {
		var exit *exec.ExitError
		switch err := c.Wait(); {
		case err == nil:
			won = append(won, i)
		case !errors.As(err, &exit) || exit.ExitCode() != 3:
			t.Errorf("racer %d: %v: %s", i, err, told[i].String())
		}
	}
	if len(won) != 1 {
		t.Fatalf("%v attached the cluster, want one", won)
	}
	winner := fmt.Sprintf("racer-%02d", won[0])
	if r := s.record(); r.Name != winner {
		t.Errorf("%s won, and the record says %s", winner, r.Name)
	}
	named := 0
	for i := range racers {
		if strings.Contains(told[i].String(), fmt.Sprintf("already attached as %q", winner)) {
			named++
		}
	}
	if named != racers-1 {
		t.Errorf("%d losers were told of %s, want %d", named, winner, racers-1)
	}
}

// Somebody else detaches the compute and attaches the cluster anew: who knew the
// first attachment cannot take the second away.
func TestComputeStaleDetachIsRefused(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada, bob := s.owner(), s.owner()
	ada.ok(ada.attachArgs("lab")...)
	bob.ok("compute", "detach", "lab", "--force")
	bob.ok(bob.attachArgs("fab")...)
	record := s.record()

	ada.fails(3, []string{`attached anew as "fab"`, "kubernetes-admin", "--local-only"}, "compute", "detach", "lab", "--force")
	if now := s.record(); now != record {
		t.Errorf("the record is %+v, was %+v", now, record)
	}
	if shown := ada.ok("compute", "show", "lab"); !strings.Contains(shown.out, "Stale") || !strings.Contains(shown.err, `"fab"`) {
		t.Errorf("show says\n%s%s", shown.out, shown.err)
	}
	ada.ok("compute", "detach", "lab", "--local-only")
	bob.ok("compute", "detach", "fab", "--force")
	s.unattached()
}

func TestComputeForProductionNeedsCapacity(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada := s.owner()
	before, err := os.ReadFile(ada.kubeconfig)
	must(t, err)
	ada.fails(4, []string{"FastProd needs at least 12 vCPUs and 3 nodes", "--cluster-purpose DevTest"},
		"compute", "attach", "kubernetes", "-n", "lab", "--namespace", s.namespace)
	s.unattached()
	ada.has(before)
	for _, args := range [][]string{nil, {"--cluster-purpose", "FastProd", "--skip-capacity-check"}} {
		ada.ok(ada.attachArgs("lab", args...)...)
		if out := ada.ok("compute", "show", "lab").out; !strings.Contains(out, "Attached") {
			t.Errorf("show says\n%s", out)
		}
		ada.ok("compute", "detach", "lab", "--force")
		ada.has(before)
	}
}

// has ends the test unless the kubeconfig is what it was, to the byte.
func (s *space) has(kubeconfig []byte) {
	s.t.Helper()
	now, err := os.ReadFile(s.kubeconfig)
	must(s.t, err)
	if !bytes.Equal(now, kubeconfig) {
		s.t.Fatalf("the kubeconfig was\n%s\nand is\n%s", kubeconfig, now)
	}
}

// The current context stays, and other contexts do, unless told otherwise; a
// context that leads elsewhere is in the way; a read-only file is no half-way stop.
func TestComputeContextIsOneMore(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada := s.owner()
	before, err := os.ReadFile(ada.kubeconfig)
	must(t, err)
	current := strings.TrimSpace(ada.kubectl("config", "current-context"))

	must(t, os.Chmod(ada.kubeconfig, 0o400))
	ada.fails(1, []string{ada.kubeconfig, "read-only"}, ada.attachArgs("lab")...)
	s.unattached()
	ada.has(before)
	must(t, os.Chmod(ada.kubeconfig, 0o600))

	ada.kubectl("config", "set-cluster", "far", "--server", "https://127.0.0.1:1")
	ada.kubectl("config", "set-context", "lab", "--cluster", "far", "--user", "nobody")
	ada.fails(3, []string{`context "lab"`, "https://127.0.0.1:1", "--overwrite-existing"}, ada.attachArgs("lab", "--context", current)...)
	s.unattached()
	ada.ok(ada.attachArgs("lab", "--overwrite-existing")...)
	if now := strings.TrimSpace(ada.kubectl("config", "current-context")); now != current {
		t.Errorf("the current context is %s, was %s", now, current)
	}
	ada.ok("compute", "use", "lab")
	if now := strings.TrimSpace(ada.kubectl("config", "current-context")); now != "lab" {
		t.Errorf("the current context is %s", now)
	}
	ada.ok("compute", "detach", "lab", "--force")
	s.unattached()
}

// kubectl runs kubectl with the space's kubeconfig.
func (s *space) kubectl(args ...string) string {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), "kubectl", args...)
	c.Env = append(os.Environ(), kubeconfigVar+"="+s.kubeconfig)
	out, err := c.Output()
	must(s.t, err)
	return string(out)
}

// A compute with endpoints is detached on purpose only, and they go on serving.
func TestComputeWithEndpointsIsDetachedByForce(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	ada := s.owner()
	ada.ok(ada.attachArgs("lab")...)
	s.echo("blue", "sky")
	ada.fails(3, []string{"endpoint/echo (namespace " + s.namespace + ")", "--force"}, "compute", "detach", "lab")
	if r := s.record(); r.Name != "lab" {
		t.Errorf("the record says %s", r.Name)
	}
	ada.ok("compute", "detach", "lab", "--force")
	s.unattached()
	s.client().send(s.url("echo"), 10, bearer(s.key("echo")), "-body={}").allOK(t)
}

// The first attachment of a cluster makes what all later ones need. Who may no
// more than edit one namespace is told what is missing, and reads the record.
func TestComputeRecordIsReadByAllAndWrittenByFew(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	s.withoutSystemNamespace()
	s.fails(5, []string{"get the namespace kube-system", "create the namespace aml-system", "create roles",
		"create rolebindings", "create configmaps in the namespace aml-system"}, s.attachArgs("lab", "--skip-capacity-check")...)
	ada := s.owner()
	ada.ok(ada.attachArgs("lab")...)

	if out := s.ok(s.attachArgs("lab")...).out; out != "compute/lab unchanged (already attached)\n" {
		t.Errorf("answered %q", out)
	}
	if out := s.ok("compute", "show", "lab", "-o", "yaml").out; !strings.Contains(out, "state: Attached\n") ||
		!strings.Contains(out, "attachedBy: kubernetes-admin\n") || !strings.Contains(out, "does not let you list the nodes") {
		t.Errorf("show says\n%s", out)
	}
	s.fails(3, []string{`already attached as "lab" by kubernetes-admin`}, s.attachArgs("mine")...)
	_, err := s.admin.CoreV1().ConfigMaps(compute.SystemNamespace).Patch(t.Context(), compute.RecordName,
		types.MergePatchType, []byte(`{"data":{"attachment.json":"{}"}}`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) {
		t.Errorf("the record can be edited: %v", err)
	}
	s.fails(5, []string{"delete configmaps in the namespace aml-system"}, "compute", "detach", "lab")
	if r := s.record(); r.Name != "lab" {
		t.Errorf("the record says %s", r.Name)
	}
}

// withoutSystemNamespace makes the cluster one that was never attached.
func (s *space) withoutSystemNamespace() {
	s.t.Helper()
	namespaces := s.admin.CoreV1().Namespaces()
	for {
		err := namespaces.Delete(s.t.Context(), compute.SystemNamespace, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return
		}
		if err != nil && !apierrors.IsConflict(err) {
			s.t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// What Azure ML v1 left is told with the lines that delete it, and stays.
func TestComputeAttachTellsOfAzureMLsFrontEnd(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	s.frontEnd()
	ada := s.owner()
	r := ada.ok(ada.attachArgs("lab")...)
	for _, line := range []string{
		"kubectl delete deployment azureml-fe -n default", "kubectl delete service azureml-fe -n default",
		"kubectl delete service azureml-fe-int-http -n default", "kubectl delete serviceaccount azureml-fe -n default",
		"kubectl delete secret azuremlfessl -n default", "kubectl delete configmap azuremlfeconfig -n default",
		"kubectl delete clusterrole azureml-fe-role", "kubectl delete clusterrolebinding azureml-fe-binding",
	} {
		if !strings.Contains(r.err, "  "+line+"\n") {
			t.Errorf("does not say %q:\n%s", line, r.err)
		}
	}
	if left, err := compute.Legacy(t.Context(), s.admin); err != nil || len(left) != 8 {
		t.Errorf("%d of 8 are left: %v", len(left), err)
	}
}

// frontEnd makes empty objects of the names that Azure ML v1's have.
func (s *space) frontEnd() {
	s.t.Helper()
	const ns = compute.LegacyNamespace
	ctx, o := s.t.Context(), metav1.CreateOptions{}
	core, rbac := s.admin.CoreV1(), s.admin.RbacV1()
	labels := map[string]string{"app": "azureml-fe", cluster.RunLabel: os.Getenv(runVar)}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Labels: labels} }
	none := int32(0)
	service := func(name string) *corev1.Service {
		return &corev1.Service{ObjectMeta: named(name), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	}
	_, err1 := s.admin.AppsV1().Deployments(ns).Create(ctx, &appsv1.Deployment{ObjectMeta: named("azureml-fe"),
		Spec: appsv1.DeploymentSpec{Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "fe", Image: "none"}}}}}}, o)
	_, err2 := core.Services(ns).Create(ctx, service("azureml-fe"), o)
	_, err3 := core.Services(ns).Create(ctx, service("azureml-fe-int-http"), o)
	_, err4 := core.ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: named("azureml-fe")}, o)
	_, err5 := core.Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: named(compute.LegacySecret)}, o)
	_, err6 := core.ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: named("azuremlfeconfig")}, o)
	_, err7 := rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: named("azureml-fe-role")}, o)
	_, err8 := rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: named("azureml-fe-binding"),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "azureml-fe-role"}}, o)
	last := context.WithoutCancel(ctx)
	s.t.Cleanup(func() {
		left, err := compute.Legacy(last, s.admin)
		for _, line := range left {
			args := strings.Fields(line)
			c := exec.CommandContext(last, args[0], args[1:]...)
			if text, failed := c.CombinedOutput(); failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w: %s", line, failed, text))
			}
		}
		if err != nil {
			s.t.Errorf("the front end stays: %v", err)
		}
	})
	must(s.t, errors.Join(err1, err2, err3, err4, err5, err6, err7, err8))
}
