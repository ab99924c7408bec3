// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ErrNotAttached is for a cluster without a record.
var ErrNotAttached = errors.New("the cluster is not attached as a compute: " +
	"attach it with kubectl aml compute attach kubernetes -n NAME")

// AttachedError is for a cluster that is attached, and not as the caller wants it.
type AttachedError struct {
	By Record
	// Differ names what is not as the caller wants it.
	Differ []string
}

// Error tells who attached the cluster, what differs, and how to detach it.
func (e *AttachedError) Error() string {
	differ := ""
	if len(e.Differ) > 0 && e.Differ[0] != "name" {
		differ = ", with another " + strings.Join(e.Differ, ", ")
	}
	return fmt.Sprintf("the cluster is already attached as %s%s; detach it first: kubectl aml compute detach -n %s",
		e.By.told(), differ, e.By.Name)
}

// StaleError is for a cluster that was attached anew, or whose record was changed,
// since the caller looked.
type StaleError struct {
	// Have is what the caller knows, Found what the cluster holds.
	Have, Found Record
}

// Error tells which of the two it is, and how to go on.
func (e *StaleError) Error() string {
	if e.Have.UID == e.Found.UID {
		return fmt.Sprintf("the record of compute %q was changed by somebody else meanwhile: look at it and try again",
			e.Found.Name)
	}
	return fmt.Sprintf("the attachment that you know as %q is gone: the cluster was attached anew as %s; "+
		"forget the old one with kubectl aml compute detach -n %s --local-only", e.Have.Name, e.Found.told(), e.Have.Name)
}

// told names an attachment, and who made it.
func (a Attachment) told() string {
	return fmt.Sprintf("%q by %s (%s) at %s (purpose %s)",
		a.Name, a.AttachedBy, a.AttachedFrom, a.AttachedAt.UTC().Format(time.RFC3339), a.Purpose)
}

// DeniedError is for a caller whom the cluster refuses something.
type DeniedError struct {
	// Right is what is missing, as in "create configmaps in the namespace aml-system".
	Right string
	Err   error
}

// Error names the right and who can give it.
func (e *DeniedError) Error() string {
	hint := "ask whoever runs the cluster for it"
	if strings.HasPrefix(e.Right, "get configmaps") {
		hint = "everybody may once a cluster is attached, so it is likely not attached"
	}
	return fmt.Sprintf("the cluster does not let you %s: %s (%v)", e.Right, hint, e.Err)
}

// Unwrap returns the API server's refusal.
func (e *DeniedError) Unwrap() error { return e.Err }

func isDenied(err error) bool {
	var e *DeniedError
	return errors.As(err, &e)
}

// denied makes a *DeniedError of a refusal in the record's namespace, and leaves
// any other error, and none, as it is.
func denied(verb, resource string, err error) error {
	right := verb + " " + resource + " in the namespace " + SystemNamespace
	if resource == "namespaces" {
		right = verb + " the namespace " + SystemNamespace
	}
	return Denied(right, err)
}

// Denied makes a *DeniedError of a refusal to do what right says, and leaves any
// other error, and nil, as it is.
func Denied(right string, err error) error {
	if apierrors.IsForbidden(err) {
		return &DeniedError{Right: right, Err: err}
	}
	return err
}

// sameID compares ids of Azure, which writes them in any case.
func sameID(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}
