// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Attach makes the record of a, with the cluster's UID, and with who the cluster
// says the caller is unless AttachedBy is given. On the first one of a cluster it
// makes the namespace, and lets all users of the cluster read the record. If the
// cluster is attached under the same name and in the same way, already is true and
// nothing is changed. Any other attachment is left alone: the error is an
// *AttachedError. Of any number of callers at once one attaches. A caller without
// the rights gets a *DeniedError.
func Attach(ctx context.Context, kube kubernetes.Interface, a Attachment) (r Record, already bool, err error) {
	a.APIVersion = APIVersion
	there, readErr := Read(ctx, kube)
	if readErr != nil && !errors.Is(readErr, ErrNotAttached) && !isDenied(readErr) {
		return Record{}, false, readErr
	}
	// Who may read the record may do so by what attaching makes, so one who may not
	// goes on; and who only wants to have it confirmed need not see kube-system.
	uid, uidErr := ClusterUID(ctx, kube)
	if isDenied(uidErr) && readErr == nil {
		uid, uidErr = there.ClusterUID, nil
	}
	if uidErr != nil && !isDenied(uidErr) {
		return Record{}, false, uidErr
	}
	a.ClusterUID = uid
	if problem := a.problem(); problem != "" && uidErr == nil {
		return Record{}, false, errors.New(problem)
	}
	if readErr == nil {
		return a.meet(there)
	}
	if err := prepare(ctx, kube, uidErr); err != nil {
		return Record{}, false, err
	}
	if a.AttachedBy == "" {
		if a.AttachedBy, err = caller(ctx, kube); err != nil {
			return Record{}, false, err
		}
	}
	r, err = create(ctx, kube, RecordName, Record{Attachment: a})
	if apierrors.IsAlreadyExists(err) {
		if r, err = Read(ctx, kube); err == nil {
			return a.meet(r)
		}
	}
	return r, false, denied("create", "configmaps", err)
}

// meet says what to make of a record that is there when a wants to be.
func (a Attachment) meet(r Record) (Record, bool, error) {
	differ := a.differences(r.Attachment)
	if len(differ) == 0 {
		return r, true, nil
	}
	return Record{}, false, &AttachedError{By: r, Differ: differ}
}

// differences names in what two attachments are not the same compute. Who made
// them, when and from where is none of it.
func (a Attachment) differences(b Attachment) []string {
	var differ []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"name", a.Name == b.Name},
		{"provider", a.Provider == b.Provider},
		{"purpose", a.Purpose == b.Purpose},
		{"resource id", sameID(a.ResourceID, b.ResourceID)},
		{"cluster of kind", a.KindCluster == b.KindCluster},
		{"cluster UID", a.ClusterUID == b.ClusterUID},
		{"namespace", a.Namespace == b.Namespace},
		{"load balancer", a.LoadBalancer == b.LoadBalancer},
		{"TLS", a.TLS.same(b.TLS)},
	} {
		if !f.same {
			differ = append(differ, f.name)
		}
	}
	return differ
}

// same leaves out when the certificate ends: the Secret says it better.
func (t TLS) same(other TLS) bool {
	t.Expires, other.Expires = nil, nil
	return t == other
}

// Detach deletes the record r, and nothing else: what is deployed goes on. If the
// cluster has another one by now, or none, the error is a *StaleError or
// ErrNotAttached, and nothing is deleted.
func Detach(ctx context.Context, kube kubernetes.Interface, r Record) error {
	now, err := Read(ctx, kube)
	switch {
	case err != nil:
		return err
	case now.UID != r.UID:
		return &StaleError{Have: r, Found: now}
	}
	// What is left of a change that was killed would attach the cluster anew.
	err = kube.CoreV1().ConfigMaps(SystemNamespace).Delete(ctx, nextName, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return denied("delete", "configmaps", err)
	}
	return remove(ctx, kube, r, now.object)
}

// remove deletes the ConfigMap of the UID, which held r.
func remove(ctx context.Context, kube kubernetes.Interface, r Record, object types.UID) error {
	err := kube.CoreV1().ConfigMaps(SystemNamespace).Delete(ctx, RecordName,
		metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &object}})
	switch {
	case apierrors.IsNotFound(err):
		return ErrNotAttached
	case apierrors.IsConflict(err):
		now, err := Read(ctx, kube)
		if err != nil {
			return err
		}
		return &StaleError{Have: r, Found: now}
	}
	return denied("delete", "configmaps", err)
}

// Replace changes what the record old says into next. Its UID, and who attached
// the cluster, when and from where, stay. The record cannot be written over, so it
// is deleted and made anew; what it is to be is written down before, and Read,
// Attach, Detach and Replace bring it to its end where this was killed. If somebody
// changed or replaced the record since old was read, the error is a *StaleError, and
// their record stays.
func Replace(ctx context.Context, kube kubernetes.Interface, old Record, next Attachment) (Record, error) {
	next.APIVersion, next.ClusterUID = APIVersion, old.ClusterUID
	next.AttachedBy, next.AttachedFrom, next.AttachedAt = old.AttachedBy, old.AttachedFrom, old.AttachedAt
	if problem := next.problem(); problem != "" {
		return Record{}, errors.New(problem)
	}
	now, err := Read(ctx, kube)
	switch {
	case err != nil:
		return Record{}, err
	case now.UID != old.UID || (old.object != "" && now.object != old.object):
		return Record{}, &StaleError{Have: old, Found: now}
	}
	forget(ctx, kube, "") // left by a change that was killed when it was all but done
	written, err := create(ctx, kube, nextName, Record{Attachment: next, UID: old.UID})
	if err != nil {
		if apierrors.IsAlreadyExists(err) {
			return Record{}, fmt.Errorf("somebody else is changing the record of compute %q: try again", old.Name)
		}
		return Record{}, denied("create", "configmaps", err)
	}
	if err := remove(ctx, kube, old, now.object); err != nil {
		forget(context.WithoutCancel(ctx), kube, written.object)
		return Record{}, err
	}
	made, err := finish(context.WithoutCancel(ctx), kube, written)
	if err == nil && made.UID != old.UID {
		return Record{}, &StaleError{Have: old, Found: made}
	}
	return made, err
}

// ClusterUID is the UID of the namespace kube-system, which no two clusters share.
func ClusterUID(ctx context.Context, kube kubernetes.Interface) (types.UID, error) {
	ns, err := kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", Denied("get the namespace "+metav1.NamespaceSystem, err)
	}
	return ns.UID, nil
}

// caller is who the cluster says the caller is.
func caller(ctx context.Context, kube kubernetes.Interface) (string, error) {
	review, err := kube.AuthenticationV1().SelfSubjectReviews().Create(ctx,
		&authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("the cluster does not say who you are: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}
