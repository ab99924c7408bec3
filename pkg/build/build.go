// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package build makes an image of a Dockerfile: with BuildKit, in Docker's
// engine, at an address or in a Job of the cluster, or with ACR Tasks.
//
// It knows nothing of Azure ML: what is built, and whether it has to be, others
// say.
package build

import (
	"context"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Request is what to build.
type Request struct {
	// Name of what is built, for messages.
	Name string
	// Dockerfile is the text. The images that it starts from are pinned in it.
	Dockerfile string
	// Platform is OS/ARCHITECTURE, such as linux/amd64.
	Platform string
	// Secrets are files of this machine by the id that RUN --mount=type=secret
	// has for them. What is in them gets into no layer, no cache and no log.
	Secrets map[string]string
	// Arguments are the Dockerfile's ARGs.
	Arguments map[string]string
	// Keychain has the logins for the images that it starts from; nil is that of
	// Docker's configuration.
	Keychain authn.Keychain
	// Transport reaches the registries of those images from this machine; nil is
	// the one of the client.
	Transport http.RoundTripper
	// Log is told what the build says, a line at a time; nil is nobody.
	Log func(line string)
}

// Builder builds images.
type Builder interface {
	// Name says what builds and where, as a message goes on after "built with".
	Name() string
	// Build builds, and returns when there is an image. A step that fails is
	// told as a *StepError. What ctx ends, ends in the builder too.
	Build(ctx context.Context, r Request) (Result, error)
}

// Result is an image that was built.
type Result struct {
	// Image can be read until Close.
	Image v1.Image
	// Close gives back what holds the image; it may be called twice.
	Close func() error
}
