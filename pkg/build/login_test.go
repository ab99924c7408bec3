// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/moby/buildkit/session/auth"
)

// wall is the door of a registry that wants a login in one of two ways.
type wall struct {
	*httptest.Server
	scheme string
	asked  []string
}

func newWall(t *testing.T, scheme string) *wall {
	t.Helper()
	w := &wall{scheme: scheme}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			user, password, _ := r.BasicAuth()
			w.asked = append(w.asked, user+":"+password+" "+r.URL.Query().Get("scope"))
			_, _ = out.Write([]byte(`{"token":"of-the-registry","expires_in":60}`))
			return
		}
		challenge := `Basic realm="r"`
		if w.scheme == "bearer" {
			challenge = `Bearer realm="` + w.URL + `/token",service="s"`
		}
		out.Header().Set("WWW-Authenticate", challenge)
		out.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *wall) host() string { return strings.TrimPrefix(w.URL, "http://") }

type everyone struct{}

func (everyone) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: "me", Password: "mine"}), nil
}

func loginsFor(t *testing.T, dockerfile string) *logins {
	t.Helper()
	l, err := newLogins(Request{Dockerfile: dockerfile, Keychain: everyone{}, Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestBuilderGetsATokenThatReads(t *testing.T) {
	t.Parallel()
	w := newWall(t, "bearer")
	l := loginsFor(t, "FROM "+w.host()+"/a/b:1")
	const pull = "repository:a/b:pull"
	got, err := l.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: w.host(), Scopes: []string{pull},
		Realm: "http://127.0.0.1:9/evil"})
	if err != nil || got.GetToken() != "of-the-registry" {
		t.Errorf("got %v, %v", got, err)
	}
	if len(w.asked) != 1 || w.asked[0] != "me:mine "+pull {
		t.Errorf("the registry was asked %q", w.asked)
	}
	given, err := l.Credentials(t.Context(), &auth.CredentialsRequest{Host: w.host()})
	if err != nil || given.GetSecret() != "" {
		t.Errorf("the login was given to a registry that has tokens: %v, %v", given, err)
	}
}

func TestBuilderMayNotAskForMore(t *testing.T) {
	t.Parallel()
	w := newWall(t, "bearer")
	l := loginsFor(t, "FROM "+w.host()+"/a/b:1")
	for _, scope := range []string{"repository:a/b:pull,push", "repository:a/b:push", "registry:catalog:*"} {
		_, err := l.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: w.host(), Scopes: []string{scope}})
		if err == nil || len(w.asked) > 0 {
			t.Errorf("%s was not refused: %v", scope, w.asked)
		}
	}
}

func TestBuilderGetsNoLoginOfOtherRegistries(t *testing.T) {
	t.Parallel()
	w := newWall(t, "basic")
	l := loginsFor(t, "FROM example.com/a/b:1")
	got, err := l.Credentials(t.Context(), &auth.CredentialsRequest{Host: w.host()})
	if err != nil || got.GetUsername() != "" || got.GetSecret() != "" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRegistriesThatAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"FROM hub.io/a": true, "FROM a\nCOPY --from=hub.io/a /x /y": true, "RUN --mount=type=bind,from=hub.io/a x": true,
		"ARG R=hub.io\nFROM $R/a": true, `ARG R="hub.io"`: true, "FROM ${R:-hub.io}/a": true, "hub.io": true,
		"FROM github.io/a": false, "FROM hub.io.example.com/a": false, "FROM hub.io:5000/a": false, "FROM a": false,
		"FROM hub-io/a": false,
	} {
		if got := names(text, "hub.io"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestRegistryWithoutTokensGetsTheLogin(t *testing.T) {
	t.Parallel()
	w := newWall(t, "basic")
	l := loginsFor(t, "FROM "+w.host()+"/a/b:1")
	got, err := l.Credentials(t.Context(), &auth.CredentialsRequest{Host: w.host()})
	if err != nil || got.GetUsername() != "me" || got.GetSecret() != "mine" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOwnerOfATokenIsKnownAgain(t *testing.T) {
	t.Parallel()
	l := loginsFor(t, "FROM scratch")
	salt, payload := []byte("salt"), []byte("payload")
	key, err := l.GetTokenAuthority(t.Context(), &auth.GetTokenAuthorityRequest{Host: "h", Salt: salt})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := l.VerifyTokenAuthority(t.Context(),
		&auth.VerifyTokenAuthorityRequest{Host: "h", Salt: salt, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	signed := proof.GetSigned()
	if !ed25519.Verify(key.GetPublicKey(), payload, signed[:ed25519.SignatureSize]) ||
		string(signed[ed25519.SignatureSize:]) != string(payload) {
		t.Error("the signature is not of that key")
	}
}
