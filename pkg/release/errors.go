// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
)

// What can be asked of an error of this package with errors.Is.
var (
	// ErrNotFound means that there is no such endpoint, or that no revision of it is in force.
	ErrNotFound = errors.New("not found")
	// ErrNewerChart means that a newer kubectl-aml made what is deployed.
	ErrNewerChart = errors.New("deployed by a newer kubectl-aml")
	// ErrForeign means that the Helm release of this name is not an endpoint.
	ErrForeign = errors.New("not an endpoint")
	// ErrTooLarge means that the record of the revision does not fit in a Secret.
	ErrTooLarge = errors.New("too large")
	// ErrNoNamespace means that the namespace does not exist or is being deleted.
	ErrNoNamespace = errors.New("no such namespace")
	// ErrForbidden means that the user lacks a permission.
	ErrForbidden = errors.New("forbidden")
	// ErrUnauthorized means that the cluster does not accept the credentials.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnreachable means that the cluster does not answer, or none is configured.
	ErrUnreachable = errors.New("cluster unreachable")

	errLeaseLost = errors.New("the endpoint's lease is lost, another deploy may have taken over: " +
		"see its history, then deploy again")
)

// HeldError means that somebody else is changing the endpoint.
type HeldError struct {
	Endpoint string
	// Holder is who, as user@host.
	Holder string
	// Since is when they started, by their clock; zero if unknown.
	Since time.Time
	// Until is when they are taken for dead if nothing changes; zero if that is
	// not a matter of time.
	Until time.Time
}

// Error names the holder.
func (e *HeldError) Error() string {
	since := ""
	if !e.Since.IsZero() {
		since = " since " + e.Since.UTC().Format(time.RFC3339)
	}
	until := ""
	if !e.Until.IsZero() {
		until = ", or after " + e.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("endpoint %q is being changed by %s%s: try again when that has finished%s",
		e.Endpoint, e.Holder, since, until)
}

// holderOf is the user@host of who holds a Lease.
func holderOf(l *coordinationv1.Lease) string {
	identity := ptr.Deref(l.Spec.HolderIdentity, "")
	if i := strings.LastIndex(identity, "/"); i >= 0 {
		identity = identity[:i]
	}
	if identity == "" {
		return "somebody"
	}
	return identity
}

// explained is an error in our words that still is what it was.
type explained struct {
	text string
	is   error // sentinel
	err  error // cause; may be nil
}

func (e *explained) Error() string { return e.text }

func (e *explained) Unwrap() []error {
	if e.err == nil {
		return []error{e.is}
	}
	return []error{e.is, e.err}
}

// explain turns what the cluster or Helm said into one line with what to do
// next, if it is something we know; else it only makes it one line.
func (c *Client) explain(err error) error {
	if err == nil {
		return nil
	}
	ns := c.opts.Namespace
	switch {
	case errors.Is(err, context.DeadlineExceeded), isOurs(err):
		return err
	case errors.Is(err, context.Canceled):
		return context.Canceled // without the request that it ended
	case errors.Is(err, genericclioptions.ErrEmptyConfig), clientcmd.IsEmptyConfig(err):
		return &explained{"no cluster is configured: set KUBECONFIG, or name a context with --context",
			ErrUnreachable, err}
	case apierrors.IsUnauthorized(err):
		return &explained{"the cluster does not accept your credentials: log in again", ErrUnauthorized, err}
	case isNamespaceMissing(err):
		return &explained{fmt.Sprintf("namespace %q does not exist: create it with: kubectl create namespace %s", ns, ns),
			ErrNoNamespace, err}
	case isNamespaceTerminating(err):
		return &explained{fmt.Sprintf("namespace %q is being deleted: use another one, or wait and create it again", ns),
			ErrNoNamespace, err}
	case isMissingPermission(err):
		return &explained{missingPermission(ns, oneLine(statusMessage(err))), ErrForbidden, err}
	}
	if at, why, ok := unreachable(err); ok {
		return &explained{fmt.Sprintf("cannot reach the cluster%s: %s: check the context, and the cluster with: "+
			"kubectl cluster-info", at, why), ErrUnreachable, err}
	}
	return reworded(err)
}

func isOurs(err error) bool {
	var held *HeldError
	var known *explained
	return errors.As(err, &held) || errors.As(err, &known) || errors.Is(err, errLeaseLost)
}

func isNamespaceMissing(err error) bool {
	status := apierrors.APIStatus(nil)
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil &&
		status.Status().Details.Kind == "namespaces"
}

func isNamespaceTerminating(err error) bool {
	return apierrors.HasStatusCause(err, "NamespaceTerminating")
}

// isMissingPermission tells what the authorizer refused from what admission
// (quota, pod security, policies) did; both are "forbidden".
func isMissingPermission(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(statusMessage(err), " cannot ")
}

func missingPermission(namespace, message string) string {
	if strings.HasSuffix(message, "at the cluster scope") {
		return fmt.Sprintf("missing permission for all namespaces: %s: name one namespace", message)
	}
	return fmt.Sprintf("missing permission in namespace %q: %s: ask for the ClusterRole edit there",
		namespace, message)
}

func statusMessage(err error) string {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

// unreachable tells where and why no connection was made.
func unreachable(err error) (at, why string, ok bool) {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		if parsed, err := url.Parse(u.URL); err == nil {
			at = " at " + parsed.Scheme + "://" + parsed.Host
		}
		err = u.Err
		ok = true
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return at, oneLine(op.Err.Error()), true
	}
	return at, oneLine(err.Error()), ok
}

// reworded makes a Helm error one line and takes out what says nothing to the user.
func reworded(err error) error {
	text := oneLine(err.Error())
	if strings.HasPrefix(text, "values don't meet the specifications of the schema") {
		text = "the chart refuses the values: " + strings.Join(schemaFindings(err.Error()), "; ")
	}
	if _, rest, ok := strings.Cut(text, "execution error at ("); ok {
		if _, message, ok := strings.Cut(rest, "): "); ok {
			text = message
		}
	}
	if what, _, ok := strings.Cut(text, " exists and cannot be imported into the current release"); ok {
		if _, after, ok := strings.Cut(what, "Unable to continue with "); ok {
			_, what, _ = strings.Cut(after, ": ")
		}
		text = what + " exists and is not part of this endpoint: delete it, or choose another name"
	}
	if text == err.Error() {
		return err
	}
	return &explained{text: text, is: err}
}

func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.ReplaceAll(strings.Join(kept, "; "), ":; ", ": ")
}

// schemaFindings picks the lines "- at 'PATH': what" from Helm's report.
func schemaFindings(report string) []string {
	var found []string
	for line := range strings.Lines(report) {
		if at, ok := strings.CutPrefix(strings.TrimSpace(line), "- at '"); ok {
			found = append(found, strings.Replace(at, "':", ":", 1))
		}
	}
	return found
}
