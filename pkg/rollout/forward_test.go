// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

func TestForwardAsksByWebSocketThenBySPDYAndSaysWhyNot(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+strings.ToLower(r.Header.Get("Upgrade"))+" "+r.URL.Path)
		http.Error(w, "no upgrades here", http.StatusForbidden)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = rollout.Forward(t.Context(), config, client, "models", "router-a")
	if err == nil || !strings.HasPrefix(err.Error(), "forward a port to pod models/router-a: error upgrading connection: ") ||
		!strings.Contains(err.Error(), "no upgrades here") {
		t.Errorf("got %v, want what the API server said", err)
	}
	const path = "/api/v1/namespaces/models/pods/router-a/portforward"
	if want := []string{"GET websocket " + path, "POST spdy/3.1 " + path}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}
