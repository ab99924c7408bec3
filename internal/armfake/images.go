// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ociregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	layer "github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"k8s.io/utils/clock"
)

func newImages() http.Handler { return ociregistry.New(ociregistry.Logger(log.New(io.Discard, "", 0))) }

// access is what a registry gives to somebody who has signed in, nobody what it
// gives to others.
const (
	access = "registry-access-for-tests"
	nobody = "registry-access-for-nobody"
)

// loginServer answers as the login server of a registry does.
func (s *Server) loginServer(w http.ResponseWriter, r *http.Request, on *registry) {
	switch r.URL.Path {
	case "/oauth2/exchange":
		s.exchange(w, r, on)
	case "/oauth2/token":
		s.registryToken(w, r, on)
	default:
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if given == access || given == nobody && on.Public && reads {
			on.images.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate",
			fmt.Sprintf(`Bearer realm="https://%s/oauth2/token",service="%s"`, on.Server, on.Server))
		denied(w)
	}
}

func denied(w http.ResponseWriter) {
	sayJSON(w, http.StatusUnauthorized, map[string]any{"errors": []any{map[string]any{
		"code": "UNAUTHORIZED", "message": "authentication required, visit https://aka.ms/acr/authorization."}}})
}

// exchange changes a token of Entra ID for one of the registry.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, on *registry) {
	if r.Method != http.MethodPost || r.FormValue("grant_type") != "access_token" || r.FormValue("service") != on.Server ||
		r.FormValue("access_token") == "" {
		denied(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	part := base64.RawURLEncoding.EncodeToString
	refresh := part([]byte(`{"alg":"RS256"}`)) + "." + part(fmt.Appendf(nil, `{"exp":%d,"n":%d}`,
		clock.RealClock{}.Now().Add(3*time.Hour).Unix(), len(on.logins))) + "." + part([]byte("signed"))
	on.logins = append(on.logins, refresh)
	sayJSON(w, http.StatusOK, map[string]any{"refresh_token": refresh})
}

// registryToken gives access to whoever shows a refresh token, in one of the two
// ways that clients have.
func (s *Server) registryToken(w http.ResponseWriter, r *http.Request, on *registry) {
	user, refresh, _ := r.BasicAuth()
	if user != "00000000-0000-0000-0000-000000000000" {
		refresh = r.FormValue("refresh_token")
	}
	s.mu.Lock()
	known := slices.Contains(on.logins, refresh)
	s.mu.Unlock()
	switch {
	case known:
		sayJSON(w, http.StatusOK, map[string]any{"access_token": access})
	case refresh == "" && on.Public:
		sayJSON(w, http.StatusOK, map[string]any{"access_token": nobody})
	default:
		denied(w)
	}
}

// push has the registry hold what a run has built: an image with the Dockerfile in
// its only layer.
func (r *run) push() error {
	tag, err := name.NewTag(r.build.Image, name.StrictValidation)
	if err != nil {
		return err
	}
	content := layer.NewLayer([]byte(r.build.Dockerfile), types.DockerUncompressedLayer)
	built, err := mutate.AppendLayers(empty.Image, content)
	if err != nil {
		return err
	}
	os, architecture, _ := strings.Cut(r.build.Platform, "/")
	built, err = mutate.ConfigFile(built, &v1.ConfigFile{OS: os, Architecture: architecture,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(built)}})
	if err != nil {
		return err
	}
	digest, err := built.Digest()
	if err != nil {
		return err
	}
	r.digest = digest.String()
	return remote.Write(tag, built, remote.WithTransport(within{r.on.images}))
}

func diffIDs(image v1.Image) []v1.Hash {
	c, err := image.ConfigFile()
	if err != nil {
		return nil
	}
	return c.RootFS.DiffIDs
}

// within is the way to a handler without a network.
type within struct{ to http.Handler }

func (h within) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	h.to.ServeHTTP(answer, r)
	result := answer.Result()
	result.Request = r
	return result, nil
}

// certificate is one of this machine and of all login servers.
func certificate() (tls.Certificate, error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := clock.RealClock{}.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "armfake"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames:    []string{"localhost", "example.com", "*.azurecr.io", "*.azurecr.cn", "*.azurecr.us"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: secret}, err
}
