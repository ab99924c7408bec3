// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"testing"

	helmerrors "github.com/pkg/errors"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	k8stesting "k8s.io/client-go/testing"
)

var errRefused = &url.Error{Op: "Get", URL: "https://10.0.0.1:6443/version?timeout=32s",
	Err: &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}}

func TestExplain(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	tests := map[string]struct {
		err  error
		want string
		is   error
	}{
		"no_kubeconfig": {genericclioptions.ErrEmptyConfig,
			"no cluster is configured: set KUBECONFIG, or name a context with --context", ErrUnreachable},
		"connection_refused": {helmerrors.Wrap(errRefused, "Kubernetes cluster unreachable"),
			"cannot reach the cluster at https://10.0.0.1:6443: connect: connection refused: " +
				"check the context, and the cluster with: kubectl cluster-info", ErrUnreachable},
		"bad_certificate": {&url.Error{Op: "Get", URL: "https://aks.example:443/api",
			Err: errors.New("x509: unknown authority")},
			"cannot reach the cluster at https://aks.example:443: x509: unknown authority: " +
				"check the context, and the cluster with: kubectl cluster-info", ErrUnreachable},
		"not_logged_in": {apierrors.NewUnauthorized("token expired"),
			"the cluster does not accept your credentials: log in again", ErrUnauthorized},
		"no_namespace": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "models"),
			`namespace "models" does not exist: create it with: kubectl create namespace models`, ErrNoNamespace},
		"namespace_is_being_deleted": {terminatingNamespace(),
			`namespace "models" is being deleted: use another one, or wait and create it again`, ErrNoNamespace},
		"no_permission": {apierrors.NewForbidden(secrets, "", errors.New(`User "eve" cannot list resource "secrets"`)),
			`missing permission in namespace "models": secrets is forbidden: User "eve" cannot list resource ` +
				`"secrets": ask for the ClusterRole edit there`, ErrForbidden},
		"no_permission_everywhere": {apierrors.NewForbidden(secrets, "",
			errors.New(`User "eve" cannot list resource "secrets" in API group "" at the cluster scope`)),
			`missing permission for all namespaces: secrets is forbidden: User "eve" cannot list resource "secrets" ` +
				`in API group "" at the cluster scope: name one namespace`, ErrForbidden},
		"quota": {apierrors.NewForbidden(secrets, "x", errors.New("exceeded quota: small")),
			`secrets "x" is forbidden: exceeded quota: small`, nil},
		"schema": {errors.New("values don't meet the specifications of the schema(s) in the following chart(s):\n" +
			"inference:\n- at '/a': got number\n"),
			"the chart refuses the values: /a: got number", nil},
		"lines": {errors.New("cannot build:\n  kind: Foo\n\n  kind: Bar"), "cannot build: kind: Foo; kind: Bar", nil},
		"rule_of_the_chart": {errors.New(`execution error at (inference/templates/validate.yaml:3:4): traffic sums to 120`),
			"traffic sums to 120", nil},
		"foreign_object": {errors.New(`Unable to continue with install: Service "iris" in namespace "models" exists and ` +
			`cannot be imported into the current release: invalid ownership metadata; label validation error`),
			`Service "iris" in namespace "models" exists and is not part of this endpoint: ` +
				"delete it, or choose another name", nil},
		"interruption": {context.Canceled, "context canceled", context.Canceled},
		"anything":     {errors.New("etcd is full"), "etcd is full", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := New(nil, Options{Namespace: "models"}).explain(tt.err)
			wantError(t, got, tt.want)
			if tt.is != nil && !errors.Is(got, tt.is) {
				t.Errorf("error is not %v", tt.is)
			}
			if !errors.Is(got, tt.err) {
				t.Error("error is no longer what it was")
			}
		})
	}
}

