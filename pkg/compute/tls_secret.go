// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// The files of LegacySecret, in the namespace default.
const (
	legacyCertField = "cert.pem"
	legacyKeyField  = "key.pem"
)

// PutPair writes the pair into the Secret TLSSecret of the namespace, and makes
// it if there is none. Both files change in one step. It refuses a Secret that
// somebody else made. No error tells the key.
func PutPair(ctx context.Context, kube kubernetes.Interface, namespace string, p Pair) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error { return putPair(ctx, kube, namespace, p) })
	if err != nil {
		return fmt.Errorf("write secret %s/%s: %w", namespace, TLSSecret, err)
	}
	return nil
}

func putPair(ctx context.Context, kube kubernetes.Interface, namespace string, p Pair) error {
	secrets := kube.CoreV1().Secrets(namespace)
	data := map[string][]byte{corev1.TLSCertKey: p.Cert, corev1.TLSPrivateKeyKey: p.Key}
	found, err := secrets.Get(ctx, TLSSecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: TLSSecret, Namespace: namespace,
				Labels: map[string]string{managedBy: us}},
			Type: corev1.SecretTypeTLS, Data: data,
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	if found.Labels[managedBy] != us {
		return fmt.Errorf("it was made by somebody else: delete it, or label it %s=%s", managedBy, us)
	}
	if found.Data == nil {
		found.Data = map[string][]byte{}
	}
	maps.Copy(found.Data, data)
	_, err = secrets.Update(ctx, found, metav1.UpdateOptions{})
	return err
}

// DeletePair deletes the Secret TLSSecret if PutPair made it, and does nothing if
// there is none.
func DeletePair(ctx context.Context, kube kubernetes.Interface, namespace string) error {
	secrets := kube.CoreV1().Secrets(namespace)
	found, err := secrets.Get(ctx, TLSSecret, metav1.GetOptions{})
	if err == nil && found.Labels[managedBy] == us {
		err = secrets.Delete(ctx, TLSSecret, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &found.UID}})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", namespace, TLSSecret, err)
	}
	return nil
}

// LegacyPair reads the certificate that Azure ML v1 left in the cluster.
func LegacyPair(ctx context.Context, kube kubernetes.Interface) (Pair, error) {
	at := metav1.NamespaceDefault + "/" + LegacySecret
	found, err := kube.CoreV1().Secrets(metav1.NamespaceDefault).Get(ctx, LegacySecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Pair{}, fmt.Errorf("there is no secret %s with a certificate of Azure ML v1: leave out "+
			"--import-legacy-tls", at)
	}
	if err != nil {
		return Pair{}, fmt.Errorf("read secret %s: %w", at, err)
	}
	return Pair{CertFile: at + " " + legacyCertField, KeyFile: at + " " + legacyKeyField,
		Cert: found.Data[legacyCertField], Key: found.Data[legacyKeyField]}, nil
}

// SecuredBy lists the endpoints of the namespace by whether their routers show
// the certificate of the Secret TLSSecret.
func SecuredBy(
	ctx context.Context, kube kubernetes.Interface, namespace string,
) (secured, plain []string, err error) {
	routers, err := kube.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/name=inference,app.kubernetes.io/component=router"})
	if err != nil {
		return nil, nil, fmt.Errorf("list the routers in namespace %s: %w", namespace, err)
	}
	for _, router := range routers.Items {
		name := router.Labels["app.kubernetes.io/instance"]
		if shows(router.Spec.Template.Spec.Volumes) {
			secured = append(secured, name)
		} else {
			plain = append(plain, name)
		}
	}
	return secured, plain, nil
}

func shows(volumes []corev1.Volume) bool {
	for _, volume := range volumes {
		if volume.Secret != nil && volume.Secret.SecretName == TLSSecret {
			return true
		}
	}
	return false
}
