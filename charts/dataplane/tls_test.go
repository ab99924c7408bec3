// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const secured = "{tls: {existingSecret: aml-tls, host: score.example}, defaultVersion: blue, versions: {blue: {image: i}}}"

// certificate is a Secret's files with a new certificate of such a number.
func certificate(t *testing.T, number int64) (files map[string]string, trusted *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := wall.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "score.example"},
		DNSNames: []string{"score.example"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	files = map[string]string{"tls.crt": block("CERTIFICATE", made), "tls.key": block("PRIVATE KEY", private)}
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(files["tls.crt"]))
	return files, trusted
}

// newSecured starts an Envoy that speaks TLS with a certificate.
func newSecured(t *testing.T, c *cluster, pair map[string]string) *router {
	t.Helper()
	r := startRouterWith(t, c, render(t, secured), authSlot(t, primary, secondary), pair)
	r.waitReady()
	return r
}

// handshake makes one at the port of callers.
func (r *router) handshake(config *tls.Config) (tls.ConnectionState, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}
	conn, err := dialer.DialContext(r.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", r.ports["8443"]))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState(), nil
}

func TestTLSHasTheVersionsAndProtocolsOfToday(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	pair, trusted := certificate(t, 1)
	r := newSecured(t, c, pair)
	for name, test := range map[string]struct {
		version uint16
		speaks  []string
		want    string // the protocol; "refused"
	}{
		"1.3 and HTTP/2":   {tls.VersionTLS13, []string{"h2", "http/1.1"}, "h2"},
		"1.2 and HTTP/1.1": {tls.VersionTLS12, []string{"http/1.1"}, "http/1.1"},
		"1.2 and nothing":  {tls.VersionTLS12, nil, ""},
		"1.1":              {tls.VersionTLS11, nil, "refused"},
		"1.0":              {tls.VersionTLS10, nil, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			state, err := r.handshake(&tls.Config{RootCAs: trusted, ServerName: "score.example", NextProtos: test.speaks,
				MinVersion: test.version, MaxVersion: test.version})
			if (err != nil) != (test.want == "refused") {
				t.Fatalf("the handshake ended with %v", err)
			}
			if err == nil && (state.Version != test.version || state.NegotiatedProtocol != test.want) {
				t.Errorf("spoken is %s over %s", state.NegotiatedProtocol, tls.VersionName(state.Version))
			}
		})
	}
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "score.example"}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		fmt.Sprintf("https://127.0.0.1:%d/score", r.ports["8443"]), strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+primary)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
		t.Errorf("a score over HTTP/2 got %s %d", response.Proto, response.StatusCode)
	}
}

// No plain request is scored but one that comes over the pod's own loopback.
func TestThePlainPortScoresNothing(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	pair, _ := certificate(t, 1)
	r := newSecured(t, c, pair)
	outside := outsideAddress(t)
	for path, want := range map[string]int{
		"/-/config": http.StatusOK, "/healthz": http.StatusOK,
		"/score": http.StatusForbidden, "/api/v1/service/sentiment/score": http.StatusForbidden,
		"/-/config/../../score": http.StatusForbidden, "/-/ready": http.StatusForbidden, "/-/key": http.StatusForbidden,
		"//score": http.StatusForbidden, "/%2d/config": http.StatusOK, "/": http.StatusForbidden,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			fmt.Sprintf("http://%s:%d%s", outside, r.ports["8080"], path), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+primary)
		if got := do(http.DefaultClient, request); got.status != want && (want != http.StatusForbidden || got.status != 400) {
			t.Errorf("%s from outside got %d %s, want %d", path, got.status, got.body, want)
		}
	}
	if got := r.score(); got.status != http.StatusOK {
		t.Errorf("a forwarded port got %d %s", got.status, got.body)
	}
}

// outsideAddress is one of this machine's that is not of its loopback.
func outsideAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but those of its loopback")
	return ""
}

func TestACertificateIsRenewedUnderLoad(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	pair, _ := certificate(t, 1)
	r := newSecured(t, c, pair)
	shown := func() int64 {
		state, err := r.handshake(&tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Errorf("a handshake failed: %v", err)
			return 0
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	r.url = fmt.Sprintf("https://127.0.0.1:%d", r.ports["8443"])
	stream := r.startLoad(200)
	for number := int64(2); number <= 8; number++ {
		next, _ := certificate(t, number)
		r.swap("tls", next)
		eventually(t, 10*time.Second, "the new certificate", func() bool { return shown() == number })
		wall.Sleep(300 * time.Millisecond)
	}
	other, _ := certificate(t, 9)
	fresh, _ := certificate(t, 10)
	r.swap("tls", map[string]string{"tls.crt": fresh["tls.crt"], "tls.key": other["tls.key"]})
	wall.Sleep(500 * time.Millisecond)
	if got := shown(); got != 8 {
		t.Errorf("after a pair that is none: shown is %d, want the last good one to stay", got)
	}
	t.Logf("%d requests over 7 certificates and a broken one", stream.end())
}

func TestARouterWithoutACertificateIsClosedAndNotReady(t *testing.T) {
	first, _ := certificate(t, 1)
	second, trusted := certificate(t, 2)
	for name, pair := range map[string]map[string]string{
		"no files":        {},
		"no certificate":  {"tls.crt": "none\n", "tls.key": first["tls.key"]},
		"another's key":   {"tls.crt": second["tls.crt"], "tls.key": first["tls.key"]},
		"no key":          {"tls.crt": second["tls.crt"], "tls.key": "none\n"},
		"a truncated key": {"tls.crt": second["tls.crt"], "tls.key": second["tls.key"][:60]},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.addPod("blue")
			r := startRouterWith(t, c, render(t, secured), authSlot(t, primary, secondary), pair)
			eventually(t, 20*time.Second, "the router lives", func() bool { return r.get("/healthz").status == http.StatusOK })
			if state, err := r.handshake(&tls.Config{InsecureSkipVerify: true}); err == nil {
				t.Fatalf("it spoke %s", tls.VersionName(state.Version))
			}
			r.swap("tls", second)
			eventually(t, 20*time.Second, "a good pair", func() bool {
				_, err := r.handshake(&tls.Config{RootCAs: trusted, ServerName: "score.example"})
				return err == nil
			})
		})
	}
}
