// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
)

func TestABuildThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const missing = "ERROR: Could not find a version that satisfies the requirement joblibb (from versions: none)\n" +
		"ERROR: No matching distribution found for joblibb==1"
	const untrusted = "WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: " +
		"CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain\n" + missing
	for name, c := range map[string]struct{ said, ca, want string }{
		"a package that is not there": {missing, "", "there is no joblibb==1 for the Python of the environment: correct the " +
			"package's name or version, or Python's, or name an index that has it with --pip-config"},
		"a network that looks into TLS": {untrusted, "", "the certificate that it was shown is not trusted: if your network has " +
			"certificates of its own, give them with --build-ca FILE"},
		"the certificates of another one": {untrusted, "ca.crt", "the certificate that it was shown is not trusted, not by those " +
			"in ca.crt either: give those of your network with --build-ca"},
		"no way out": {"WARNING: Retrying after connection broken by 'NewConnectionError('<pip>: Failed to establish a new " +
			"connection: [Errno -3] Temporary failure in name resolution')'\n" + missing, "", "the package index is not reached " +
			"from where it is built: name one that is, or a proxy, with --pip-config"},
		"an index with a login": {"ERROR: HTTP error 401 while getting x\n401 Client Error: Unauthorized", "",
			"the package index wants a login: give it with --pip-config"},
		"versions that exclude each other": {"ERROR: ResolutionImpossible: for help visit", "",
			"the packages want versions of one package that exclude each other: loosen the versions"},
		"anything else": {"gcc: command not found", "", ""},
	} {
		step := &build.StepError{Step: "RUN pip", Code: 1, Tail: strings.Split(c.said, "\n")}
		b := &builderFlags{buildCA: c.ca}
		wrapped := fmt.Errorf("wrapped: %w", step)
		if err := b.advised(wrapped, "FROM x"); !errors.Is(err, wrapped) || step.Advice != c.want {
			t.Errorf("%s: %q, want %q", name, step.Advice, c.want)
		}
	}
	known := &build.StepError{Advice: "known", Tail: []string{missing}}
	if err := (&builderFlags{}).advised(known, ""); !errors.Is(err, known) || known.Advice != "known" {
		t.Errorf("advice became %q", known.Advice)
	}
}

// Nobody who writes a conda file has named the image that installs its packages.
func TestAnImageThatNobodyNamedIsExplained(t *testing.T) {
	t.Parallel()
	const mamba = "RUN --mount=type=bind,from=" + environment.MicromambaImage + ",target=/m x\n"
	const away = "the builder does not know the name of the registry docker.io: check the name"
	for name, c := range map[string]struct{ dockerfile, err, want string }{
		"micromamba": {"FROM mcr.microsoft.com/a\n" + mamba, away, away + ": " + environment.MicromambaImage + " installs " +
			"conda's packages: name a mirror of it with --micromamba-image"},
		"a base beside it":  {"FROM docker.io/a\n" + mamba, away, away},
		"no conda":          {"FROM docker.io/a\n", away, away},
		"another registry":  {"FROM mcr.microsoft.com/a\n" + mamba, "mcr.microsoft.com wants a login", "mcr.microsoft.com wants a login"},
		"an image of yours": {"FROM a.io/a\nRUN --mount=type=bind,from=a.io/m x", away, away},
	} {
		if err := (&builderFlags{}).advised(errors.New(c.err), c.dockerfile); err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if err := (&builderFlags{}).advised(nil, mamba); err != nil {
		t.Error(err)
	}
}
