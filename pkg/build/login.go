// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc"
)

// logins answers a builder that wants to read images of a registry. It gets a
// token that allows reading, made here: from a registry that this machine asked
// for the way to one, for a host that the Dockerfile names. Only to a registry
// that knows no tokens is the login itself given.
type logins struct {
	auth.UnimplementedAuthServer
	keychain authn.Keychain
	next     http.RoundTripper
	// named is where the hosts are named.
	named string
	seed  []byte
}

func newLogins(r Request) (*logins, error) {
	l := &logins{keychain: r.keychain(), next: r.transport(), named: r.Dockerfile, seed: make([]byte, sha256.Size)}
	for _, value := range r.Arguments {
		l.named += "\n" + value
	}
	_, err := rand.Read(l.seed)
	return l, err
}

func (r Request) transport() http.RoundTripper {
	if r.Transport == nil {
		return remote.DefaultTransport
	}
	return r.Transport
}

// Register adds it to the services that the builder can call.
func (l *logins) Register(server *grpc.Server) { auth.RegisterAuthServer(server, l) }

// Credentials are given for a registry that knows nothing else.
func (l *logins) Credentials(ctx context.Context, q *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	nobody := &auth.CredentialsResponse{}
	registry, login, err := l.find(ctx, q.GetHost())
	if err != nil || login == authn.Anonymous {
		return nobody, err
	}
	challenge, err := transport.Ping(ctx, registry, l.next)
	if err != nil || !strings.EqualFold(challenge.Scheme, "basic") {
		return nobody, err
	}
	config, err := authn.Authorization(ctx, login)
	if err != nil {
		return nil, err
	}
	return &auth.CredentialsResponse{Username: config.Username, Secret: config.Password}, nil
}

// FetchToken gets a token to read with. Where it is to be had, the registry is
// asked: the builder's word for it could lead the login elsewhere.
func (l *logins) FetchToken(ctx context.Context, q *auth.FetchTokenRequest) (*auth.FetchTokenResponse, error) {
	registry, login, err := l.find(ctx, q.GetHost())
	if err != nil {
		return nil, err
	}
	scopes, err := pullOnly(q.GetScopes())
	if err != nil {
		return nil, err
	}
	challenge, err := transport.Ping(ctx, registry, l.next)
	if err != nil {
		return nil, err
	}
	token, err := transport.Exchange(ctx, registry, login, l.next, scopes, challenge)
	if err != nil {
		return nil, err
	}
	return &auth.FetchTokenResponse{Token: cmp.Or(token.Token, token.AccessToken), ExpiresIn: int64(token.ExpiresIn)}, nil
}

// pullOnly refuses scopes that would allow more than to read.
func pullOnly(scopes []string) ([]string, error) {
	for _, scope := range scopes {
		if actions := scope[strings.LastIndex(scope, ":")+1:]; actions != "pull" {
			return nil, fmt.Errorf("the builder asked for %q, and may only read", scope)
		}
	}
	return scopes, nil
}

// GetTokenAuthority is a key by which the builder knows the owner of a token
// again. It is as old as the build: no builder gives a token to a later one.
func (l *logins) GetTokenAuthority(
	_ context.Context, q *auth.GetTokenAuthorityRequest,
) (*auth.GetTokenAuthorityResponse, error) {
	public, _ := l.key(q.GetHost(), q.GetSalt()).Public().(ed25519.PublicKey)
	return &auth.GetTokenAuthorityResponse{PublicKey: public}, nil
}

// VerifyTokenAuthority proves that the key is held here: the signature, then
// what was signed.
func (l *logins) VerifyTokenAuthority(
	_ context.Context, q *auth.VerifyTokenAuthorityRequest,
) (*auth.VerifyTokenAuthorityResponse, error) {
	signature := ed25519.Sign(l.key(q.GetHost(), q.GetSalt()), q.GetPayload())
	return &auth.VerifyTokenAuthorityResponse{Signed: append(signature, q.GetPayload()...)}, nil
}

func (l *logins) key(host string, salt []byte) ed25519.PrivateKey {
	mac := hmac.New(sha256.New, l.seed)
	mac.Write(salt)
	mac.Write([]byte(host))
	return ed25519.NewKeyFromSeed(mac.Sum(nil))
}

// find finds the login for a host; Docker Hub has a second name.
func (l *logins) find(ctx context.Context, host string) (name.Registry, authn.Authenticator, error) {
	hub := host == "registry-1.docker.io" || host == "docker.io"
	if hub {
		host = name.DefaultRegistry
	}
	registry, err := name.NewRegistry(host)
	if err != nil {
		return name.Registry{}, nil, err
	}
	if !hub && !names(l.named, host) {
		return registry, authn.Anonymous, nil
	}
	login, err := authn.Resolve(ctx, l.keychain, registry)
	return registry, login, err
}

// names tells whether a text names a registry: the host of an image, or a word that
// may be an ARG's value. One whose name is a part of another's is another.
func names(text, host string) bool {
	return regexp.MustCompile(`(?m)(?:^|[\s"'=,/@{-])` + regexp.QuoteMeta(host) + `(?:[/"'\s}]|$)`).MatchString(text)
}
