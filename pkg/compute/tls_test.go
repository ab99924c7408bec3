// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func inPEM(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

// newPair makes a certificate with such names that is good from a day before
// noon to a day after.
func newPair(t *testing.T, common string, names ...string) compute.Pair {
	t.Helper()
	return newPairUntil(t, noon.AddDate(0, 0, 1), common, names...)
}

func newPairUntil(t *testing.T, ends time.Time, common string, names ...string) compute.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newPairOf(t, key, ends, common, names...)
}

func newPairOf(t *testing.T, key crypto.Signer, ends time.Time, common string, names ...string) compute.Pair {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: common}, DNSNames: names,
		NotBefore: noon.AddDate(0, 0, -1), NotAfter: ends}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return compute.Pair{CertFile: "c.pem", KeyFile: "k.pem", Cert: inPEM("CERTIFICATE", cert), Key: inPEM("PRIVATE KEY", private)}
}

func TestAllThatIsWrongWithACertificateIsSaid(t *testing.T) {
	t.Parallel()
	good, other := newPair(t, "", "score.example", "*.models.example"), newPair(t, "", "score.example")
	curve, curveErr := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	short, shortErr := rsa.GenerateKey(rand.Reader, 1024)
	if err := errors.Join(curveErr, shortErr); err != nil {
		t.Fatal(err)
	}
	weak := func(key crypto.Signer) compute.Pair { return newPairOf(t, key, noon.AddDate(0, 0, 1), "score.example") }
	with := func(cert, key []byte) compute.Pair {
		return compute.Pair{CertFile: "c.pem", KeyFile: "k.pem", Cert: cert, Key: key}
	}
	for name, test := range map[string]struct {
		pair compute.Pair
		host string
		now  time.Time
		want string
	}{
		"good":                           {good, "score.example", noon, ""},
		"good for a wildcard":            {good, "a.models.example", noon, ""},
		"good by its common name":        {newPair(t, "score.example"), "score.example", noon, ""},
		"a curve that no router takes":   {weak(curve), "score.example", noon, "c.pem has a key of the curve P-224: routers take P-256, P-384 and P-521"},
		"a short RSA key":                {weak(short), "score.example", noon, "c.pem has an RSA key of 1024 bits: routers take 2048 or more"},
		"another host's":                 {good, "b.example", noon, "c.pem is for score.example, *.models.example, not for b.example"},
		"another host's by common name":  {newPair(t, "a.example"), "b.example", noon, "c.pem is for a.example, not for b.example"},
		"not valid yet":                  {good, "score.example", noon.AddDate(0, 0, -2), "c.pem is not valid before 2026-11-24T12:00:00Z"},
		"over":                           {good, "score.example", noon.AddDate(0, 0, 1), "c.pem ended on 2026-11-26T12:00:00Z"},
		"another's key":                  {with(good.Cert, other.Key), "score.example", noon, "k.pem is not the key of the certificate in c.pem"},
		"no PEM":                         {with([]byte("a"), []byte("b")), "score.example", noon, "c.pem is not PEM: it has to begin with -----BEGIN CERTIFICATE-----\nk.pem holds no private key in PEM"},
		"the files are the other's":      {with(good.Key, good.Cert), "score.example", noon, "c.pem begins with a PRIVATE KEY: the certificate has to be first\nk.pem holds no private key in PEM"},
		"a passphrase":                   {with(good.Cert, inPEM("ENCRYPTED PRIVATE KEY", []byte("x"))), "score.example", noon, "k.pem has a passphrase: write the key without one, as openssl pkey does"},
		"other host, other key and over": {with(good.Cert, other.Key), "b.example", noon.AddDate(1, 0, 0), "k.pem is not the key of the certificate in c.pem\nc.pem is for score.example, *.models.example, not for b.example\nc.pem ended on 2026-11-26T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends, err := test.pair.Check(test.host, test.now)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if err == nil && !ends.Equal(noon.AddDate(0, 0, 1)) {
				t.Errorf("it ends on %v", ends)
			}
		})
	}
	if text := fmt.Sprintf("%v %+v %#v %s", good, good, good, good); strings.Contains(text, "PRIVATE") || !strings.Contains(text, "k.pem") {
		t.Errorf("a pair prints as %s", text)
	}
}

