// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
)

func TestServer(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"myregistry.azurecr.io": true, "MyRegistry.azurecr.io": true, "my.azurecr.cn": true, "my.azurecr.us": true,
		"myregistry-a1b2c3.azurecr.io": true,
		"azurecr.io":                   false, "myregistry.azurecr.io.example.com": false, "myregistry.azurecr.io:443": false,
		"a.b.azurecr.io": false, "myregistry.azurecr.de": false, "localhost:5001": false, "-.azurecr.io": false,
		"xazurecr.io": false, "example.com/my.azurecr.io": false,
	} {
		if got := Server(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// The token is changed as the service's own example has it, and the registry is
// pushed to and pulled from with what it gives.
func TestSignsIn(t *testing.T) {
	t.Parallel()
	s, told, cred := azure(t), &lines{}, &token{}
	k := Keychain(cred, KeychainOptions{Transport: s.Client(), Tell: told.add})
	tag, err := name.NewTag(server + "/environments:one")
	if err != nil {
		t.Fatal(err)
	}
	o := []remote.Option{remote.WithContext(t.Context()), remote.WithTransport(s.Client().Transport),
		remote.WithAuthFromKeychain(authn.NewMultiKeychain(none{}, k))}
	if err := remote.Write(tag, empty.Image, o...); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Image(tag, o...); err != nil {
		t.Fatal(err)
	}
	asked := s.Matching(armfake.Exchange)
	if len(asked) != 1 || asked[0].Query != "api-version=2021-07-01" || told.String() != "" {
		t.Fatalf("asked %d times, told %s", len(asked), told)
	}
	form, err := url.ParseQuery(string(asked[0].Body))
	want := "access_token=token-for-tests&grant_type=access_token&service=myregistry.azurecr.io"
	if err != nil || form.Encode() != want || cred.scopes[0] != "https://containerregistry.azure.net/.default" {
		t.Errorf("sent %s with a token for %s: %v", asked[0].Body, cred.scopes, err)
	}
}

// none has a login for nothing, as Docker's configuration may.
type none struct{}

func (none) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// docker has one for everything.
type docker struct{}

func (docker) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: "me"}), nil
}

func TestSignsInOnlyWhereItHasTo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before authn.Keychain
		host   string
		want   string // the user
	}{
		"Docker's configuration has a login": {docker{}, server, "me"},
		"another registry":                   {none{}, "ghcr.io", ""},
		"on this machine":                    {none{}, "localhost:5001", ""},
		"a name that looks like one":         {none{}, "myregistry.azurecr.io.example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cred := azure(t), &token{}
			k := authn.NewMultiKeychain(test.before, Keychain(cred, KeychainOptions{Transport: s.Client()}))
			if got := authorize(t, k, test.host); got.Username != test.want {
				t.Errorf("signs in as %q", got.Username)
			}
			if cred.asked != 0 || len(s.Requests()) != 0 {
				t.Errorf("asked for %d tokens, sent %d requests", cred.asked, len(s.Requests()))
			}
		})
	}
}

