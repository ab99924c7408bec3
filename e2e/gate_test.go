// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// gate is a way to the real registry on which things can go wrong.
type gate struct {
	// host is the gate's own, which answers as the registry does; registry is where
	// the run's images are.
	host, registry string

	mu sync.Mutex
	// fault answers instead of the registry where it returns true; nil is none.
	fault func(w http.ResponseWriter, r *http.Request) bool
	// sent counts the uploads by their size.
	sent map[int64]int
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{sent: map[int64]int{}}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registryHost()})
	proxy.ErrorLog = log.New(io.Discard, "", 0) // what ends in the middle is no news
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := g.passes(r); fault == nil || !fault(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	g.host = strings.TrimPrefix(server.URL, "http://")
	g.registry = g.host + strings.TrimPrefix(os.Getenv(registryVar), registryHost())
	return g
}

// passes counts a request and returns the fault it may meet.
func (g *gate) passes(r *http.Request) func(http.ResponseWriter, *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Method == http.MethodPatch {
		g.sent[r.ContentLength]++
	}
	return g.fault
}

// fails lets requests meet a fault from now on; nil is none.
func (g *gate) fails(fault func(w http.ResponseWriter, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = fault
}

// uploads returns the uploads since the last call, by their size.
func (g *gate) uploads() map[int64]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	sent := g.sent
	g.sent = map[int64]int{}
	return sent
}

// reset ends the connection without an answer.
func reset(w http.ResponseWriter, _ *http.Request) bool {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
	return true
}

// resetLarge resets uploads of more than 100 kB when half of them has come.
func resetLarge(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPatch || r.ContentLength <= 100_000 {
		return false
	}
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	return reset(w, r)
}

// times lets only the first few requests meet a fault.
func times(n int, fault func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 || !fault(w, r) {
			return false
		}
		n--
		return true
	}
}

// pulled lets the nodes take images from the registry under the gate's name, too.
func (g *gate) pulled(t *testing.T) {
	t.Helper()
	folder := filepath.Join(filepath.Dir(os.Getenv(kubeconfigVar)), "certs.d")
	hosts, err := os.ReadFile(filepath.Join(folder, registryHost(), "hosts.toml"))
	must(t, err)
	own := filepath.Join(folder, g.host)
	must(t, os.MkdirAll(own, 0o755)) // a run that was killed may have left one of the same port
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	must(t, os.WriteFile(filepath.Join(own, "hosts.toml"), hosts, 0o600))
}
