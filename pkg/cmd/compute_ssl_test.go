// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// certificate writes cert.pem and key.pem for score.example, good for so long
// around the time of the epoch and of any test's clock.
func (w *world) certificate() {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"score.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	w.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// routerOf adds the routers of an endpoint that show the Secret.
func (w *world) routerOf(name, secret string) {
	w.t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": "inference", "app.kubernetes.io/component": "router",
		"app.kubernetes.io/instance": name}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name + "-router", Namespace: "models", Labels: labels}}
	d.Spec.Template.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-router-1", Namespace: "models", Labels: labels},
		Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	if err := w.cluster.Clientset.Tracker().Add(d); err != nil {
		w.t.Fatal(err)
	}
	if err := w.cluster.Clientset.Tracker().Add(pod); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tls() compute.TLS {
	w.t.Helper()
	r, err := compute.Read(w.t.Context(), w.cluster.Clientset)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.TLS
}

const ownCertificate = "update-ssl lab --ssl-cname score.example --ssl-cert-file cert.pem --ssl-key-file key.pem"

func TestTheCertificateOfAComputeChanges(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.certificate()
	w.compute("attach kubernetes lab")
	w.routerOf("echo", "echo-keys")
	if r := w.compute(ownCertificate); r.code != 0 || r.out != "compute/lab TLS updated\n" ||
		r.err != "note: deploy again, so that they speak TLS: echo\n" {
		t.Fatalf("it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	if got := w.tls(); got.Host != "score.example" || got.Secret != "aml-tls" || got.Expires == nil || got.Expires.Year() != 2999 {
		t.Errorf("the record says %+v", got)
	}
	w.routerOf("fraud", "aml-tls")
	if r := w.compute(ownCertificate); r.code != 0 || !strings.Contains(r.err,
		"note: the routers of fraud show it when their nodes have brought it, within 90s at the latest\n") {
		t.Fatalf("it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	pod, err := w.cluster.Clientset.CoreV1().Pods("models").Get(t.Context(), "fraud-router-1", metav1.GetOptions{})
	if err != nil || !strings.HasPrefix(pod.Annotations["kubectl-aml/refresh"], "certificate-") {
		t.Errorf("the router is not told of a new certificate: %v %v", pod.Annotations, err)
	}
	secrets := w.cluster.Clientset.CoreV1().Secrets("models")
	if r := w.compute("update-ssl lab --ssl-disable"); r.code != 0 || r.out != "compute/lab TLS disabled\n" ||
		r.err != "note: secret models/aml-tls stays as long as endpoints show it: write the command again later\n"+
			"note: deploy again, so that they speak plain HTTP: fraud\n" {
		t.Errorf("it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	if _, err := secrets.Get(t.Context(), "aml-tls", metav1.GetOptions{}); err != nil || w.tls() != (compute.TLS{}) {
		t.Errorf("the record says %+v, the secret is %v", w.tls(), err)
	}
	if err := w.cluster.Clientset.AppsV1().Deployments("models").Delete(t.Context(), "fraud-router", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.compute("update-ssl lab --ssl-disable")
	if _, err := secrets.Get(t.Context(), "aml-tls", metav1.GetOptions{}); err == nil {
		t.Error("the secret stays though nobody shows it")
	}
}

func TestACertificateIsOrderedAndRenewed(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	const order = "update-ssl lab --ssl-leaf-domain-label fraud --location westeurope --ssl-issuer letsencrypt"
	if r := w.compute(order); r.code != 0 {
		t.Fatalf("it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	if got := w.tls(); got.Host != "fraud.westeurope.cloudapp.azure.com" || got.Issuer != "letsencrypt" || got.DNSLabel != "fraud" {
		t.Errorf("the record says %+v", got)
	}
	kind := schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}
	find := func() *unstructured.Unstructured {
		found, err := w.objects.Resource(kind).Namespace("models").Get(t.Context(), "aml-tls", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	issuer, _, _ := unstructured.NestedString(find().Object, "spec", "issuerRef", "name")
	if issuer != "letsencrypt" {
		t.Errorf("the certificate is ordered of %q", issuer)
	}
	if r := w.compute("update-ssl lab --ssl-renew"); r.out != "compute/lab renewal asked for\n" ||
		r.err != "note: cert-manager makes the certificate: kubectl -n models get certificate aml-tls says when it is ready\n" {
		t.Errorf("renewing ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	conditions, _, _ := unstructured.NestedSlice(find().Object, "status", "conditions")
	if len(conditions) != 1 || conditions[0].(map[string]any)["reason"] != "ManuallyTriggered" {
		t.Errorf("the conditions are %v", conditions)
	}
	other := strings.Replace(order, "fraud", "spam", 1)
	if r := w.compute(other); r.code != 2 || !strings.Contains(r.err, "--ssl-overwrite-domain") {
		t.Errorf("another label ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := w.compute(other + " --ssl-overwrite-domain"); r.code != 0 || w.tls().DNSLabel != "spam" {
		t.Errorf("another label ended with %d:\n%s%s", r.code, r.out, r.err)
	}
}

func TestAComputeIsAttachedWithItsCertificate(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.certificate()
	line := strings.Replace(ownCertificate, "update-ssl", "attach kubernetes", 1)
	if r := w.compute(strings.Replace(line, "score.example", "b.example", 1)); r.code != 2 ||
		!strings.Contains(r.err, "cert.pem is for score.example") {
		t.Errorf("another host's ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	for _, want := range []string{"compute/lab attached\n", "compute/lab unchanged (already attached)\n"} {
		if r := w.compute(line); r.code != 0 || r.out != want {
			t.Errorf("it ended with %d:\n%s%s", r.code, r.out, r.err)
		}
	}
	if got := w.tls(); got.Host != "score.example" || got.Secret != "aml-tls" || got.Expires == nil {
		t.Errorf("the record says %+v", got)
	}
	if r := w.compute(line); r.err != "note: the certificate stays as it is: kubectl aml compute update-ssl lab changes it\n" {
		t.Errorf("a certificate that is not taken is told as %q", r.err)
	}
}

func TestUpdateSSLRefusesWhatDoesNotGoTogether(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.certificate()
	w.compute("attach kubernetes lab")
	for line, want := range map[string]string{
		"":                                             "one thing only",
		"--ssl-renew --ssl-disable":                    "one thing only",
		"--ssl-renew":                                  "only a certificate of an issuer can be renewed",
		"--ssl-disable -l westeurope":                  "--location is for --ssl-leaf-domain-label only",
		"--ssl-cname a.example":                        "--ssl-cname needs a certificate",
		"--ssl-cert-file cert.pem":                     "--ssl-cert-file and --ssl-key-file go together",
		"--ssl-overwrite-domain":                       "for --ssl-leaf-domain-label only",
		"--ssl-leaf-domain-label fraud":                "Microsoft's certificates came from Azure ML's own service",
		"--ssl-leaf-domain-label F --ssl-issuer i":     `leaf domain label "F"`,
		"--ssl-leaf-domain-label fraud --ssl-issuer i": "give --location to compute update-ssl",
		"--ssl-cname a.b --ssl-leaf-domain-label fraud --ssl-issuer i":                     "two names",
		"--ssl-cname b.example --ssl-cert-file cert.pem --ssl-key-file key.pem":            "cert.pem is for score.example, not for b.example",
		"--ssl-cname score.example --ssl-cert-file none.pem --ssl-key-file key.pem":        "none.pem",
		"--ssl-cname score.example --import-legacy-tls --ssl-cert-file c --ssl-key-file k": "two certificates",
	} {
		if r := w.compute("update-ssl lab " + line); r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("update-ssl %s ended with %d, want %q:\n%s%s", line, r.code, want, r.out, r.err)
		}
	}
	if w.tls() != (compute.TLS{}) {
		t.Errorf("what was refused changed the record: %+v", w.tls())
	}
}

func TestTheCertificateOfAzureMLIsTaken(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.compute("attach kubernetes lab")
	if r := w.compute("update-ssl lab --ssl-cname score.example --import-legacy-tls"); r.code != 1 ||
		!strings.Contains(r.err, "there is no secret default/azuremlfessl") {
		t.Errorf("without one it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
}

// Turned off while an endpoint shows it, a certificate stays ordered; by the second
// time the record has forgotten the issuer.
func TestAnOrderGoesWithTheSecret(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.certificate()
	w.compute("attach kubernetes lab")
	orders := w.objects.Resource(schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1",
		Resource: "certificates"}).Namespace("models")
	ordered := func() bool {
		_, err := orders.Get(t.Context(), "aml-tls", metav1.GetOptions{})
		return err == nil
	}
	const order = "update-ssl lab --ssl-leaf-domain-label fraud --location westeurope --ssl-issuer letsencrypt"
	w.compute(order)
	w.routerOf("fraud", "aml-tls")
	if w.compute("update-ssl lab --ssl-disable"); !ordered() {
		t.Error("the certificate goes while an endpoint shows it")
	}
	if r := w.compute(ownCertificate); r.code != 0 || ordered() {
		t.Errorf("cert-manager still writes over the certificate that was brought (%d):\n%s%s", r.code, r.out, r.err)
	}
	w.compute(order + " --ssl-overwrite-domain")
	w.compute("update-ssl lab --ssl-disable")
	if err := w.cluster.Clientset.AppsV1().Deployments("models").Delete(t.Context(), "fraud-router", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if w.compute("update-ssl lab --ssl-disable"); ordered() {
		t.Error("cert-manager makes the secret again for ever")
	}
}

const attachSecured = "attach kubernetes lab --ssl-cname score.example --ssl-cert-file cert.pem --ssl-key-file key.pem"

// Of two who attach at once the one who comes second leaves the first one's
// certificate alone.
func TestWhoComesSecondBringsNoCertificate(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.certificate()
	w.compute("attach kubernetes fraud")
	tried := false
	maps := w.cluster.Clientset
	maps.PrependReactor("create", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		tried = true
		return false, nil, nil
	})
	maps.PrependReactor("get", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if tried {
			return false, nil, nil
		}
		return true, nil, apierrors.NewNotFound(corev1.Resource("configmaps"), a.(clienttesting.GetAction).GetName())
	})
	if r := w.compute(attachSecured); r.code != 3 || !strings.Contains(r.err, `already attached as "fraud"`) || !tried {
		t.Errorf("it ended with %d: %s", r.code, r.err)
	}
	if _, err := maps.CoreV1().Secrets("models").Get(t.Context(), compute.TLSSecret, metav1.GetOptions{}); err == nil {
		t.Error("the certificate was brought")
	}
}

// A certificate that cannot be kept leaves no attachment that speaks of it.
func TestAnAttachmentWithoutItsCertificateIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newComputeWorld(t, 3, 4)
	w.certificate()
	refused := true
	w.cluster.Clientset.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if refused {
			return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), compute.TLSSecret, nil)
		}
		return false, nil, nil
	})
	if r := w.compute(attachSecured); r.code != 5 {
		t.Errorf("it ended with %d: %s", r.code, r.err)
	}
	if _, err := compute.Read(t.Context(), w.cluster.Clientset); !errors.Is(err, compute.ErrNotAttached) {
		t.Errorf("the record stays: %v", err)
	}
	refused = false
	if r := w.compute(attachSecured); r.code != 0 || w.tls().Secret != compute.TLSSecret {
		t.Errorf("it ended with %d: %s", r.code, r.err)
	}
}
