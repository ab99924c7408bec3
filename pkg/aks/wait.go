// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
)

// Wait goes on with what is under way on t: an operation that this machine
// knows of, else what the cluster itself says. It returns the cluster when it is
// ready, with the state StateDeleted when it was deleted. Errors are those of
// Create and Delete; NotFound when there is no cluster and nothing under way.
func (c *Client) Wait(ctx context.Context, t Target) (Cluster, error) {
	o, known, err := c.Operation(t)
	switch {
	case err != nil:
		return Cluster{}, err
	case known && o.Kind == OperationDelete:
		return Cluster{Target: t, State: StateDeleted}, c.resumeDelete(ctx, o, t)
	case known:
		return c.waitCreate(ctx, o, t)
	}
	return c.followState(ctx, t, c.progress(t, ""))
}

func (c *Client) waitCreate(ctx context.Context, o Operation, t Target) (Cluster, error) {
	now, found, err := c.find(ctx, t)
	switch {
	case err != nil:
		return Cluster{}, err
	case !found:
		return Cluster{}, fail(NotFound, nil,
			"%s: the create of %s has not reached Azure, or the cluster was deleted since: create it again",
			t.label(), o.StartedAt.Format(time.RFC3339))
	case now.operation() != o.Tag:
		return Cluster{}, c.alreadyThere(now, Operation{})
	}
	creating, err := c.resumeCreate(ctx, o, t)
	if err != nil {
		return Cluster{}, err
	}
	return c.followCreate(ctx, t, creating)
}

// resumeCreate is the poller that o has the token of; nil if it has none.
func (c *Client) resumeCreate(ctx context.Context, o Operation, t Target) (*creation, error) {
	if o.resumeToken == "" {
		return nil, nil
	}
	clusters, err := c.clusters(t)
	if err != nil {
		return nil, err
	}
	return clusters.BeginCreateOrUpdate(ctx, t.ResourceGroup, t.Name, acs.ManagedCluster{},
		&acs.ManagedClustersClientBeginCreateOrUpdateOptions{ResumeToken: o.resumeToken})
}

// followCreate waits for a create to end.
func (c *Client) followCreate(ctx context.Context, t Target, creating *creation) (Cluster, error) {
	progress := c.progress(t, OperationCreate)
	if creating == nil {
		return c.followState(ctx, t, progress)
	}
	got, err := follow(ctx, c, t, progress, creating)
	if errors.Is(err, errLost) {
		return c.followState(ctx, t, progress)
	}
	if err != nil {
		return Cluster{}, err
	}
	return newCluster(t, got.ManagedCluster), nil
}

// errLost is for an operation that Azure does not know any more.
var errLost = errors.New("the operation is not known any more")

// follow polls an operation until it ends, and tells its state.
func follow[T any](
	ctx context.Context, c *Client, t Target, progress *progress, p *runtime.Poller[T],
) (result T, err error) {
	for !p.Done() {
		resp, err := p.Poll(ctx) //nolint:bodyclose // azcore has read and closed it
		if err != nil {
			return result, c.explainPoll(ctx, err, t, progress.state)
		}
		progress.is(stateOf(resp))
		if p.Done() {
			break
		}
		wait := retryAfter(resp, c.options.Clock)
		if wait == 0 {
			wait = c.options.Interval
		}
		if c.sleep(ctx, wait) != nil {
			return result, c.stopped(ctx, t, progress.state)
		}
	}
	result, err = p.Result(ctx)
	response := (*azcore.ResponseError)(nil)
	switch {
	case err == nil:
		return result, nil
	// What the final look at the cluster ends with is no end of the operation.
	case errors.As(err, &response) && response.StatusCode < http.StatusMultipleChoices:
		return result, c.failed(readProblem(response), t, progress.kind)
	case errors.As(err, &response):
		return result, errLost
	}
	return result, c.explainPoll(ctx, err, t, progress.state)
}

// explainPoll is what a look at an operation ended with. The operation goes on.
func (c *Client) explainPoll(ctx context.Context, err error, t Target, state string) error {
	response := (*azcore.ResponseError)(nil)
	if ctx.Err() != nil {
		return c.stopped(ctx, t, state)
	}
	if errors.As(err, &response) &&
		(response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusGone) {
		return errLost
	}
	e := (*Error)(nil)
	if !errors.As(c.explain(err, t), &e) {
		e = fail(UnderWay, err, "%s: %s", t.label(), unreachable(err))
	}
	wait := "wait for it with " + c.next("wait", t)
	switch e.Reason {
	case Denied:
		return fail(Denied, err, "%s, then %s: Azure goes on with it", e.Message, wait)
	case Throttled:
		return fail(Throttled, err, "%s: Azure goes on with it: %s later", e.what, wait)
	}
	return fail(UnderWay, err, "%s: Azure goes on with it: %s", e.what, wait)
}

// followState looks at the cluster itself until Azure is done with it.
func (c *Client) followState(ctx context.Context, t Target, progress *progress) (Cluster, error) {
	for {
		now, err := c.Get(ctx, t)
		switch {
		case ctx.Err() != nil:
			return Cluster{}, c.stopped(ctx, t, progress.state)
		case gone(err) && strings.EqualFold(progress.state, stateDeleting):
			return Cluster{Target: t, State: StateDeleted}, nil
		case gone(err):
			return Cluster{}, err
		case err != nil:
			return Cluster{}, c.explainPoll(ctx, err, t, progress.state)
		}
		progress.is(now.State)
		if now.failed() {
			return Cluster{}, c.failure(now, progress.kind)
		}
		if now.settled() {
			return now, nil
		}
		if c.sleep(ctx, c.options.Interval) != nil {
			return Cluster{}, c.stopped(ctx, t, progress.state)
		}
	}
}

// stopped is the error of a command that was stopped while Azure goes on.
func (c *Client) stopped(ctx context.Context, t Target, state string) error {
	if state != "" {
		state = " (" + state + ")"
	}
	why := "stopped waiting"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = "not ready in time"
	}
	return fail(UnderWay, ctx.Err(), "%s: %s%s: Azure goes on with it: wait for it with %s",
		t.label(), why, state, c.next("wait", t))
}

func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-c.options.Clock.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progress tells of an operation: each new state, and once a minute that it
// goes on.
type progress struct {
	c           *Client
	label       string
	kind        string // of the operation, empty if it was not begun here
	start, told time.Time
	state       string
}

func (c *Client) progress(t Target, kind string) *progress {
	return &progress{c: c, label: "cluster " + t.Name, kind: kind, start: c.options.Clock.Now()}
}

func (p *progress) is(state string) {
	now := p.c.options.Clock.Now()
	if state == p.state && now.Sub(p.told) < time.Minute {
		return
	}
	p.state, p.told = state, now
	p.c.options.Tell(fmt.Sprintf("%s: %s, %s so far", p.label, state, now.Sub(p.start).Round(time.Second)))
}

// stateOf is Azure's word for how far an operation is.
func stateOf(resp *http.Response) string {
	var body struct {
		Status     string `json:"status"`
		Properties struct {
			ProvisioningState string `json:"provisioningState"`
		} `json:"properties"`
	}
	text, err := runtime.Payload(resp)
	switch {
	case err != nil || json.Unmarshal(text, &body) != nil || body.Status == "" && body.Properties.ProvisioningState == "":
		return "InProgress"
	case body.Status == "":
		return body.Properties.ProvisioningState
	}
	return body.Status
}
