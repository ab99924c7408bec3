// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package armfake is a server for tests that answers as Azure's resource manager
// and AKS do: bodies, status codes and headers are those of recorded calls. It
// listens on this machine only, and nothing that is tested with it leaves it.
package armfake

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// Subscription is the one that Env names. The server answers for any.
const Subscription = "11111111-2222-3333-4444-555555555555"

// Matches for Fault and Count.
const (
	PutCluster     = `^PUT .*/managedClusters/[^/]+$`
	GetCluster     = `^GET .*/managedClusters/[^/]+$`
	DeleteCluster  = `^DELETE .*/managedClusters/[^/]+$`
	Poll           = `^GET .*/operations/[^/]+$`
	UserKubeconfig = `^POST .*/listClusterUserCredential$`
	Register       = `^POST .*/register$`
)

// Options say what the server has.
type Options struct {
	// Polls is how many looks at an operation, or at its cluster, find it in
	// progress; 1 if 0.
	Polls int
	// Kubeconfig is what is handed out for a cluster.
	Kubeconfig []byte
	// Location is that of all resource groups; eastus if empty.
	Location string
	// Unregistered is a subscription that has never used AKS.
	Unregistered bool
	// SKUs are the VM sizes; some usual ones if nil.
	SKUs []SKU
	// Cores is how many vCPUs of each family may be had; 100 if 0.
	Cores int
}

// SKU is a VM size.
type SKU struct {
	Name, Family string
	CPUs, GPUs   int
	MemoryGB     int
	// Restricted is the reason why the subscription cannot have it.
	Restricted string
}

// Fault takes the place of the answers to the next requests that match.
type Fault struct {
	// Match is a regular expression for METHOD and path with a space between, in
	// any case.
	Match string
	// Times is how many requests are answered so; 1 if 0, all if negative.
	Times int
	// Status with Headers and Body is the answer; 0 leaves it to the server.
	Status  int
	Headers map[string]string
	Body    string
	// DropBefore closes the connection and does nothing, DropAfter does what was
	// asked for and closes the connection.
	DropBefore, DropAfter bool
	// Delay is how long the answer takes, after what DropAfter does.
	Delay time.Duration
}

// Request is one that came.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
	// Authorized tells that it had a token.
	Authorized bool
}

// Server answers as Azure's resource manager does.
type Server struct {
	// URL is where it is, CAFile the certificate that it is trusted by.
	URL, CAFile string

	t       testing.TB
	o       Options
	http    *httptest.Server
	tokens  *httptest.Server
	outside *outside
	routes  []route
	stopped chan struct{}

	mu         sync.Mutex
	faults     []*fault
	requests   []Request
	clusters   map[string]*cluster
	operations map[string]*operation
	roles      map[string]any
	failures   []any
	registered bool
	serial     int

	registries []*registry
	runs       []*run
	script     []Run
	blobs      map[string][]byte
}

type fault struct {
	Fault
	match *regexp.Regexp
}

// New starts a server that stops with the test. The test fails if something
// that had Env wanted to leave this machine, or if a fault is left that no
// request met.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{
		t: t, o: o.withDefaults(), stopped: make(chan struct{}), registered: !o.Unregistered,
		clusters: map[string]*cluster{}, operations: map[string]*operation{}, roles: map[string]any{},
		blobs: map[string][]byte{},
	}
	s.routes = s.table()
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that are killed
	// Each request has a connection of its own, so that a client sees each that drops.
	s.http.Config.SetKeepAlivesEnabled(false)
	own, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	s.http.TLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	s.http.StartTLS()
	s.tokens = httptest.NewServer(http.HandlerFunc(s.token))
	s.outside = newOutside(t, s.here)
	s.URL = s.http.URL
	s.CAFile = filepath.Join(t.TempDir(), "arm-ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(s.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(s.stopped)
		s.http.Close()
		s.tokens.Close()
		for _, f := range s.faults {
			if f.Times > 0 {
				t.Errorf("no request met the fault %+v", f.Fault)
			}
		}
	})
	return s
}

func (o Options) withDefaults() Options {
	if o.Polls == 0 {
		o.Polls = 1
	}
	if o.Cores == 0 {
		o.Cores = 100
	}
	if o.Location == "" {
		o.Location = "eastus"
	}
	if o.SKUs == nil {
		o.SKUs = usualSKUs()
	}
	return o
}