func TestLabelsAreThoseThatAzureTakes(t *testing.T) {
	t.Parallel()
	for label, good := range map[string]bool{"fraud": true, "f-1": true, "1f": false, "Fraud": false, "f-": false, "ab": false,
		"a.b": false, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false} {
		if err := compute.CheckLabel(label, compute.PublicIP); (err == nil) != good {
			t.Errorf("%s: %v", label, err)
		}
	}
	if err := compute.CheckLabel("fraud", compute.Internal); err == nil {
		t.Error("an internal load balancer may have a label")
	}
	for host, good := range map[string]bool{"score.example": true, "localhost": true, "a..b": false, "-a.b": false, "A.b": false} {
		if err := compute.CheckHost(host); (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestTheSecretOfACertificate(t *testing.T) {
	t.Parallel()
	ctx, kube := t.Context(), fake.NewClientset()
	for _, cert := range []string{"first", "second"} {
		if err := compute.PutPair(ctx, kube, "models", compute.Pair{Cert: []byte(cert), Key: []byte("key of " + cert)}); err != nil {
			t.Fatal(err)
		}
		found, err := kube.CoreV1().Secrets("models").Get(ctx, "aml-tls", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if found.Type != corev1.SecretTypeTLS || string(found.Data["tls.crt"]) != cert || string(found.Data["tls.key"]) != "key of "+cert {
			t.Errorf("the secret is a %s with %s", found.Type, found.Data["tls.crt"])
		}
	}
	for range 2 {
		if err := compute.DeletePair(ctx, kube, "models"); err != nil {
			t.Fatal(err)
		}
	}
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "aml-tls", Namespace: "models"}}
	kube = fake.NewClientset(theirs)
	err := compute.PutPair(ctx, kube, "models", compute.Pair{Key: []byte("secret")})
	if err == nil || !strings.Contains(err.Error(), "made by somebody else") || strings.Contains(err.Error(), "secret secret") {
		t.Errorf("somebody else's secret: %v", err)
	}
	if err := compute.DeletePair(ctx, kube, "models"); err != nil {
		t.Error(err)
	}
	if _, err := kube.CoreV1().Secrets("models").Get(ctx, "aml-tls", metav1.GetOptions{}); err != nil {
		t.Errorf("somebody else's secret is gone: %v", err)
	}
}

func TestTheCertificateOfAzureML(t *testing.T) {
	t.Parallel()
	kube := fake.NewClientset()
	if _, err := compute.LegacyPair(t.Context(), kube); err == nil || !strings.Contains(err.Error(), "default/azuremlfessl") {
		t.Errorf("none: %v", err)
	}
	kube = fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "azuremlfessl", Namespace: "default"},
		Data: map[string][]byte{"cert.pem": []byte("c"), "key.pem": []byte("k")}})
	pair, err := compute.LegacyPair(t.Context(), kube)
	if err != nil || string(pair.Cert) != "c" || string(pair.Key) != "k" {
		t.Errorf("got %v, %v", pair, err)
	}
}

func TestEndpointsAreToldByTheSecretOfTheirRouters(t *testing.T) {
	t.Parallel()
	router := func(name, secret string) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name + "-router", Namespace: "models", Labels: map[string]string{
			"app.kubernetes.io/name": "inference", "app.kubernetes.io/component": "router", "app.kubernetes.io/instance": name}}}
		d.Spec.Template.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
		return d
	}
	kube := fake.NewClientset(router("fraud", "aml-tls"), router("echo", "echo-keys"))
	secured, plain, err := compute.SecuredBy(t.Context(), kube, "models")
	if err != nil || fmt.Sprint(secured, plain) != "[fraud] [echo]" {
		t.Errorf("got %v %v %v", secured, plain, err)
	}
}