func terminatingNamespace() error {
	err := apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "iris-deploy",
		errors.New("unable to create new content in namespace models because it is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: "NamespaceTerminating"}}
	return err
}

func TestApplyChangesNothingWhen(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		arrange func(*world)
		values  map[string]any
		want    string
		is      error
	}{
		"the_cluster_does_not_answer": {
			func(w *world) { w.cluster.Unreachable = helmerrors.Wrap(errRefused, "Kubernetes cluster unreachable") },
			versions("blue=a:2"),
			"cannot reach the cluster at https://10.0.0.1:6443: connect: connection refused: check the context, " +
				"and the cluster with: kubectl cluster-info", ErrUnreachable},
		"the_chart_is_older": {
			func(w *world) { w.client = w.user("ann@laptop", newChart("1.1.9")) }, versions("blue=a:2"),
			`endpoint "iris" was deployed with chart 1.2.0, this kubectl-aml has 1.1.9: upgrade kubectl-aml`,
			ErrNewerChart},
		"the_values_break_the_schema": {
			func(*world) {}, map[string]any{"weights": 5},
			"the chart refuses the values: /weights: got number, want string", nil},
		"the_values_break_a_rule": {
			func(*world) {}, map[string]any{"refuse": "traffic sums to 120"}, "traffic sums to 120", nil},
		"an_object_is_somebody_elses": {
			func(w *world) {
				red := w.cluster.Object("Deployment/iris-blue")
				red.SetName("iris-red")
				red.SetAnnotations(nil)
				w.cluster.Put(red)
			}, versions("blue=a:1", "red=c:1"),
			`Deployment "iris-red" in namespace "models" exists and is not part of this endpoint: ` +
				"delete it, or choose another name", nil},
		"the_record_is_too_large": {
			func(*world) {}, map[string]any{"versions": map[string]any{"blue": map[string]any{
				"image": "a:1", "env": map[string]any{"WEIGHTS": noise(1_200_000), "SMALL": "1"}}}},
			`revision 2 of "iris" needs a record of 1178 KiB, and Kubernetes takes 1016 KiB: the values are the ` +
				"largest part, most of it in versions.blue.env.WEIGHTS: move data into the image", ErrTooLarge},
		"values_are_no_JSON": {
			func(*world) {}, map[string]any{"weights": func() {}},
			"values cannot be stored as JSON: json: unsupported type: func()", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustApply(versions("blue=a:1"))
			tt.arrange(w)
			before := w.cluster.Names()
			_, err := w.apply(tt.values, ApplyOptions{})
			wantError(t, err, tt.want)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error is not %v", tt.is)
			}
			w.wantObjects(before...)
			w.wantHistory("1 deployed")
			w.wantNoLease()
		})
	}
}

// noise is text that does not compress, the same each time.
func noise(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	text, state := make([]byte, n), uint64(1)
	for i := range text {
		state = state*6364136223846793005 + 1442695040888963407
		text[i] = letters[state>>58]
	}
	return string(text)
}

func TestApplyNeedsAChart(t *testing.T) {
	t.Parallel()
	_, err := New(nil, Options{}).Apply(t.Context(), "iris", to(nil), ApplyOptions{})
	wantError(t, err, "change an endpoint: no chart given")
}

func TestApplyWithoutTheNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Clientset.PrependReactor("create", "leases", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "models")
	})
	_, err := w.apply(versions("blue=a:1"), ApplyOptions{})
	wantError(t, err, `namespace "models" does not exist: create it with: kubectl create namespace models`)
	if !errors.Is(err, ErrNoNamespace) {
		t.Errorf("error is %#v", err)
	}
}

func TestErrorsWhatBecameOfTheRevision(t *testing.T) {
	t.Parallel()
	tests := map[Outcome]string{
		RolledBack:  "no GPU; rolled back to revision 3",
		Uninstalled: "no GPU; uninstalled, as there was no earlier revision",
		Kept:        "no GPU; revision 4 is kept for inspection",
		Stuck:       "no GPU; undoing revision 4 failed too: etcd is full: deploy again, or delete the endpoint",
		Abandoned:   "no GPU; revision 4 is left as it is",
	}
	for outcome, want := range tests {
		t.Run(string(outcome), func(t *testing.T) {
			t.Parallel()
			wantError(t, &ApplyError{Endpoint: "iris", Revision: 4, Previous: 3, Outcome: outcome,
				Cause: errors.New("no GPU"), UndoErr: errors.New("etcd is full")}, want)
		})
	}
}