// Client is one that trusts the server, reaches the login servers of registries at
// it, and refuses any other host.
func (s *Server) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.http.Certificate())
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if s.here(address) == "" && address != s.http.Listener.Addr().String() {
				return nil, fmt.Errorf("%s is not on this machine", address)
			}
			return new(net.Dialer).DialContext(ctx, network, s.http.Listener.Addr().String())
		},
	}}
}

// here is where on this machine a host is; empty if it is not.
func (s *Server) here(host string) string {
	if s.login(host) == nil {
		return ""
	}
	return s.http.Listener.Addr().String()
}

// Env are the variables of a process that is to take the server for Azure.
func (s *Server) Env() []string {
	return []string{
		"AML_ARM_ENDPOINT=" + s.URL, "SSL_CERT_FILE=" + s.CAFile, "SSL_CERT_DIR=" + filepath.Dir(s.CAFile),
		"AZURE_SUBSCRIPTION_ID=" + Subscription, "AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
		"IDENTITY_ENDPOINT=" + s.tokens.URL + "/msi/token", "IDENTITY_HEADER=" + identityHeader,
		"HTTPS_PROXY=" + s.outside.URL, "HTTP_PROXY=" + s.outside.URL, "NO_PROXY=", "no_proxy=",
	}
}

// Fault has the next requests that match answered as f says. Faults with the
// same requests come one after the other.
func (s *Server) Fault(faults ...Fault) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, &fault{f, regexp.MustCompile("(?i)" + f.Match)})
	}
}

// Heal ends all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Requests are those that came, but for tokens.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// HandOut changes the kubeconfig that is handed out.
func (s *Server) HandOut(kubeconfig []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Kubeconfig = kubeconfig
}

// Count is how many requests came that match; see Fault.Match.
func (s *Server) Count(match string) int { return len(s.Matching(match)) }

// Matching are the requests that came and match; see Fault.Match.
func (s *Server) Matching(match string) []Request {
	pattern := regexp.MustCompile("(?i)" + match)
	var found []Request
	for _, r := range s.Requests() {
		if pattern.MatchString(r.Method + " " + r.Path) {
			found = append(found, r)
		}
	}
	return found
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f := s.note(r, body)
	if f == nil {
		s.usual(w, r)
		return
	}
	if f.DropAfter {
		s.usual(httptest.NewRecorder(), r)
	}
	if f.Delay > 0 {
		select {
		case <-clock.RealClock{}.After(f.Delay):
		case <-r.Context().Done():
		case <-s.stopped:
		}
	}
	switch {
	case f.DropAfter:
		drop(w)
	case f.DropBefore:
		drop(w)
	case f.Status != 0:
		for name, value := range f.Headers {
			w.Header().Set(name, value)
		}
		say(w, f.Status, f.Body)
	default:
		s.usual(w, r)
	}
}

// note writes the request down, and takes the fault that is meant for it.
func (s *Server) note(r *http.Request, body []byte) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body,
		Authorized: authorized(r),
	})
	for i, f := range s.faults {
		if !f.match.MatchString(r.Method + " " + r.URL.Path) {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return &f.Fault
	}
	return nil
}

func authorized(r *http.Request) bool {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return found && token != ""
}

// usual is the answer where nothing goes wrong.
func (s *Server) usual(w http.ResponseWriter, r *http.Request) {
	if on := s.login(r.Host); on != nil {
		s.loginServer(w, r, on)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/storage/") {
		s.storage(w, r)
		return
	}
	if !authorized(r) {
		w.Header().Set("WWW-Authenticate",
			`Bearer authorization_uri="https://login.microsoftonline.com/", error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "AuthenticationFailed",
			"Authentication failed. The 'Authorization' header is missing.")
		return
	}
	if r.URL.Query().Get("api-version") == "" {
		refuse(w, http.StatusBadRequest, "MissingApiVersionParameter",
			"The api-version query parameter (?api-version=) is required for all requests.")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, route := range s.routes {
		parts := route.path.FindStringSubmatch(r.URL.Path)
		if parts == nil || route.method != r.Method {
			continue
		}
		route.answer(w, r, parts[1:])
		return
	}
	refuse(w, http.StatusNotFound, "InvalidResourceType",
		fmt.Sprintf("The server for tests has nothing at %s %s.", r.Method, r.URL.Path))
}
