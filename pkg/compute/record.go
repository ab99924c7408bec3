// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// Where the record of an attachment is: its name is fixed, so that a cluster
// has one at most.
const (
	SystemNamespace = "aml-system"
	RecordName      = "aml-attachment"
	// nextName is the ConfigMap with what a record is being changed into.
	nextName = "aml-attachment-next"
)

// The keys of the ConfigMap.
const (
	contentKey = "attachment.json"
	// uidKey holds the UID of the attachment in a record that was changed since.
	uidKey = "attachment-uid"
)

// managedBy is the label of what this package makes in a cluster.
const managedBy, us = "app.kubernetes.io/managed-by", "kubectl-aml"

// Record is an attachment as the cluster holds it.
type Record struct {
	Attachment
	// UID is of this attachment and no other; it stays when Replace changes what
	// the record says.
	UID types.UID
	// object is the UID of the ConfigMap that holds it now.
	object types.UID
}

// Read returns the record of the cluster. Without one the error is ErrNotAttached;
// a caller who may not read it gets a *DeniedError. A record that something else
// wrote, or a later form of it, is refused. A change of it that was killed half way
// is brought to its end.
func Read(ctx context.Context, kube kubernetes.Interface) (Record, error) {
	r, err := read(ctx, kube, RecordName)
	if !apierrors.IsNotFound(err) {
		return r, denied("get", "configmaps", err)
	}
	next, err := read(ctx, kube, nextName)
	switch {
	case apierrors.IsNotFound(err):
		return readDone(ctx, kube)
	case err != nil:
		return Record{}, denied("get", "configmaps", err)
	}
	return finish(ctx, kube, next)
}

// readDone is Read for a cluster that had neither a record nor a change of one:
// the change may have come to its end between the two looks.
func readDone(ctx context.Context, kube kubernetes.Interface) (Record, error) {
	r, err := read(ctx, kube, RecordName)
	if apierrors.IsNotFound(err) {
		return Record{}, ErrNotAttached
	}
	return r, denied("get", "configmaps", err)
}

// finish makes the record that somebody was about to make when it stopped.
func finish(ctx context.Context, kube kubernetes.Interface, next Record) (Record, error) {
	r, err := create(ctx, kube, RecordName, next)
	switch {
	case apierrors.IsAlreadyExists(err):
		r, err = read(ctx, kube, RecordName)
		return r, denied("get", "configmaps", err)
	case apierrors.IsForbidden(err):
		return Record{}, fmt.Errorf("the record of compute %q is being changed: try again; if that does not help, "+
			"the change was killed: whoever attached it (%s) brings it to its end with kubectl aml compute show %s",
			next.Name, next.AttachedBy, next.Name)
	case err != nil:
		return Record{}, err
	}
	forget(ctx, kube, next.object)
	return r, nil
}

// forget deletes what a record was being changed into: the ConfigMap of the UID,
// or, if it is empty, whichever there is. A failure does no harm while there is a
// record: the next change writes it anew.
func forget(ctx context.Context, kube kubernetes.Interface, object types.UID) {
	var o metav1.DeleteOptions
	if object != "" {
		o.Preconditions = &metav1.Preconditions{UID: &object}
	}
	_ = kube.CoreV1().ConfigMaps(SystemNamespace).Delete(ctx, nextName, o)
}

func read(ctx context.Context, kube kubernetes.Interface, name string) (Record, error) {
	cm, err := kube.CoreV1().ConfigMaps(SystemNamespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Record{}, err
	}
	return parse(cm)
}

// parse reads the record strictly: to go on with half of one could deploy to a
// place that nobody meant.
func parse(cm *corev1.ConfigMap) (Record, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("the ConfigMap %s/%s is no record of an attachment: %s; "+
			"look at it with kubectl get configmap -n %s %s -o yaml",
			SystemNamespace, cm.Name, fmt.Sprintf(format, args...), SystemNamespace, cm.Name)
	}
	text, ok := cm.Data[contentKey]
	if !ok {
		return Record{}, bad("it has no %s", contentKey)
	}
	var form struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal([]byte(text), &form); err != nil {
		return Record{}, bad("its %s is not JSON: %v", contentKey, err)
	}
	if form.APIVersion != APIVersion {
		return Record{}, bad("its apiVersion is %q and this plugin knows %s: another version of the plugin wrote it",
			form.APIVersion, APIVersion)
	}
	r := Record{UID: cm.UID, object: cm.UID}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r.Attachment); err != nil {
		return Record{}, bad("%v", err)
	}
	if problem := r.problem(); problem != "" {
		return Record{}, bad("%s", problem)
	}
	if uid := cm.Data[uidKey]; uid != "" {
		r.UID = types.UID(uid)
	}
	return r, nil
}

// problem says what is missing in an attachment or wrong with it; empty if
// nothing is.
func (a Attachment) problem() string {
	if err := CheckName(a.Name); err != nil {
		return err.Error()
	}
	switch {
	case a.Provider != AKS && a.Provider != Kind && a.Provider != Kubernetes:
		return fmt.Sprintf("provider %q: one of %s, %s, %s belongs there", a.Provider, AKS, Kind, Kubernetes)
	case a.Purpose != endpoint.FastProd && a.Purpose != endpoint.DevTest:
		return fmt.Sprintf("purpose %q: %s or %s belongs there", a.Purpose, endpoint.FastProd, endpoint.DevTest)
	case a.Namespace == "":
		return "the namespace of the endpoints is missing"
	case a.ClusterUID == "":
		return "clusterUID is missing"
	}
	switch a.LoadBalancer.Type {
	case "", PublicIP, Internal:
		return ""
	}
	return fmt.Sprintf("load balancer type %q: %s or %s belongs there", a.LoadBalancer.Type, PublicIP, Internal)
}

// create makes a ConfigMap of the record. It is immutable: whoever edits it by
// hand is refused by the cluster.
func create(ctx context.Context, kube kubernetes.Interface, name string, r Record) (Record, error) {
	text, err := json.MarshalIndent(r.Attachment, "", "  ")
	if err != nil {
		return Record{}, err
	}
	immutable := true
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: SystemNamespace, Labels: map[string]string{managedBy: us}},
		Immutable:  &immutable,
		Data:       map[string]string{contentKey: string(text) + "\n"},
	}
	if r.UID != "" {
		cm.Data[uidKey] = string(r.UID)
	}
	made, err := kube.CoreV1().ConfigMaps(SystemNamespace).Create(ctx, cm, metav1.CreateOptions{})
	if err != nil {
		return Record{}, err
	}
	return parse(made)
}