// A registry may be public: who cannot sign in goes on without.
func TestGoesOnWithoutALogin(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		cred  *token
		fault []armfake.Fault
		want  string
	}{
		"not signed in": {cred: &token{err: errors.New("not signed in to Azure:\n run az login")},
			want: "no login for myregistry.azurecr.io: not signed in to Azure: run az login, or docker login myregistry.azurecr.io"},
		"no role": {cred: &token{}, fault: []armfake.Fault{{Match: armfake.Exchange, Status: http.StatusUnauthorized,
			Body: `{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}`}},
			want: "no login for myregistry.azurecr.io: it did not take the one of Azure (401): " +
				"ask for the role AcrPull or AcrPush on it, or run docker login myregistry.azurecr.io"},
		"an answer without a token": {cred: &token{}, fault: []armfake.Fault{{Match: armfake.Exchange, Status: http.StatusOK, Body: `{}`}},
			want: "no login for myregistry.azurecr.io: it did not take the one of Azure (its answer has no token): " +
				"ask for the role AcrPull or AcrPush on it, or run docker login myregistry.azurecr.io"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s, told := armfake.New(t, armfake.Options{}), &lines{}
			s.AddRegistry(armfake.Registry{Group: "ml", Name: "myregistry", Public: true})
			s.Fault(test.fault...)
			k := Keychain(test.cred, KeychainOptions{Transport: s.Client(), Tell: told.add})
			for range 2 { // and does not ask again at once
				if got := authorize(t, k, server); *got != (authn.AuthConfig{}) {
					t.Errorf("signs in as %+v", got)
				}
			}
			if told.String() != test.want {
				t.Errorf("told\n%s\nwant\n%s", told, test.want)
			}
			reference, err := name.ParseReference(server + "/environments:none")
			if err != nil {
				t.Fatal(err)
			}
			_, err = remote.Get(reference, remote.WithContext(t.Context()), remote.WithTransport(s.Client().Transport),
				remote.WithAuthFromKeychain(k))
			if err == nil || !strings.Contains(err.Error(), "NAME_UNKNOWN") {
				t.Errorf("a public registry answered %v", err)
			}
		})
	}
}

func TestKeepsALoginUntilItEnds(t *testing.T) {
	t.Parallel()
	s := azure(t)
	s.AddRegistry(armfake.Registry{Group: "ml", Name: "other"})
	now := clocktesting.NewFakePassiveClock(clock.RealClock{}.Now())
	k := Keychain(&token{}, KeychainOptions{Transport: s.Client(), Clock: now})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { authorize(t, k, server) })
	}
	all.Wait()
	first := authorize(t, k, server)
	if n := s.Count(armfake.Exchange); n != 1 || first.Username != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("signed in %d times, as %s", n, first.Username)
	}
	if authorize(t, k, "other.azurecr.io"); s.Count(armfake.Exchange) != 2 {
		t.Error("one login serves two registries")
	}
	now.SetTime(clock.RealClock{}.Now().Add(2 * time.Hour))
	if again := authorize(t, k, server); again.Password != first.Password {
		t.Error("signed in again before the end")
	}
	now.SetTime(clock.RealClock{}.Now().Add(3*time.Hour - time.Minute))
	if again := authorize(t, k, server); again.Password == first.Password {
		t.Error("keeps a login that is about to end")
	}
}

func TestTriesAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	s := azure(t)
	now := clocktesting.NewFakePassiveClock(clock.RealClock{}.Now())
	cred := &token{err: errors.New("not signed in")}
	k := Keychain(cred, KeychainOptions{Transport: s.Client(), Clock: now})
	authorize(t, k, server)
	cred.err = nil
	if got := authorize(t, k, server); got.Username != "" || cred.asked != 1 {
		t.Errorf("asked %d times", cred.asked)
	}
	now.SetTime(now.Now().Add(2 * time.Minute))
	if got := authorize(t, k, server); got.Username == "" {
		t.Errorf("still %+v", got)
	}
}

func TestAnEndedCommandIsNoFailedLogin(t *testing.T) {
	t.Parallel()
	s, told := azure(t), &lines{}
	k := Keychain(&token{}, KeychainOptions{Transport: s.Client(), Tell: told.add})
	a, err := k.Resolve(resource(server))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := authn.Authorization(ctx, a); !errors.Is(err, context.Canceled) || told.String() != "" {
		t.Errorf("ended with %v, told %s", err, told)
	}
	if got := authorize(t, k, server); got.Username == "" {
		t.Error("the next one is not signed in")
	}
}

func TestTokensThatDoNotSayWhenTheyEnd(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for name, token := range map[string]string{
		"opaque": "abc", "no base64": "a.!.c", "no JSON": "a.YWJj.c", "no end": "a.e30.c", "empty": "",
	} {
		if got := ends(token, now); !got.Equal(now.Add(unread)) {
			t.Errorf("%s: kept until %s", name, got)
		}
	}
}
