// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// The exit codes of every command.
const (
	exitOK       = 0
	exitFailed   = 1 // what was asked could not be done; for diff: there is a difference
	exitUsage    = 2 // the command line is wrong; for diff: or it could not be found out
	exitNotReady = 3 // not ready in time, but still progressing
	exitRollout  = 4 // the rollout failed
)

// usageError is an error of the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// ExitCode says what the process ends with after err.
func ExitCode(err error) int {
	var (
		usage   usageError
		late    *status.TimeoutError
		failed  *status.FailedError
		compare comparisonError
		compute computeError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &compute):
		return compute.code
	case errors.As(err, &usage) || errors.As(err, &compare):
		return exitUsage
	case errors.As(err, &failed):
		return exitRollout
	case errors.As(err, &late):
		return exitNotReady
	}
	return exitFailed
}

// Message is what is printed of err: what is wrong, where, and what to do
// next. Errors that come from below as they are get the missing part here.
func Message(err error) string {
	var (
		dial    *net.OpError
		address *url.Error
		tells   *notAttached
		// A registry that does not answer is no cluster.
		registry *image.RegistryError
	)
	if compare := (comparisonError{}); errors.As(err, &compare) {
		err = compare.error
	}
	switch {
	case err == nil || errors.Is(err, errDiffers):
		return ""
	case aks.ReasonOf(err) != "" || errors.As(err, &tells) || errors.As(err, &registry):
		return err.Error()
	case err == context.Canceled: //nolint:errorlint // one with more to say says it itself
		return "interrupted"
	case errors.As(err, &dial) && dial.Op == "dial" && errors.As(err, &address):
		return "no cluster answers at " + address.URL[:hostEnd(address.URL)] + " (" + dial.Err.Error() +
			"): is it running, and is this the right context? see kubectl config current-context"
	case apierrors.IsUnauthorized(err):
		return err.Error() + ": the cluster does not know you, log in again"
	}
	return err.Error()
}

// hostEnd is where the scheme and host of an address end.
func hostEnd(address string) int {
	scheme := strings.Index(address, "://") + len("://")
	if slash := strings.IndexByte(address[scheme:], '/'); slash >= 0 {
		return scheme + slash
	}
	return len(address)
}
