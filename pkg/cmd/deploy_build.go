// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// environmentOf says what the environment of an inference config is made of.
func environmentOf(config amlv1.InferenceConfig, code amlv1.Code) (environment.Environment, amlv1.Findings) {
	return environment.Of(config, func(file string) ([]byte, error) {
		if file == config.Old.ExtraDockerfileSteps {
			return os.ReadFile(code.ExtraDockerfileSteps)
		}
		return os.ReadFile(code.CondaFile)
	})
}

// site is where an environment is looked for and, if it is nowhere, built.
type site struct {
	*options
	registry *registryFlags
	builder  *builderFlags
	access   image.Options
}

func (o *options) site(f *sourceFlags, e environment.Environment) (site, error) {
	access, err := f.access(o, "environment", logins(e)...)
	return site{options: o, registry: &f.registryFlags, builder: &f.builderFlags, access: access}, err
}

// logins are those that the environment's file has.
func logins(e environment.Environment) []amlv1.ImageRegistry {
	if e.Login.Password == "" {
		return nil
	}
	return []amlv1.ImageRegistry{e.Login}
}

// imageAccess is how the image of p is made: an environment that is somebody's image
// as it is may want the login of its file.
func (o *options) imageAccess(p *plan, f *sourceFlags) (image.Options, error) {
	if p.environment == nil {
		return f.access(o, "image")
	}
	return f.access(o, "image", logins(*p.environment)...)
}

// pin looks up what the environment starts from.
func (s site) pin(ctx context.Context, e environment.Environment) (environment.Pinned, error) {
	e.Micromamba = s.builder.micromamba
	digests := map[string]string{}
	var errs []error
	for _, base := range e.Bases() {
		var err error
		digests[base], err = image.Resolve(ctx, base, s.access)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return environment.Pinned{}, err
	}
	return e.Pin(digests)
}

func (s site) environments() image.Environments {
	return image.Environments{
		Registry: s.registry.registry, Global: s.builder.global, Options: s.access, Builder: s.Holder,
	}
}

// find returns the image of an environment; empty if it has to be built.
func (s site) find(ctx context.Context, p environment.Pinned) (string, error) {
	if ready, ok := p.Ready(); ok {
		return ready, nil
	}
	found, err := s.environments().Find(ctx, p.Digest())
	return found.Reference, err
}

// ensure returns the image of an environment, which is built if it is in no
// registry.
func (s site) ensure(ctx context.Context, p environment.Pinned) (string, error) {
	if ready, ok := p.Ready(); ok {
		return ready, nil
	}
	request, err := s.request(p)
	if err != nil {
		return "", err
	}
	var built []build.Result
	found, err := s.environments().Ensure(ctx, p.Digest(), func(ctx context.Context) (v1.Image, error) {
		result, err := s.builder.build(ctx, s.options, s.registry, request)
		if err == nil {
			built = append(built, result)
		}
		return result.Image, err
	})
	for _, result := range built { // everything is pushed
		err = errors.Join(err, result.Close())
	}
	return found.Reference, err
}

// request is what a builder is asked for.
func (s site) request(p environment.Pinned) (build.Request, error) {
	transport, err := s.access.Carrier()
	return build.Request{
		Name: "environment " + p.Digest()[:12], Dockerfile: p.Dockerfile(), Platform: p.Target(),
		Secrets: s.builder.secrets(s.options), Keychain: s.access.Keychain, Transport: transport,
		Log: func(line string) { s.tell("build: %s", line) },
	}, err
}

// unbuilt stands for the digest of an image that a dry run cannot know.
func unbuilt(repository string) string { return repository + "@sha256:" + strings.Repeat("0", 64) }

// environmentImage is the image that the layers are put on. In a dry run nothing
// is built, and it is empty if something would be. A model that is nowhere is told
// of before anybody waits for a build.
func (o *options) environmentImage(ctx context.Context, p *plan, f *sourceFlags, dry bool) (string, error) {
	if p.environment == nil {
		return p.source.Environment, nil
	}
	s, err := o.site(f, *p.environment)
	if err != nil {
		return "", err
	}
	quiet := s.access
	quiet.Log = nil
	if _, err := p.source.Resolve(ctx, quiet); err != nil {
		return "", o.noModel(err)
	}
	pinned, err := s.pin(ctx, *p.environment)
	if err != nil {
		return "", fmt.Errorf("the environment's base: %w", err)
	}
	if dry {
		return s.find(ctx, pinned)
	}
	return s.ensure(ctx, pinned)
}
