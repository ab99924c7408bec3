// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package environment says what the image of an Azure ML environment is made of:
// its digest, by which an image is found again, and its Dockerfile. It is pure.
package environment

import (
	"cmp"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// Environment is what an image is made of. Code, models and environment variables
// are no part of it.
type Environment struct {
	// Name is for messages.
	Name string
	// Base is the image to start from; empty if Dockerfile is set.
	Base string
	// Login is that for Base, as the file has it; what has no password is none. It
	// is in no digest and no Dockerfile.
	Login amlv1.ImageRegistry
	// Dockerfile is the text of a Dockerfile in the place of Base.
	Dockerfile string
	// UserManaged is set when the base has all packages already.
	UserManaged bool
	// Serving is set when the scoring server is to be added.
	Serving bool
	// Interpreter is the path of the base's Python, when it is not the one on its
	// PATH; only for a base that has all packages.
	Interpreter string
	// Channels and Conda are those of the conda file; Pip are requirements and
	// options of pip, as they were written. When there are none, packages are those
	// of the base's own Python.
	Channels, Conda, Pip []string
	// Platform is OS/ARCHITECTURE.
	Platform string
	// Micromamba is an image that has /bin/micromamba, as a mirror has it; empty is
	// MicromambaImage. What it installs is the same, so it is in no digest.
	Micromamba string
}

// Target is the platform, linux/amd64 if there is none.
func (e Environment) Target() string { return cmp.Or(e.Platform, "linux/amd64") }

// The images that Azure ML 1.61 took for a config that names none
// (azureml.core.environment of azureml-core).
const (
	cpuImage   = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20251130.v1"
	gpuImage   = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"
	cuda9Image = "mcr.microsoft.com/azureml/base-gpu:intelmpi2018.3-cuda9.0-cudnn7-ubuntu16.04"
)

// server is the scoring server. No version: pip takes the newest that the
// environment's Python and packages allow.
const server = "azureml-inference-server-http"

// defaults are the packages that Azure ML 1.61 took for a config that names none.
func (e *Environment) defaults() {
	e.Channels, e.Conda = []string{"anaconda", "conda-forge"}, []string{"python=3.8.13"}
	e.Pip = []string{"azureml-defaults"}
}
