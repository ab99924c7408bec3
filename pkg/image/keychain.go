// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// Keychain has the logins for registries: those given, each for its own address
// only, then those of Docker's configuration and its credential helpers, then those
// of others, in order. A registry that none of them knows is spoken to without a
// login.
//
// A credential helper that is missing, fails, or says nothing for half a minute is
// an error in one line. A login whose address is no registry is refused. A nil
// clock is the machine's.
func Keychain(c clock.Clock, logins []amlv1.ImageRegistry, others ...authn.Keychain) (authn.Keychain, error) {
	var all []authn.Keychain
	for _, l := range logins {
		address := strings.TrimPrefix(strings.TrimPrefix(l.Address, "https://"), "http://")
		address, _, _ = strings.Cut(address, "/")
		registry, err := name.NewRegistry(address)
		if err != nil || address == "" {
			return nil, fmt.Errorf("registry %q of a base image is not valid: write its host, such as example.azurecr.io",
				l.Address)
		}
		all = append(all, login{registry: registry.RegistryStr(), user: l.Username, password: l.Password})
	}
	all = append(all, patientKeychain{next: authn.DefaultKeychain, clock: Options{Clock: c}.clock()})
	return authn.NewMultiKeychain(append(all, others...)...), nil
}

func (o Options) keychain() authn.Keychain {
	if o.Keychain != nil {
		return o.Keychain
	}
	return patientKeychain{next: authn.DefaultKeychain, clock: o.clock()}
}

// login is for one registry.
type login struct{ registry, user, password string }

// Resolve knows the one registry.
func (l login) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if target.RegistryStr() != l.registry {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: l.user, Password: l.password}), nil
}

// patientKeychain does not wait forever for a credential helper.
type patientKeychain struct {
	next  authn.Keychain
	clock clock.Clock
}

const helperPatience = 30 * time.Second

// loginError says that the login for a registry could not be found out.
type loginError struct {
	registry string
	err      error
}

// Error is one line.
func (e *loginError) Error() string {
	return fmt.Sprintf("cannot get the login for %s: %s: see to credsStore and credHelpers in Docker's config.json, "+
		"or run \"docker login %s\"", e.registry, oneLine(e.err.Error()), e.registry)
}

// Unwrap gives the error of the helper.
func (e *loginError) Unwrap() error { return e.err }

// Resolve asks as ResolveContext does.
func (k patientKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ask(nil, nil, target)
}

// ResolveContext asks until ctx ends.
func (k patientKeychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	return k.ask(ctx.Done(), ctx.Err, target)
}

func (k patientKeychain) ask(done <-chan struct{}, ended func() error, target authn.Resource) (
	authn.Authenticator, error,
) {
	type answer struct {
		login authn.Authenticator
		err   error
	}
	asked := make(chan answer, 1)
	go func() {
		// Docker's code takes no context; what does not end is left behind.
		l, err := k.next.Resolve(target)
		asked <- answer{l, err}
	}()
	timer := k.clock.NewTimer(helperPatience)
	defer timer.Stop()
	registry := hubName(target.RegistryStr())
	select {
	case a := <-asked:
		if a.err != nil {
			return nil, &loginError{registry, a.err}
		}
		return a.login, nil
	case <-done:
		return nil, ended()
	case <-timer.C():
		return nil, &loginError{registry, fmt.Errorf("a credential helper says nothing for %s", helperPatience)}
	}
}
