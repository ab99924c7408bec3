// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// RegistryError is what went wrong with a registry, told in one line: what,
// where, and what to do next. It wraps the error of the client.
type RegistryError struct {
	// Doing is what was tried, such as "push to".
	Doing string
	// Name is the image or repository.
	Name string
	// Status is the answer of the registry; 0 when there was none.
	Status int
	// Advice is what to do next.
	Advice string
	Err    error

	what string
}

// Error is one line.
func (e *RegistryError) Error() string {
	return fmt.Sprintf("cannot %s %s: %s: %s", e.Doing, e.Name, e.what, e.Advice)
}

// Unwrap gives the error of the client.
func (e *RegistryError) Unwrap() error { return e.Err }

// pushTo is what is being done when something is sent.
const pushTo = "push to"

type plainHTTPError struct{ host string }

func (e *plainHTTPError) Error() string { return "plain HTTP to " + e.host + " is not allowed" }

// adviser is an error of whoever carries the requests that says what to do next.
type adviser interface {
	error
	Advice() string
}

// explain makes a RegistryError of what a client of registries returned.
// Errors of files and of an ended context stay what they are.
func explain(err error, doing, image string) error {
	var changed *ChangedError
	if errors.As(err, &changed) {
		return changed
	}
	var told *RegistryError
	if errors.As(err, &told) {
		return told
	}
	var refused *localError
	if errors.As(err, &refused) {
		return refused
	}
	var login *loginError
	if errors.As(err, &login) {
		return login
	}
	var trust *trustError
	if errors.As(err, &trust) {
		return trust
	}
	var file *fs.PathError
	if !errors.As(err, new(adviser)) && errors.As(err, &file) && !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			return fmt.Errorf("cannot %s %s: %w", doing, image, ended)
		}
	}
	e := &RegistryError{Doing: doing, Name: image, Err: err}
	var answer *transport.Error
	var authority x509.UnknownAuthorityError
	// On this machine plain HTTP is tried after TLS: what comes of that is not why.
	if errors.As(err, &answer) && !errors.As(err, &authority) {
		e.Status = answer.StatusCode
		e.what, e.Advice = answered(answer, doing, host(image))
	} else {
		e.what, e.Advice = unreached(err, host(image))
	}
	return e
}

// answered tells what a registry's answer means.
func answered(answer *transport.Error, doing, host string) (what, advice string) {
	code := answer.StatusCode
	switch {
	case code == http.StatusUnauthorized:
		return "the registry wants a login (401)", "run " + loginTo(host) + ", then try again"
	case code == http.StatusForbidden:
		return "the login does not allow it (403)",
			"ask for the right to it, or log in as somebody else with \"docker login " + host + "\""
	case code == http.StatusNotFound && (doing == pushTo || hasCode(answer, transport.NameUnknownErrorCode)):
		return "there is no such repository (404)", "correct the name, or create the repository"
	case code == http.StatusNotFound:
		return "there is no such image (404)", "correct the name and the tag, or push the image first"
	case code == http.StatusTooManyRequests:
		return "the registry has had too many requests (429)", "wait a few minutes, then try again; a login raises the limit"
	case code == http.StatusRequestEntityTooLarge:
		return "a layer is too large for the registry (413)", "raise the limit of the registry or of the proxy before it"
	case code == http.StatusRequestedRangeNotSatisfiable && doing == pushTo:
		// So answers distribution's registry when small blobs do not fit on its disk.
		return "the registry did not keep what it was sent (416)", "see whether its disk is full, then try again"
	case isFull(answer):
		return fmt.Sprintf("the registry's disk is full (%d)", code), "make room there, then try again"
	case code >= http.StatusInternalServerError:
		return fmt.Sprintf("the registry failed (%d)", code), "try again later; if it stays, look at the registry's logs"
	default:
		return fmt.Sprintf("the registry refused it (%d%s)", code, details(answer)), "see what the registry's logs say"
	}
}

// loginTo is what logs in to a registry. One of Azure's takes a login of Azure too.
func loginTo(host string) string {
	login := "\"docker login " + host + "\""
	for _, cloud := range []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"} {
		if strings.HasSuffix(host, cloud) {
			return "\"az login\" or " + login
		}
	}
	return login
}

// isFull tells whether a registry has no room left. Most say so only in the text
// of an error of another kind.
func isFull(answer *transport.Error) bool {
	text := strings.ToLower(answer.Error())
	return answer.StatusCode == http.StatusInsufficientStorage || answer.StatusCode >= http.StatusInternalServerError &&
		(strings.Contains(text, syscall.ENOSPC.Error()) || strings.Contains(text, syscall.EDQUOT.Error()))
}

func hasCode(answer *transport.Error, code transport.ErrorCode) bool {
	for _, d := range answer.Errors {
		if d.Code == code {
			return true
		}
	}
	return false
}

// details are the codes and messages of an answer, in one line.
func details(answer *transport.Error) string {
	var b strings.Builder
	for _, d := range answer.Errors {
		b.WriteString(", " + oneLine(string(d.Code)+" "+d.Message))
	}
	return b.String()
}

// unreached tells why there was no answer.
func unreached(err error, host string) (what, advice string) {
	var advised adviser
	var plain *plainHTTPError
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &advised):
		return oneLine(advised.Error()), advised.Advice()
	case errors.As(err, &plain):
		return "the registry " + host + " speaks plain HTTP, which others can read on the way",
			"use one with TLS, or allow this one with --insecure-registry"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + host, "check the name and the port, and that the registry runs"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " is not known", "check the name of the registry, and the network"
	case errors.As(err, &authority):
		return "the certificate of " + host + " is not from an authority that this machine trusts",
			"name a file with that authority with --registry-ca"
	case errors.As(err, &hostname), errors.As(err, &invalid):
		return "the certificate of " + host + " is not valid", "check the name of the registry, and the clock: " +
			oneLine(lastError(err))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return host + " broke the connection off", "try again; if it stays, look at the registry's logs"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the registry " + host + " speaks plain HTTP, which others can read on the way",
			"use one with TLS, or allow this one with --insecure-registry"
	case strings.Contains(err.Error(), "error verifying sha256 checksum"):
		return "what came is not what its digest says", "try again; if it stays, something on the way changes it"
	case isTimeout(err):
		return host + " does not answer in time", "check the network, and that the registry runs"
	default:
		return oneLine(lastError(err)), "check the name of the image, and that it is for linux/amd64"
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// lastError leaves out the method and address that net/http puts before an error.
func lastError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func host(image string) string {
	if ref, err := name.ParseReference(image); err == nil {
		return hubName(ref.Context().RegistryStr())
	}
	if repo, err := name.NewRepository(image); err == nil {
		return hubName(repo.RegistryStr())
	}
	return image
}

func hubName(registry string) string {
	if registry == name.DefaultRegistry {
		return "docker.io"
	}
	return registry
}
