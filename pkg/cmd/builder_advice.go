// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
)

// advised has a step that failed say what to do, as far as what pip said tells, and
// says what an image is for that nobody has named.
func (b *builderFlags) advised(err error, dockerfile string) error {
	var step *build.StepError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &step):
		if step.Advice == "" {
			step.Advice = b.advice(strings.Join(step.Tail, "\n"))
		}
		return err
	}
	host, _, _ := strings.Cut(environment.MicromambaImage, "/")
	mamba := strings.Count(dockerfile, environment.MicromambaImage)
	if mamba > 0 && mamba == strings.Count(dockerfile, host+"/") && strings.Contains(err.Error(), host) {
		return fmt.Errorf("%w: %s installs conda's packages: name a mirror of it with --micromamba-image", err,
			environment.MicromambaImage)
	}
	return err
}

// noPackage is what pip says of a package that it does not find.
var noPackage = regexp.MustCompile(`No matching distribution found for (\S+)`)

// advice is empty for what is not known. What stops downloads comes first: pip says
// of it, too, that there is no such package.
func (b *builderFlags) advice(said string) string {
	switch {
	case !contains(said, "CERTIFICATE_VERIFY_FAILED", "certificate verify failed"):
	case b.buildCA == "":
		return "the certificate that it was shown is not trusted: if your network has certificates of its own, give them " +
			"with --build-ca FILE"
	default:
		return "the certificate that it was shown is not trusted, not by those in " + b.buildCA + " either: give those of " +
			"your network with --build-ca"
	}
	switch {
	case contains(said, "Failed to establish a new connection", "Temporary failure in name resolution",
		"Network is unreachable", "ProxyError", "Read timed out", "ConnectTimeoutError"):
		return "the package index is not reached from where it is built: name one that is, or a proxy, with --pip-config"
	case contains(said, "401 Client Error", "403 Client Error", "401 Error", "403 Error"):
		return "the package index wants a login: give it with --pip-config"
	case contains(said, "ResolutionImpossible"):
		return "the packages want versions of one package that exclude each other: loosen the versions"
	}
	if m := noPackage.FindStringSubmatch(said); m != nil {
		return fmt.Sprintf("there is no %s for the Python of the environment: correct the package's name or version, or "+
			"Python's, or name an index that has it with --pip-config", m[1])
	}
	return ""
}

func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
