// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// Environments are the images of environments: each one is in
// REGISTRY/environments, tagged with the environment's digest.
type Environments struct {
	// Registry is that of the workspace, as HOST[/PATH]. What is built goes there.
	Registry string
	// Global are other registries that are looked in, in order, if the workspace's
	// has nothing.
	Global  []string
	Options Options
	// Builder is who builds, as others who wait for it read it, such as
	// NAME@MACHINE.
	Builder string

	// patience is how long a global registry may take; 0 is globalPatience.
	patience time.Duration
}

// Found is an environment's image.
type Found struct {
	// Reference is REPOSITORY@sha256:DIGEST; empty if there is no image.
	Reference string
	// Where is the registry that has it, as Environments names it.
	Where string
	// Built is set when Ensure built it, and found nobody else's.
	Built bool
	// Looked is what was looked up, in order.
	Looked []Look
}

// Look is one look for an environment.
type Look struct {
	// Environment is the digest.
	Environment string
	// Repository is where it was looked for.
	Repository string
	// Reference is what was found; empty if it was not there.
	Reference string
	// Passed says why a global registry could not tell, and what to do about it;
	// empty if it could.
	Passed string
}

// String is one line.
func (l Look) String() string {
	what := "environment " + short(l.Environment)
	switch {
	case l.Passed != "":
		return what + ": " + l.Repository + " is passed over: " + l.Passed
	case l.Reference != "":
		return what + ": found in " + l.Repository
	default:
		return what + ": not in " + l.Repository
	}
}

const (
	environmentsName = "environments"
	globalPatience   = 15 * time.Second
)

var environmentDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// short is enough of a digest for people.
func short(digest string) string { return digest[:min(len(digest), 12)] }

// Find looks for an environment in the workspace's registry, then in each global
// one. What it found is to be used from where it is: Package copies what an image
// lacks. An environment that is nowhere is no error, and has no Reference. Each
// look is told to the log.
//
// What the workspace's registry answers instead is an error, as in Package. A
// global one that wants a login, fails or does not answer in time is passed over,
// and Looked says so. Registries that are no names are refused, all at once.
func (e Environments) Find(ctx context.Context, digest string) (Found, error) {
	places, err := e.places(digest)
	if err != nil {
		return Found{}, err
	}
	var found Found
	for i, p := range places {
		look := Look{Environment: digest, Repository: p.repo.Name()}
		look.Reference, err = e.lookIn(ctx, p.repo, digest, i > 0)
		if i > 0 && ctx.Err() == nil {
			look.Passed, err = passed(err, p.repo.RegistryStr())
		}
		if err != nil {
			return found, err
		}
		e.Options.log(look.String())
		found.Looked = append(found.Looked, look)
		if look.Reference != "" {
			found.Reference, found.Where = look.Reference, p.registry
			return found, nil
		}
	}
	return found, nil
}

// place is a registry and its repository of environments.
type place struct {
	registry string
	repo     name.Repository
}

// places are those to look in, the workspace's first.
func (e Environments) places(digest string) ([]place, error) {
	var errs []error
	if !environmentDigest.MatchString(digest) {
		errs = append(errs, fmt.Errorf("%q is not the digest of an environment: it has 64 digits of 0-9 and a-f", digest))
	}
	var all []place
	for _, registry := range append([]string{e.Registry}, e.Global...) {
		repo, err := repositoryIn(registry, environmentsName, e.Options)
		errs = append(errs, err)
		all = append(all, place{registry, repo})
	}
	return all, errors.Join(errs...)
}

func (e Environments) lookIn(ctx context.Context, repo name.Repository, digest string, global bool) (string, error) {
	if global {
		patience := e.patience
		if patience == 0 {
			patience = globalPatience
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	s := newStore(repo, "look up environment "+short(digest), e.Options)
	found, there, err := s.digestIf(ctx, digest)
	if !there {
		return "", err
	}
	return pinned(repo.Digest(found.String()), found), nil
}

// passed says why a registry is passed over. Errors that are no registry's stay.
func passed(err error, registry string) (string, error) {
	var told *RegistryError
	var login *loginError
	switch {
	case errors.As(err, &told):
		return told.what + ": " + told.Advice, nil
	case errors.As(err, &login):
		return login.Error(), nil
	case errors.Is(err, context.DeadlineExceeded):
		return hubName(registry) + " does not answer in time: check the network, and that the registry runs", nil
	default:
		return "", err
	}
}
