// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// identityHeader is what a managed identity shows to get a token.
const identityHeader = "only-this-machine"

// outside is a proxy that refuses whatever wants to leave this machine.
type outside struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

// newOutside has a proxy that leads to what here knows on this machine.
func newOutside(t testing.TB, here func(host string) string) *outside {
	t.Helper()
	o := &outside{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := here(r.Host); to != "" && r.Method == http.MethodConnect {
			tunnel(w, to)
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(func() {
		o.Close()
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, request := range o.asked {
			t.Errorf("something wanted to leave this machine: %s", request)
		}
	})
	return o
}

// tunnel leads a connection to an address of this machine.
func tunnel(w http.ResponseWriter, to string) {
	there, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	w.WriteHeader(http.StatusOK)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	go func() {
		_, _ = io.Copy(there, buffered) // either end may close
		_ = there.Close()
	}()
	_, _ = io.Copy(client, there)
}

// token answers as the endpoint of a managed identity does.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/msi/token" || r.Header.Get("X-Identity-Header") != identityHeader {
		sayJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "no such identity"})
		return
	}
	sayJSON(w, http.StatusOK, map[string]any{
		"access_token": "token-for-tests", "token_type": "Bearer", "resource": r.URL.Query().Get("resource"),
		"expires_on": strconv.FormatInt(clock.RealClock{}.Now().Add(time.Hour).Unix(), 10),
	})
}
