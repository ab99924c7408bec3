// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"testing"
)

// A process with Env reaches login servers by name, through the proxy; a client of
// the test's own refuses all others.
func TestLoginServersAreReachedByName(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.AddRegistry(Registry{Group: "ml", Name: "Images"})
	text, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	proxy, err := url.Parse(s.outside.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for name, client := range map[string]*http.Client{"through the proxy": through, "by itself": s.Client()} {
		answer, err := client.Get("https://images.azurecr.io/v2/")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = answer.Body.Close()
		want := `Bearer realm="https://images.azurecr.io/oauth2/token",service="images.azurecr.io"`
		if got := answer.Header.Get("WWW-Authenticate"); answer.StatusCode != http.StatusUnauthorized || got != want {
			t.Errorf("%s: %d %s", name, answer.StatusCode, got)
		}
	}
	if answer, err := s.Client().Get("https://other.azurecr.io/v2/"); err == nil {
		_ = answer.Body.Close()
		t.Error("another host was reached")
	}
}
