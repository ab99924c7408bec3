// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	tlsconfig "crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"k8s.io/utils/clock"
)

// dockerd is an engine that says what it is, and has a BuildKit.
type dockerd struct {
	t       *testing.T
	answers map[string]http.HandlerFunc
	header  http.Header // of the last request for what it is
	// calls are the states of the connections on its socket that are no BuildKit's.
	calls chan http.ConnState
}

func newDockerd(t *testing.T) *dockerd {
	t.Helper()
	d := &dockerd{t: t, calls: make(chan http.ConnState, 100)}
	d.answers = map[string]http.HandlerFunc{
		"/_ping": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.47") },
		"/info": func(w http.ResponseWriter, r *http.Request) {
			d.header = r.Header
			_, _ = io.WriteString(w, `{"ServerVersion": "27.0", "SystemTime": "2026-02-03T04:05:06.7Z"}`)
		},
		"/grpc": d.buildkit,
	}
	return d
}

// ServeHTTP answers whatever the version in the path.
func (d *dockerd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for path, answer := range d.answers {
		if strings.HasSuffix(r.URL.Path, path) {
			answer(w, r)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// buildkit has the connection lead to a BuildKit.
func (d *dockerd) buildkit(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		d.t.Error(err)
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	server := grpc.NewServer()
	control.RegisterControlServer(server, worker{})
	_ = server.Serve(&one{conn: conn}) // until there is no second connection
}

// one is a listener for one connection.
type one struct {
	conn net.Conn
	done bool
}

func (l *one) Accept() (net.Conn, error) {
	if l.done {
		return nil, io.EOF
	}
	l.done = true
	return l.conn, nil
}

func (l *one) Close() error { return nil }

func (l *one) Addr() net.Addr { return l.conn.LocalAddr() }

// socket has it listen on a socket, whose paths must be short.
func (d *dockerd) socket() string {
	d.t.Helper()
	folder, err := os.MkdirTemp("", "engine")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = os.RemoveAll(folder) })
	path := filepath.Join(folder, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		d.t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: d, ConnState: d.heard}}
	server.Start()
	d.t.Cleanup(server.Close)
	return path
}

func (d *dockerd) heard(_ net.Conn, state http.ConnState) {
	if state != http.StateNew && state != http.StateHijacked && state != http.StateClosed {
		return
	}
	select {
	case d.calls <- state:
	default: // nobody counts
	}
}

// A call by SSH is a process, and a deployment goes on long after its build.
func TestNoCallToAnEngineStaysOpen(t *testing.T) {
	t.Parallel()
	d := newDockerd(t)
	b, err := Engine(t.Context(), func(name string) string {
		return map[string]string{"DOCKER_HOST": "unix://" + d.socket(), "DOCKER_CONFIG": t.TempDir()}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Build(t.Context(), Request{Name: "env", Platform: "linux/riscv64"}); !errors.As(err, new(*UnavailableError)) {
		t.Fatalf("got %v, want no such platform", err)
	}
	var passing clock.RealClock
	for open, begun := 0, false; open > 0 || !begun; begun = true {
		select {
		case state := <-d.calls:
			if open--; state == http.StateNew {
				open += 2
			}
		case <-passing.After(time.Minute):
			t.Fatalf("%d calls are still open", open)
		}
	}
}

// port has it listen on a port, with TLS if a is there, and only to those whom a
// has certified.
func (d *dockerd) port(a *authority) string {
	d.t.Helper()
	server := httptest.NewUnstartedServer(d)
	d.t.Cleanup(server.Close)
	if a == nil {
		server.Start()
		return server.Listener.Addr().String()
	}
	cert, key := a.pair()
	own, err := tlsconfig.X509KeyPair(cert, key)
	if err != nil {
		d.t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(a.cert)
	server.TLS = &tlsconfig.Config{MinVersion: tlsconfig.VersionTLS12, Certificates: []tlsconfig.Certificate{own},
		ClientCAs: trusted, ClientAuth: tlsconfig.RequireAndVerifyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	return server.Listener.Addr().String()
}
