// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// newCheckWorld is a compute world whose user may do everything.
func newCheckWorld(t *testing.T, nodes, cpus int) *world {
	t.Helper()
	w := newComputeWorld(t, nodes, cpus)
	w.answers("create", "selfsubjectaccessreviews", &authorizationv1.SelfSubjectAccessReview{
		Status: authorizationv1.SubjectAccessReviewStatus{Allowed: true}}, nil)
	return w
}

// answers makes the cluster answer so to something.
func (w *world) answers(verb, resource string, object runtime.Object, err error) {
	w.cluster.Clientset.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, object, err
	})
}

// The form of -o json is kept.
func TestCheckInJSON(t *testing.T) {
	t.Parallel()
	w := newCheckWorld(t, 2, 4)
	w.compute("attach kubernetes lab --skip-capacity-check")
	w.answers("list", "pods", nil, apierrors.NewForbidden(corev1.Resource("pods"), "", nil))
	r := w.compute("check lab -o json")
	if r.code != 1 || r.err != "error: failed: capacity, architecture\n" {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	r.out = timeOfAttachment(r.out)
	golden.Assert(t, "testdata/compute/check.json", r.out)
}

// timeOfAttachment takes out when the cluster was attached.
func timeOfAttachment(text string) string {
	before, rest, found := strings.Cut(text, `(ada@desk) at `)
	_, after, also := strings.Cut(rest, " (purpose")
	if !found || !also {
		return text
	}
	return before + "(ada@desk) at TIME (purpose" + after
}

func TestCheckOfAnyContext(t *testing.T) {
	t.Parallel()
	w := newCheckWorld(t, 3, 4)
	for _, step := range []struct {
		line, out, err string
		code           int
	}{
		{"check", "attachment warning not attached", "the cluster, which is not attached, namespace models: failed", 1},
		{"check lab", "", `error: no compute "lab" in the kubeconfig`, 7},
		{"check l", "", `error: compute name "l"`, 2},
		{"check -o name", "", "write one of wide, json, yaml", 2},
		{"attach kubernetes lab", "compute/lab attached", "", 0},
		{"check", `(purpose FastProd); this context does not say so`, "compute lab, namespace models: failed", 1},
		{"check lab", "capacity ok 12 vCPUs in 3 nodes, enough for FastProd", "error: failed: architecture", 1},
		{"check --context lab -o yaml", "verdict: failed", "error: failed: architecture", 1},
	} {
		r := w.compute(step.line)
		out := strings.Join(strings.Fields(r.out), " ")
		if r.code != step.code || !strings.Contains(out, step.out) || !strings.Contains(r.err, step.err) {
			t.Errorf("compute %s ended with %d, want %d:\n%s\n%s", step.line, r.code, step.code, out, r.err)
		}
	}
}

func TestCheckOfAClusterThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newCheckWorld(t, 3, 4)
	w.answers("*", "*", nil, &url.Error{Op: "Get", URL: "https://127.0.0.1:6443/api",
		Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}})
	r := w.compute("check")
	if r.code != 1 || !strings.Contains(r.err, "failed: kubernetes-version") {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	if n := strings.Count(r.out, "unknown"); n < 8 {
		t.Errorf("%d rows are unknown:\n%s", n, r.out)
	}
}

// Azure is asked about clusters of AKS, and its refusal is a row.
func TestCheckAsksAzure(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	w.compute("create aks -n fraud -g ml")
	r := w.compute("check fraud")
	out := strings.Join(strings.Fields(r.out), " ")
	for _, want := range []string{"azure-state ok Succeeded", "azure-power ok Running", "azure-load-balancer ok standard",
		"azure-node-pools ok"} {
		if !strings.Contains(out, want) {
			t.Errorf("says no %q:\n%s%s", want, r.out, r.err)
		}
	}
	azure.Fault(armfake.Fault{Match: armfake.GetCluster, Status: http.StatusForbidden,
		Body: `{"error":{"code":"AuthorizationFailed","message":"The client may not perform 'Microsoft.ContainerService/` +
			`managedClusters/read'"}}`})
	r = w.compute("check fraud")
	out = strings.Join(strings.Fields(r.out), " ")
	if !strings.Contains(out, "azure-state unknown not known: ") || !strings.Contains(out, "managedClusters/read") {
		t.Errorf("says\n%s%s", r.out, r.err)
	}
}
