// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package environment says what the image of an Azure ML environment is made of:
// its digest, by which an image is found again, and its Dockerfile. It is pure.
package environment

import (
	"cmp"
)

// Environment is what an image is made of. Code, models and environment variables
// are no part of it.
type Environment struct {
	// Name is for messages.
	Name string
	// Base is the image to start from; empty if Dockerfile is set.
	Base string
	// Dockerfile is the text of a Dockerfile in the place of Base.
	Dockerfile string
	// UserManaged is set when the base has all packages already.
	UserManaged bool
	// Serving is set when the scoring server is to be added.
	Serving bool
	// Channels and Conda are those of the conda file; Pip are requirements and
	// options of pip, as they were written.
	Channels, Conda, Pip []string
	// Platform is OS/ARCHITECTURE.
	Platform string
}

// Target is the platform, linux/amd64 if there is none.
func (e Environment) Target() string { return cmp.Or(e.Platform, "linux/amd64") }
