// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"errors"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// readerName is the Role, and its binding, by which all users read the record.
const readerName = "aml-attachment-reader"

// part is something that the record needs around it.
type part struct {
	resource    string
	create, get func() error
}

// prepare makes what the record needs around it, if it is not there. All users
// of the cluster may read the record, because all of them are told by it; only
// those who may write ConfigMaps in its namespace attach and detach. A caller
// who lacks rights is told all of them at once; known is a refusal from before,
// or nil.
func prepare(ctx context.Context, kube kubernetes.Interface, known error) error {
	var missing []*DeniedError
	missing = also(missing, known)
	for _, p := range parts(ctx, kube) {
		err := p.create()
		switch {
		case err == nil || apierrors.IsAlreadyExists(err):
		case !apierrors.IsForbidden(err):
			return err
		case p.get() != nil: // who may not make it needs none that is there
			missing = also(missing, denied("create", p.resource, err))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for _, verb := range []string{"create", "delete"} {
		missing = also(missing, may(ctx, kube, verb))
	}
	rights := make([]string, 0, len(missing))
	for _, m := range missing {
		rights = append(rights, m.Right)
	}
	return &DeniedError{Right: strings.Join(rights, ", "), Err: missing[0].Err}
}

func parts(ctx context.Context, kube kubernetes.Interface) []part {
	meta := metav1.ObjectMeta{Name: readerName, Namespace: SystemNamespace, Labels: map[string]string{managedBy: us}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: SystemNamespace, Labels: meta.Labels}}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{RecordName, nextName},
		Verbs: []string{"get"},
	}}}
	binding := &rbacv1.RoleBinding{ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: readerName},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"}},
	}
	namespaces, roles := kube.CoreV1().Namespaces(), kube.RbacV1().Roles(SystemNamespace)
	bindings := kube.RbacV1().RoleBindings(SystemNamespace)
	create, get := metav1.CreateOptions{}, metav1.GetOptions{}
	return []part{
		{"namespaces",
			func() error { _, err := namespaces.Create(ctx, namespace, create); return err },
			func() error { _, err := namespaces.Get(ctx, SystemNamespace, get); return err }},
		{"roles",
			func() error { _, err := roles.Create(ctx, role, create); return err },
			func() error { _, err := roles.Get(ctx, readerName, get); return err }},
		{"rolebindings",
			func() error { _, err := bindings.Create(ctx, binding, create); return err },
			func() error { _, err := bindings.Get(ctx, readerName, get); return err }},
	}
}

// also adds a refusal to others; nil is none.
func also(missing []*DeniedError, err error) []*DeniedError {
	var e *DeniedError
	if errors.As(err, &e) {
		return append(missing, e)
	}
	return missing
}

// may is nil if the cluster says that the caller may do this to ConfigMaps
// beside the record.
func may(ctx context.Context, kube kubernetes.Interface, verb string) error {
	review, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: SystemNamespace, Verb: verb, Resource: "configmaps"},
		}}, metav1.CreateOptions{})
	if err != nil || review.Status.Allowed {
		return err
	}
	return denied(verb, "configmaps", apierrors.NewForbidden(corev1.Resource("configmaps"), RecordName,
		errors.New("not allowed")))
}
