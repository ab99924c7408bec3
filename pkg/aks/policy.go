// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"k8s.io/utils/clock"
)

// call is what the tries of one request share.
type call struct {
	deadline time.Time // of the command, not of one try
	tries    int
}

// callPolicy begins a call.
type callPolicy struct{}

// Do implements policy.Policy.
func (callPolicy) Do(req *policy.Request) (*http.Response, error) {
	c := &call{}
	c.deadline, _ = req.Raw().Context().Deadline()
	req.SetOperationValue(c)
	return req.Next()
}

// tellPolicy says what a command waits for that Azure asked for, and ends what
// would wait for longer than the command may take.
type tellPolicy struct {
	clock clock.PassiveClock
	tell  func(string)
}

// Do implements policy.Policy.
func (p tellPolicy) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil {
		return resp, err
	}
	p.registration(req, resp)
	if resp.StatusCode != http.StatusTooManyRequests {
		return resp, nil
	}
	c := &call{}
	req.OperationValue(&c)
	c.tries++
	wait := retryAfter(resp, p.clock)
	switch {
	case wait == 0 && c.tries <= retries:
		p.tell("throttled by Azure, trying again")
	case wait > longestWait || c.tries > retries:
		// It goes up as it is.
	case !c.deadline.IsZero() && wait > c.deadline.Sub(p.clock.Now()):
		runtime.Drain(resp)
		return nil, &throttledError{wait}
	default:
		p.tell(fmt.Sprintf("throttled by Azure, waiting %s s", seconds(wait)))
	}
	return resp, nil
}

// registration tells of what azcore does by itself in a subscription that has
// not used AKS before.
func (p tellPolicy) registration(req *policy.Request, resp *http.Response) {
	if req.Raw().Method != http.MethodPost || resp.StatusCode >= http.StatusBadRequest {
		return
	}
	path, found := strings.CutSuffix(req.Raw().URL.Path, "/register")
	if !found {
		return
	}
	p.tell("the subscription has not used " + path[strings.LastIndexByte(path, '/')+1:] +
		" before: registered it, which Azure takes some minutes for")
}

// throttledError is for a wait that is longer than the command may take.
type throttledError struct{ wait time.Duration }

func (e *throttledError) Error() string {
	return fmt.Sprintf("Azure is throttling and asks to wait %s s", seconds(e.wait))
}

// NonRetriable keeps azcore from waiting.
func (*throttledError) NonRetriable() {}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// retryAfter is how long resp asks to wait; 0 if it does not.
func retryAfter(resp *http.Response, now clock.PassiveClock) time.Duration {
	if resp == nil {
		return 0
	}
	for header, unit := range map[string]time.Duration{
		"Retry-After-Ms": time.Millisecond, "X-Ms-Retry-After-Ms": time.Millisecond, "Retry-After": time.Second,
	} {
		if n, err := strconv.ParseUint(resp.Header.Get(header), 10, 31); err == nil && n > 0 {
			return time.Duration(n) * unit
		}
	}
	if at, err := http.ParseTime(resp.Header.Get("Retry-After")); err == nil {
		return max(0, at.Sub(now.Now()).Round(time.Second))
	}
	return 0
}
