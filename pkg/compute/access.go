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

// prepare makes what the record needs around it, if it is not there. All users
// of the cluster may read the record, because all of them are told by it; only
// those who may write ConfigMaps in its namespace attach and detach. A caller
// who lacks rights is told all of them at once; known is a refusal from before,
// or nil.
func prepare(ctx context.Context, kube kubernetes.Interface, known error) error {
	meta := metav1.ObjectMeta{Name: readerName, Namespace: SystemNamespace, Labels: map[string]string{managedBy: us}}
	var missing []*DeniedError
	missing = also(missing, known)
	for _, part := range []struct {
		resource    string
		create, get func() error
	}{
		{
			"namespaces",
			func() error {
				_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
					Name: SystemNamespace, Labels: meta.Labels}}, metav1.CreateOptions{})
				return err
			},
			func() error {
				_, err := kube.CoreV1().Namespaces().Get(ctx, SystemNamespace, metav1.GetOptions{})
				return err
			},
		},
		{
			"roles",
			func() error {
				_, err := kube.RbacV1().Roles(SystemNamespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta,
					Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"},
						ResourceNames: []string{RecordName, nextName}, Verbs: []string{"get"}}},
				}, metav1.CreateOptions{})
				return err
			},
			func() error {
				_, err := kube.RbacV1().Roles(SystemNamespace).Get(ctx, readerName, metav1.GetOptions{})
				return err
			},
		},
		{
			"rolebindings",
			func() error {
				_, err := kube.RbacV1().RoleBindings(SystemNamespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta,
					RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: readerName},
					Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"}},
				}, metav1.CreateOptions{})
				return err
			},
			func() error {
				_, err := kube.RbacV1().RoleBindings(SystemNamespace).Get(ctx, readerName, metav1.GetOptions{})
				return err
			},
		},
	} {
		err := part.create()
		switch {
		case err == nil || apierrors.IsAlreadyExists(err):
		case !apierrors.IsForbidden(err):
			return err
		case part.get() != nil: // who may not make it needs none that is there
			missing = also(missing, denied("create", part.resource, err))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for _, verb := range []string{"create", "delete"} {
		if err := may(ctx, kube, verb); err != nil {
			missing = also(missing, err)
		}
	}
	rights := make([]string, 0, len(missing))
	for _, m := range missing {
		rights = append(rights, m.Right)
	}
	return &DeniedError{Right: strings.Join(rights, ", "), Err: missing[0].Err}
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
