// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	tlsconfig "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	workers "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// authority gives certificates for this machine.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "an authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotAfter = big.NewInt(1), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	made, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(made)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// pair is a certificate for this machine, in PEM.
func (a *authority) pair() (cert, key []byte) {
	a.t.Helper()
	c, k := a.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// certificates is a folder in which a has signed, and trusted is trusted.
func (a *authority) certificates(trusted *authority) string {
	a.t.Helper()
	dir := a.t.TempDir()
	cert, key := a.pair()
	for name, content := range map[string][]byte{"ca.pem": trusted.pem(), "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

// worker is the part of buildkitd that says what it can do.
type worker struct {
	control.UnimplementedControlServer
	platforms []string
}

func (w worker) ListWorkers(context.Context, *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	one := &workers.WorkerRecord{ID: "w"}
	for _, p := range w.platforms {
		system, processor, _ := strings.Cut(p, "/")
		one.Platforms = append(one.Platforms, &pb.Platform{OS: system, Architecture: processor})
	}
	return &control.ListWorkersResponse{Record: []*workers.WorkerRecord{one}}, nil
}

// listen has a buildkitd listen, with TLS if a is there.
func listen(t *testing.T, a *authority, serve func(*grpc.Server)) string {
	t.Helper()
	var opts []grpc.ServerOption
	if a != nil {
		cert, key := a.pair()
		own, err := tlsconfig.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		trusted := x509.NewCertPool()
		trusted.AddCert(a.cert)
		opts = append(opts, grpc.Creds(credentials.NewTLS(&tlsconfig.Config{MinVersion: tlsconfig.VersionTLS12,
			Certificates: []tlsconfig.Certificate{own}, ClientCAs: trusted, ClientAuth: tlsconfig.RequireAndVerifyClientCert})))
	}
	server := grpc.NewServer(opts...)
	serve(server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }() // until it is stopped
	t.Cleanup(server.Stop)
	return "tcp://" + l.Addr().String()
}

func TestBuildKitAtAnAddress(t *testing.T) {
	t.Parallel()
	own, other := newAuthority(t), newAuthority(t)
	buildkitd := func(s *grpc.Server) { control.RegisterControlServer(s, worker{}) }
	secure, open := listen(t, own, buildkitd), listen(t, nil, buildkitd)
	another := listen(t, nil, func(*grpc.Server) {})
	for name, c := range map[string]struct {
		address, certificates, want string
	}{
		"without TLS":              {open, "", ""},
		"with TLS":                 {secure, own.certificates(own), ""},
		"TLS, and no certificates": {secure, "", "broke the connection off, as one does that wants TLS: name the folder with the certificates for it"},
		"another authority":        {secure, other.certificates(other), "do not trust each other: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		// The server's word for it, or only that it went, is what comes first.
		"a certificate of others":  {secure, other.certificates(own), ": name the folder with the certificates for it"},
		"certificates, and no TLS": {open, own.certificates(own), "speaks no TLS: leave the certificates out"},
		"what is no BuildKit":      {another, "", "is no BuildKit: correct the address"},
		"nothing":                  {"tcp://127.0.0.1:1", "", "nothing answers at tcp://127.0.0.1:1: start buildkitd there, or correct the address: dial tcp 127.0.0.1:1: connect: connection refused"},
		"no socket":                {"unix:///none.sock", "", "nothing answers at unix:///none.sock: start buildkitd there"},
		"no certificates there":    {secure, t.TempDir(), "the folder of certificates needs ca.pem, cert.pem and key.pem: stat "},
		"no port":                  {"tcp://localhost", "", `the address "tcp://localhost" has no port: write tcp://HOST:PORT, mostly port 1234`},
		"of another kind":          {"docker-container://b", "", `the address "docker-container://b" is of no kind that is known`},
		"no address":               {"tcp://%", "", `the address "tcp://%" is wrong: write tcp://HOST:PORT or unix:///PATH`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := BuildKit(t.Context(), c.address, c.certificates)
			if c.want == "" {
				if err != nil || b.Name() != "BuildKit at "+c.address {
					t.Errorf("got %v, %v", b, err)
				}
				return
			}
			if !errors.As(err, new(*UnavailableError)) || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "desc =") {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestPlatformsOfABuilder(t *testing.T) {
	t.Parallel()
	address := listen(t, nil, func(s *grpc.Server) {
		control.RegisterControlServer(s, worker{platforms: []string{"linux/amd64", "linux/amd64", "linux/386"}})
	})
	c, err := client.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for platform, want := range map[string]string{
		"": "", "linux/amd64": "", "linux/arm64": "it runs steps for linux/amd64, linux/386 and not for linux/arm64: ",
	} {
		if err := supports(t.Context(), c, platform); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", platform, err, want)
		}
	}
}
