// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"context"

	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

const server = "myregistry.azurecr.io"

// token signs in, unless err is set, and counts.
type token struct {
	err error

	mu     sync.Mutex
	asked  int
	scopes []string
}

func (t *token) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	t.scopes = o.Scopes
	return azcore.AccessToken{Token: "token-for-tests", ExpiresOn: time.Unix(1<<40, 0)}, t.err
}

// lines are what was told.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// azure is a server with myregistry in the group ml.
func azure(t *testing.T) *armfake.Server {
	t.Helper()
	s := armfake.New(t, armfake.Options{})
	s.AddRegistry(armfake.Registry{Group: "ml", Name: "myRegistry"})
	return s
}

// settings reach s, in a hurry.
func settings(t *testing.T, s *armfake.Server, told *lines) Options {
	t.Helper()
	where, err := aks.CloudNamed("", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	cred := &token{}
	return Options{
		Azure: aks.Options{
			Subscription: armfake.Subscription, Cloud: where, Transport: s.Client(), Tell: told.add,
			RetryDelay: time.Millisecond,
		},
		Interval: time.Millisecond, Transport: s.Client().Transport,
		Keychain: Keychain(cred, KeychainOptions{Transport: s.Client(), Tell: told.add}),
	}
}

func builder(t *testing.T, s *armfake.Server, told *lines, change func(*Options)) build.Builder {
	t.Helper()
	o := settings(t, s, told)
	if change != nil {
		change(&o)
	}
	b, err := Tasks(&token{}, server, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func request(told *lines) build.Request {
	return build.Request{
		Name: "fraud", Platform: "linux/amd64", Log: told.add,
		Dockerfile: "FROM python:3.12@sha256:" + strings.Repeat("a", 64) + "\nRUN --mount=type=secret,id=pip.conf pip install numpy\n",
	}
}

// resource is one of a registry.
type resource string

func (r resource) String() string      { return string(r) }
func (r resource) RegistryStr() string { host, _, _ := strings.Cut(string(r), "/"); return host }

func authorize(t *testing.T, k authn.Keychain, host string) *authn.AuthConfig {
	t.Helper()
	a, err := authn.Resolve(t.Context(), k, resource(host))
	if err != nil {
		t.Fatal(err)
	}
	c, err := authn.Authorization(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func retryAfter(seconds string) map[string]string { return map[string]string{"Retry-After": seconds} }
