// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
)

// deletion is an answer to a request to delete a cluster.
type deletion = runtime.Poller[acs.ManagedClustersClientDeleteResponse]

// Delete deletes a cluster, or goes on with a delete that is under way. With
// wait it returns when the cluster is gone, else as soon as Azure has begun. A
// cluster that is not there is no error. Nothing is asked of anybody here.
func (c *Client) Delete(ctx context.Context, t Target, wait bool) error {
	o, deleting, err := c.beginDelete(ctx, t)
	if err != nil || o.Kind == "" || !wait {
		return err
	}
	return c.followDelete(ctx, t, deleting)
}

// beginDelete has Azure begin, if it has not. Without an operation there is
// nothing to wait for.
func (c *Client) beginDelete(ctx context.Context, t Target) (Operation, *deletion, error) {
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return Operation{}, nil, c.explain(err, t)
	}
	defer unlock()
	o, known, err := c.Operation(t)
	if err != nil {
		return o, nil, err
	}
	if !known {
		return c.askDelete(ctx, t)
	}
	now, found, err := c.find(ctx, t)
	switch {
	case err != nil:
		return Operation{}, nil, err
	case !found && o.Kind == OperationDelete:
		return Operation{}, nil, c.Forget(t)
	case found && o.Kind == OperationDelete && strings.EqualFold(now.State, stateDeleting):
		deleting, err := c.resumeDeletion(ctx, o, t)
		return o, deleting, err
	case found && o.Kind == OperationCreate && now.operation() != o.Tag:
		return Operation{}, nil, fail(Conflict, nil, "%s is there (%s) and not the one whose create was begun here: "+
			"it is not deleted: attach it with kubectl aml compute attach aks, or use az aks delete", t.label(), now.State)
	}
	return c.askDelete(ctx, t)
}

// DeleteGoesOn tells whether a delete that was begun from this machine is not
// over: the cluster is being deleted, or failed to be, or is gone and nobody has
// seen it. A delete that is over is forgotten; what is there may be a cluster of
// the same name that was made since.
func (c *Client) DeleteGoesOn(ctx context.Context, t Target) (bool, error) {
	o, known, err := c.Operation(t)
	if err != nil || !known || o.Kind != OperationDelete {
		return false, err
	}
	now, found, err := c.find(ctx, t)
	if err != nil || !found || now.failed() || strings.EqualFold(now.State, stateDeleting) {
		return err == nil, err
	}
	return false, c.Forget(t)
}

// askDelete asks for the delete, and keeps that it has begun.
func (c *Client) askDelete(ctx context.Context, t Target) (Operation, *deletion, error) {
	clusters, err := c.clusters(t)
	if err != nil {
		return Operation{}, nil, err
	}
	var answer *http.Response
	deleting, err := clusters.BeginDelete(policy.WithCaptureResponse(ctx, &answer), t.ResourceGroup, t.Name, nil)
	switch {
	case err != nil && gone(c.explain(err, t)), accepted(answer) && answer.StatusCode == http.StatusNoContent:
		return Operation{}, nil, c.Forget(t)
	case err == nil:
	case accepted(answer), conflicts(err) && c.deleting(ctx, t):
		deleting = nil // the cluster itself is asked
	case ctx.Err() != nil:
		return Operation{}, nil, fail(UnderWay, ctx.Err(),
			"%s: it is not known whether Azure has begun to delete it: run %s again", t.label(), c.next("delete", t))
	default:
		return Operation{}, nil, c.explain(err, t)
	}
	o := Operation{
		Version: operationVersion, Kind: OperationDelete, Compute: c.options.Compute, ResourceID: t.ID(),
		ARMEndpoint: c.endpoint(), StartedAt: c.options.Clock.Now().UTC().Round(time.Second),
	}
	if deleting != nil {
		o.resumeToken, err = deleting.ResumeToken()
		if err != nil || checkToken(o.resumeToken, o.Kind, t, c.endpoint()) != nil {
			o.resumeToken, deleting = "", nil
		}
	}
	return o, deleting, c.save(t, o)
}

// deleting tells whether what is in the way of a delete is a delete: that of a
// request whose answer got lost, or somebody else's.
func (c *Client) deleting(ctx context.Context, t Target) bool {
	now, found, err := c.find(ctx, t)
	return err == nil && found && strings.EqualFold(now.State, stateDeleting)
}

// resumeDeletion is the poller that o has the token of; nil if it has none.
func (c *Client) resumeDeletion(ctx context.Context, o Operation, t Target) (*deletion, error) {
	if o.resumeToken == "" {
		return nil, nil
	}
	clusters, err := c.clusters(t)
	if err != nil {
		return nil, err
	}
	return clusters.BeginDelete(ctx, t.ResourceGroup, t.Name,
		&acs.ManagedClustersClientBeginDeleteOptions{ResumeToken: o.resumeToken})
}

// resumeDelete waits for a delete that a run before has begun.
func (c *Client) resumeDelete(ctx context.Context, o Operation, t Target) error {
	deleting, err := c.resumeDeletion(ctx, o, t)
	if err != nil {
		return err
	}
	return c.followDelete(ctx, t, deleting)
}

// followDelete waits until the cluster is gone.
func (c *Client) followDelete(ctx context.Context, t Target, deleting *deletion) error {
	progress := c.progress(t, OperationDelete)
	if deleting != nil {
		_, err := follow(ctx, c, t, progress, deleting)
		if err == nil {
			return c.Forget(t)
		}
		if !errors.Is(err, errLost) {
			return err
		}
	}
	now, err := c.followState(ctx, t, progress)
	switch {
	case err == nil && now.State != StateDeleted:
		return fail(Failed, nil, "%s is there and %s: the delete did not happen: run %s again",
			t.label(), now.State, c.next("delete", t))
	case err == nil || gone(err):
		return c.Forget(t)
	}
	return err
}
