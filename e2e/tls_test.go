// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  string
	made int64
}

func inPEM(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a := &authority{t: t, key: key, made: 1}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(made)
	must(t, err)
	a.pem = string(inPEM("CERTIFICATE", made))
	return a
}

// signs returns the data of a Secret with a new certificate for the host.
func (a *authority) signs(host string) map[string][]byte {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	a.made++
	template := &x509.Certificate{SerialNumber: big.NewInt(a.made), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	return map[string][]byte{"tls.crt": inPEM("CERTIFICATE", made), "tls.key": inPEM("PRIVATE KEY", private)}
}

// Callers speak TLS, nobody scores in plain, the plugin goes on working, and
// certificates are renewed under load by another authority, without a loss.
func TestAnEndpointSpeaksTLS(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("blue", "sky") // only to have an image of the echo model
	image := s.image("echo", "blue")
	s.ok("delete", "endpoint", "echo")
	host := "plain." + s.namespace
	ca := newAuthority(t)
	_, err := s.admin.CoreV1().Secrets(s.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "aml-tls"}, Type: corev1.SecretTypeTLS, Data: ca.signs(host)}, metav1.CreateOptions{})
	must(t, err)
	values := filepath.Join(t.TempDir(), "values.yaml")
	text, err := json.Marshal(map[string]any{
		"defaultVersion": "blue", "tls": map[string]any{"existingSecret": "aml-tls", "host": host},
		"router":  map[string]any{"image": os.Getenv("AML_ROUTER_IMAGE")},
		"limiter": map[string]any{"image": os.Getenv("AML_LIMITER_IMAGE")},
		"versions": map[string]any{"blue": map[string]any{"image": image, "entryScript": "echo/score.py",
			"sourceDirectory": "echo", "modelDir": "/var/azureml-app/azureml-models/name.txt/1"}},
	})
	must(t, err)
	must(t, os.WriteFile(values, text, 0o600))
	s.helm("install", "plain", "../charts/inference", "-f", values, "--wait", "--timeout", "4m")
	s.helm("test", "plain", "--timeout", "2m")
	c, key := s.client(), bearer(s.key("plain"))
	url := "https://" + host + "/api/v1/service/plain/score"
	c.send(url, 20, key, "-body={}", "-ca", ca.pem).allOK(t)
	pods, err := s.admin.CoreV1().Pods(s.namespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/instance=plain,app.kubernetes.io/component=router"})
	must(t, err)
	for _, pod := range pods.Items {
		r := c.send(fmt.Sprintf("http://%s:8080/score", pod.Status.PodIP), 2, key, "-body={}")
		if r.Status["403"] != 2 {
			t.Errorf("in plain, the router %s answered %v", pod.Name, r.Status)
		}
	}
	s.ok("traffic", "set", "plain", "blue=10")
	if r := s.ok("invoke", "plain", "-d", "{}"); !strings.Contains(r.out, "sky") {
		t.Errorf("called through a forwarded port, the answer is %s", r.out)
	}
	if r := s.ok("get", "endpoints"); !strings.Contains(r.out, "plain") {
		t.Errorf("the endpoints are\n%s", r.out)
	}
	s.renews(c, ca, host, url, key, pods.Items)
}

// renews changes the certificate under load. At the end it is another
// authority's, which only who trusts that one can see.
func (s *space) renews(c *client, ca *authority, host, url, key string, routers []corev1.Pod) {
	s.t.Helper()
	renew := func(by *authority, number int) {
		s.t.Helper()
		patch, err := json.Marshal(map[string]any{"data": by.signs(host)})
		must(s.t, err)
		ctx := s.t.Context()
		_, err = s.admin.CoreV1().Secrets(s.namespace).Patch(ctx, "aml-tls", types.MergePatchType, patch, metav1.PatchOptions{})
		must(s.t, err)
		touch := fmt.Appendf(nil, `{"metadata":{"annotations":{"kubectl-aml/refresh":"renewed-%d"}}}`, number)
		for _, pod := range routers {
			_, err = s.admin.CoreV1().Pods(s.namespace).Patch(ctx, pod.Name, types.MergePatchType, touch, metav1.PatchOptions{})
			must(s.t, err)
		}
	}
	end := c.steady(url, 50, 3*time.Minute, key, "-body={}", "-ca", ca.pem)
	for number := range 5 {
		renew(ca, number)
		time.Sleep(2 * time.Second)
	}
	r := end().allOK(s.t)
	s.t.Logf("%d requests while the certificate was renewed 5 times, all answered 200", r.Sent)
	other := newAuthority(s.t)
	renew(other, 5)
	must(s.t, wait.PollUntilContextTimeout(s.t.Context(), time.Second, 2*time.Minute, true,
		func(context.Context) (bool, error) {
			return c.send(url, 1, key, "-body={}", "-ca", other.pem).Status["200"] == 1, nil
		}))
}
