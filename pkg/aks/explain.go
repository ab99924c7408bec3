// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
)

// explain is Explain about t.
func (c *Client) explain(err error, t Target) error { return c.Explain(err, t.label()) }

// Explain makes an *Error of what a request about what ended with. azcore's own
// text is many lines; its error of an operation that failed has the status 200.
// Errors that are explained already, and the end of ctx, stay what they are.
func (c *Client) Explain(err error, what string) error {
	var (
		known    *Error
		slow     *throttledError
		sign     *signInError
		response *azcore.ResponseError
	)
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled):
		return context.Canceled // the address of the request is nobody's matter
	case errors.As(err, &slow):
		return fail(Throttled, err, "%s: %s, which is longer than the time left", what, slow).
			then("run the command again then")
	case errors.As(err, &sign):
		return fail(Denied, err, "%s", sign)
	case errors.As(err, &response):
		return c.explainResponse(response, what)
	case errors.Is(err, context.DeadlineExceeded):
		return fail(UnderWay, err, "%s: Azure did not answer in time", what).then("run the command again")
	}
	return fail(UnderWay, err, "%s: Azure cannot be reached (%s)", what, unreachable(err)).
		then("run the command again")
}

// unreachable is the innermost part of what a connection ended with, without
// the address: that of an operation is a secret.
func unreachable(err error) string {
	var (
		at  *url.Error
		dns *net.DNSError
	)
	if errors.As(err, &dns) {
		return "no address of " + dns.Name
	}
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

func (c *Client) explainResponse(response *azcore.ResponseError, what string) error {
	body := readProblem(response)
	reason := body.reason()
	if reason == "" {
		reason = reasonOfStatus(response.StatusCode)
	}
	inner := body.innermost()
	e := fail(reason, response, "%s: %s", what, inner.text())
	e.Code = inner.Code
	if e.Code == "" {
		e.Code = response.ErrorCode
	}
	next := ""
	switch {
	case reason == Throttled:
		next = "run the command again later"
		if wait := retryAfter(response.RawResponse, c.options.Clock); wait > 0 {
			e.what += ": Azure asks to wait " + seconds(wait) + " s"
			next = "run the command again then"
		}
	case response.StatusCode == http.StatusUnauthorized:
		next = "the token of " + tried(c.options.Credential) + " was not taken: sign in again, such as with az login"
	case reason == Denied:
		next = rights(inner.Message)
	}
	return e.then(next)
}

// label names t in messages: a cluster, or the subscription if it names no more.
func (t Target) label() string {
	if t.Name == "" {
		return "subscription " + t.Subscription
	}
	return "cluster " + t.Name + " in resource group " + t.ResourceGroup
}

// problem is the body of an error, as the resource manager wraps it and as AKS
// does not.
type problem struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Target  string          `json:"target"`
	Details json.RawMessage `json:"details"`
}

// readProblem reads the body of a response; what is missing there is taken from
// its head.
func readProblem(response *azcore.ResponseError) problem {
	p := problem{Code: response.ErrorCode}
	if response.RawResponse == nil || response.RawResponse.Body == nil {
		return p
	}
	body, err := runtime.Payload(response.RawResponse)
	if err != nil {
		return p
	}
	read := parseProblem(body)
	if read.Code == "" {
		read.Code = p.Code
	}
	if read.Message == "" {
		read.Message = http.StatusText(response.StatusCode)
	}
	return read
}

// parseProblem reads {"error":{…}} and {…}; of anything else it keeps the text.
func parseProblem(body []byte) problem {
	var (
		wrapped struct {
			Error json.RawMessage `json:"error"`
		}
		p problem
	)
	inner := body
	if json.Unmarshal(body, &wrapped) == nil && bytes.HasPrefix(bytes.TrimSpace(wrapped.Error), []byte("{")) {
		inner = wrapped.Error
	}
	if json.Unmarshal(inner, &p) == nil {
		return p
	}
	// A page of a proxy, or a body that is cut off.
	text := fold(string(body))
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return problem{Message: text}
}

// details are the problems inside of p.
func (p problem) details() []problem {
	var inner []problem
	if json.Unmarshal(p.Details, &inner) != nil {
		return nil
	}
	return inner
}

// innermost is the problem that the others come from: the first one with a
// message that is deepest inside.
func (p problem) innermost() problem {
	for _, d := range p.details() {
		if inner := d.innermost(); inner.Message != "" {
			if inner.Code == "" {
				inner.Code = p.Code
			}
			return inner
		}
	}
	return p
}

// reason is that of the innermost code that has one.
func (p problem) reason() Reason {
	for _, d := range p.details() {
		if r := d.reason(); r != "" {
			return r
		}
	}
	return reasonOfCode(p.Code, p.Message)
}

func (p problem) text() string {
	message := strings.TrimRight(fold(p.Message), ".: ")
	switch {
	case message == "":
		return "Azure says " + p.Code
	case p.Code == "" || strings.Contains(message, p.Code):
		return message
	}
	return message + " (" + p.Code + ")"
}

// failure is the error of a cluster whose operation failed, for one whose
// operation is not known any more.
func (c *Client) failure(now Cluster, kind string) error {
	p := problem{Code: now.State, Message: "Azure gives no reason"}
	if raw := now.Raw.Properties; raw != nil && raw.Status != nil && raw.Status.ProvisioningError != nil {
		p = newProblem(*raw.Status.ProvisioningError)
	}
	return c.failed(p, now.Target, kind)
}

// failed is the error of an operation that Azure ended; kind is empty for one
// that was not begun here.
func (c *Client) failed(p problem, t Target, kind string) error {
	reason, inner := p.reason(), p.innermost()
	if reason != Quota && reason != Denied {
		reason = Failed
	}
	what, next := "the last operation on it failed", "see it with "+c.next("show", t)
	switch kind {
	case OperationCreate:
		what = "it failed"
		next = "what there is of it stays: remove it with " + c.next("delete", t) + ", then create it again"
	case OperationDelete:
		what, next = "the delete failed", "what is left of it stays: run "+c.next("delete", t)+" again"
	}
	e := fail(reason, nil, "%s: %s: %s", t.label(), what, inner.text())
	e.Code = inner.Code
	return e.then(next)
}

func newProblem(d acs.ErrorDetail) problem {
	p := problem{Code: value(d.Code), Message: value(d.Message), Target: value(d.Target)}
	var inner []problem
	for _, detail := range d.Details {
		if detail != nil {
			inner = append(inner, newProblem(*detail))
		}
	}
	// Strings always marshal.
	p.Details, _ = json.Marshal(inner)
	return p
}
