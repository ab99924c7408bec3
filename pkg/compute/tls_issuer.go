// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// certificates are those of cert-manager; see https://cert-manager.io/docs/reference/api-docs/.
func certificates(client dynamic.Interface, namespace string) dynamic.ResourceInterface {
	return client.Resource(schema.GroupVersionResource{
		Group: "cert-manager.io", Version: "v1", Resource: "certificates"}).Namespace(namespace)
}

// Order has a ClusterIssuer of cert-manager keep a certificate for host in the
// Secret TLSSecret of the namespace. It does not wait for it. It refuses a
// cluster without cert-manager, and the Certificate of another host unless
// overwrite.
func Order(ctx context.Context, client dynamic.Interface, namespace, host, issuer string, overwrite bool) error {
	wanted := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
		"metadata": map[string]any{"name": TLSSecret, "namespace": namespace, "labels": map[string]any{managedBy: us}},
		"spec": map[string]any{
			"secretName": TLSSecret, "dnsNames": []any{host},
			"secretTemplate": map[string]any{"labels": map[string]any{managedBy: us}},
			"issuerRef":      map[string]any{"group": "cert-manager.io", "kind": "ClusterIssuer", "name": issuer},
		},
	}}
	at := namespace + "/" + TLSSecret
	_, err := certificates(client, namespace).Create(ctx, wanted, metav1.CreateOptions{})
	switch {
	case err == nil:
		return nil
	case notServed(err):
		return fmt.Errorf("the cluster has no cert-manager (cert-manager.io/v1 Certificate): install it, or bring a " +
			"certificate with --ssl-cname, --ssl-cert-file and --ssl-key-file")
	case !apierrors.IsAlreadyExists(err):
		return fmt.Errorf("make certificate %s: %w", at, err)
	}
	found, err := certificates(client, namespace).Get(ctx, TLSSecret, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read certificate %s: %w", at, err)
	}
	names, _, _ := unstructured.NestedStringSlice(found.Object, "spec", "dnsNames")
	if !overwrite && (len(names) != 1 || names[0] != host) {
		return fmt.Errorf("certificate %s is for %v: write --ssl-overwrite-domain to make it one for %s", at, names, host)
	}
	found.Object["spec"] = wanted.Object["spec"]
	if _, err := certificates(client, namespace).Update(ctx, found, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("change certificate %s: %w", at, err)
	}
	return nil
}

// notServed says that the cluster does not know the kind of an object.
func notServed(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// CancelOrder deletes the Certificate that Order made, so that cert-manager leaves
// the Secret alone. It does nothing if there is none, or one that somebody else
// made.
func CancelOrder(ctx context.Context, client dynamic.Interface, namespace string) error {
	found, err := certificates(client, namespace).Get(ctx, TLSSecret, metav1.GetOptions{})
	if err == nil && found.GetLabels()[managedBy] == us {
		uid := found.GetUID()
		err = certificates(client, namespace).Delete(ctx, TLSSecret,
			metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	}
	if err != nil && !notServed(err) {
		return fmt.Errorf("delete certificate %s/%s: %w", namespace, TLSSecret, err)
	}
	return nil
}

// Renew has cert-manager renew what Order ordered, at once, as cmctl renew does:
// by the condition Issuing in the status.
func Renew(ctx context.Context, client dynamic.Interface, namespace string, now time.Time) error {
	at := namespace + "/" + TLSSecret
	found, err := certificates(client, namespace).Get(ctx, TLSSecret, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read certificate %s: %w", at, err)
	}
	conditions, _, _ := unstructured.NestedSlice(found.Object, "status", "conditions")
	kept := []any{}
	for _, c := range conditions {
		if m, ok := c.(map[string]any); !ok || m["type"] != "Issuing" {
			kept = append(kept, c)
		}
	}
	kept = append(kept, map[string]any{"type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
		"message": "renewal asked for by " + us, "lastTransitionTime": now.UTC().Format(time.RFC3339),
		"observedGeneration": found.GetGeneration()})
	if err := unstructured.SetNestedSlice(found.Object, kept, "status", "conditions"); err != nil {
		return fmt.Errorf("renew certificate %s: %w", at, err)
	}
	if _, err := certificates(client, namespace).UpdateStatus(ctx, found, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("renew certificate %s: %w", at, err)
	}
	return nil
}
