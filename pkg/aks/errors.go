// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Reason says what kind of thing went wrong.
type Reason string

// The reasons of errors.
const (
	Conflict  Reason = "Conflict"  // it is there already, or somebody else is at work on it
	Quota     Reason = "Quota"     // quota or capacity is used up
	Denied    Reason = "Denied"    // not signed in, or no right
	Throttled Reason = "Throttled" // Azure wants to be asked later
	NotFound  Reason = "NotFound"  // there is no such thing
	Invalid   Reason = "Invalid"   // Azure refuses what it was asked for
	UnderWay  Reason = "UnderWay"  // Azure goes on, or it is not known: the same command goes on
	Failed    Reason = "Failed"    // it was tried and did not work
)

// Error is what Azure, or the way to it, ended a request with.
type Error struct {
	Reason Reason
	// Code is Azure's own, as in its documents; empty if the error is not from Azure.
	Code string
	// Message is one line: what is wrong, and what to do next.
	Message string
	// what is Message without what to do next.
	what  string
	cause error
}

// Error implements error. It is one line.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what the error was read from.
func (e *Error) Unwrap() error { return e.cause }

// ReasonOf is the reason of an error of this package, empty for any other.
func ReasonOf(err error) Reason {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func fail(reason Reason, cause error, format string, args ...any) *Error {
	what := fold(fmt.Sprintf(format, args...))
	return &Error{Reason: reason, Message: what, what: what, cause: cause}
}

// then is e with what to do next, if there is anything.
func (e *Error) then(next string) *Error {
	if next != "" {
		e.Message = e.what + ": " + next
	}
	return e
}

// fold makes one line of text.
func fold(text string) string { return strings.Join(strings.Fields(text), " ") }

// reasonOfCode is the reason of one of Azure's codes, empty for a code that
// says nothing of its own.
func reasonOfCode(code, message string) Reason {
	// Azure Compute has one code for what is not allowed and for what is too much.
	if strings.EqualFold(code, "OperationNotAllowed") && strings.Contains(strings.ToLower(message), "quota") {
		return Quota
	}
	for _, known := range reasonsByCode() {
		if slices.ContainsFunc(known.codes, func(c string) bool { return strings.EqualFold(c, code) }) {
			return known.reason
		}
	}
	if strings.Contains(strings.ToLower(code), "quota") {
		return Quota
	}
	return ""
}

type codes struct {
	reason Reason
	codes  []string
}

func reasonsByCode() []codes {
	return []codes{
		{Throttled, []string{
			"Throttled", "SubscriptionRequestsThrottled", "TooManyRequests", "TooManyRequestsReceived",
			"OperationsThrottled", "ResourceCollectionRequestsThrottled",
		}},
		{Conflict, []string{
			"OperationNotAllowed", "EtagMismatch", "AKSOperationPreempted", "Conflict", "PreconditionFailed",
			"OperationPreempted", "AnotherOperationInProgress", "ScopeLocked", "ResourceGroupBeingDeleted",
		}},
		{Quota, []string{
			"ErrCode_InsufficientVCPUQuota", "InsufficientVCPUQuota", "QuotaExceeded", "SkuNotAvailable",
			"ManagedClusterCountExceedsQuotaLimit", "AKSCapacityError", "AksCapacityHeavyUsage", "AllocationFailed",
			"ZonalAllocationFailed", "OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest",
			"PublicIPCountLimitReached", "InsufficientSubnetSize", "SubnetIsFull", "VMSizeNotSupported",
		}},
		{Denied, []string{
			"AuthorizationFailed", "LinkedAuthorizationFailed", "RequestDisallowedByPolicy", "Forbidden",
			"AuthenticationFailed", "InvalidAuthenticationToken", "ExpiredAuthenticationToken",
			"InvalidAuthenticationTokenTenant", "AuthenticationFailedMissingToken", "DisallowedProvider",
		}},
		{NotFound, []string{
			"ResourceNotFound", "NotFound", "ResourceGroupNotFound", "SubscriptionNotFound", "ParentResourceNotFound",
		}},
	}
}

// reasonOfStatus is the reason where no code tells one.
func reasonOfStatus(status int) Reason {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Denied
	case http.StatusNotFound:
		return NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return Conflict
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return Invalid
	}
	return Failed
}

// gone tells whether err says that the cluster, or the group it is in, is not
// there. A subscription that is not there is another matter.
func gone(err error) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && e.Reason == NotFound && !strings.EqualFold(e.Code, "SubscriptionNotFound")
}

// tasksContributor is the role for runs of ACR Tasks, and where it is given.
const tasksContributor = "Container Registry Tasks Contributor on the registry"

// rights is what to ask for after a refusal that names action.
func rights(message string) string {
	found := regexp.MustCompile(`(?i)action\(?s?\)?:? '([^']+)'`).FindStringSubmatch(message)
	if found == nil {
		return ""
	}
	for _, r := range []struct{ action, role string }{
		{"/listClusterUserCredential/action", "Azure Kubernetes Service Cluster User Role on the cluster"},
		{"/listClusterAdminCredential/action", "Azure Kubernetes Service Cluster Admin Role on the cluster"},
		{"/subnets/join/action", "Network Contributor on the subnet"},
		{"/roleAssignments/write", "Role Based Access Control Administrator on its scope"},
		{"/register/action", "Contributor on the subscription"},
		{"/listBuildSourceUploadUrl/action", tasksContributor},
		{"/scheduleRun/action", tasksContributor},
		{"/runs/listLogSasUrl/action", tasksContributor},
		{"/read", "Reader on the resource group"},
		{"", "Contributor on the resource group"},
	} {
		if strings.HasSuffix(strings.ToLower(found[1]), strings.ToLower(r.action)) {
			return "ask for the role " + r.role + ", which has the action " + found[1]
		}
	}
	return ""
}
