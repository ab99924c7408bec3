// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/utils/ptr"
)

// creation is an answer to a request for a cluster.
type creation = runtime.Poller[acs.ManagedClustersClientCreateOrUpdateResponse]

// sends are the times that a cluster is asked for when no answer comes, each
// after a look that there is none.
const sends = 3

// Create makes the cluster that mc describes, or goes on where a run before was
// stopped: Azure is asked for the cluster once, whatever is lost on the way.
// With wait it returns when the cluster is ready, else as soon as Azure has
// begun. The operation is known to this machine from before the request until
// Forget, so that the cluster is not lost when what follows fails.
//
// Errors have the reason Conflict for a cluster that is there already, or that
// is being made with other settings; UnderWay when Azure goes on, or may.
func (c *Client) Create(ctx context.Context, t Target, mc acs.ManagedCluster, wait bool) (Cluster, error) {
	now, creating, err := c.begin(ctx, t, mc)
	if err != nil || !wait {
		return now, err
	}
	return c.followCreate(ctx, t, creating)
}

// begin has Azure begin with the cluster, if it has not. The poller is nil when
// only the cluster itself tells how far Azure is.
func (c *Client) begin(ctx context.Context, t Target, mc acs.ManagedCluster) (Cluster, *creation, error) {
	hash, err := hashRequest(mc)
	if err != nil {
		return Cluster{}, nil, err
	}
	unlock, err := c.lock(ctx, t)
	if err != nil {
		return Cluster{}, nil, c.explain(err, t)
	}
	defer unlock()
	o, known, err := c.Operation(t)
	if err != nil {
		return Cluster{}, nil, err
	}
	now, found, err := c.find(ctx, t)
	if err != nil {
		return Cluster{}, nil, err
	}
	same := known && o.Kind == OperationCreate && o.RequestSHA256 == hash
	switch {
	case found && (!known || o.Kind != OperationCreate || now.operation() != o.Tag):
		return Cluster{}, nil, c.alreadyThere(now, o)
	case found && !same:
		return Cluster{}, nil, c.otherSettings(now, o)
	case found:
		c.options.Tell("going on with the create of " + t.label() + " of " + o.StartedAt.Format(time.RFC3339))
		creating, err := c.resumeCreate(ctx, o, t)
		return now, creating, err
	case !same:
		o = Operation{
			Version: operationVersion, Kind: OperationCreate, Compute: c.options.Compute, ResourceID: t.ID(),
			ARMEndpoint: c.endpoint(), Tag: string(uuid.NewUUID()), RequestSHA256: hash,
			StartedAt: c.options.Clock.Now().UTC().Round(time.Second),
		}
	}
	o.resumeToken, o.After = "", c.options.After
	return c.put(ctx, t, mc, o)
}

// hashRequest tells one request from another. Maps are sorted in JSON.
func hashRequest(mc acs.ManagedCluster) (string, error) {
	text, err := json.Marshal(mc)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func (c *Client) alreadyThere(now Cluster, o Operation) error {
	if o.Kind == OperationDelete {
		return fail(Conflict, nil, "%s is being deleted (%s): wait for it with %s, then create it",
			now.label(), now.State, c.next("wait", now.Target))
	}
	return fail(Conflict, nil, "%s exists already (%s): use kubectl aml compute attach aks, or another name",
		now.label(), now.State)
}

func (c *Client) otherSettings(now Cluster, o Operation) error {
	next := "wait for it with " + c.next("wait", now.Target) + ", or delete it"
	switch {
	case now.failed():
		next = "delete it with " + c.next("delete", now.Target)
	case now.settled():
		next = "use kubectl aml compute attach aks, or another name"
	}
	return fail(Conflict, nil, "%s was asked for with other settings at %s and is %s: %s",
		now.label(), o.StartedAt.Format(time.RFC3339), now.State, next)
}

// put asks for the cluster. Only what Azure says it has not done is sent again:
// after an answer that got lost it is looked what is there.
func (c *Client) put(ctx context.Context, t Target, mc acs.ManagedCluster, o Operation) (Cluster, *creation, error) {
	if err := c.save(t, o); err != nil {
		return Cluster{}, nil, err
	}
	for n := 1; ; n++ {
		now, creating, err := c.putOnce(ctx, t, mc, o)
		switch {
		case err == nil:
			return now, creating, nil
		case refused(err) && n > 1: // what came before may have begun
			return Cluster{}, nil, c.explain(err, t)
		case refused(err):
			return Cluster{}, nil, c.notBegun(c.explain(err, t), t)
		case ctx.Err() != nil:
			return Cluster{}, nil, unknown(t, ctx.Err())
		}
		now, found, lookErr := c.find(ctx, t)
		switch {
		case lookErr != nil:
			return Cluster{}, nil, unknown(t, lookErr)
		case found && now.operation() == o.Tag:
			return now, nil, nil
		case found:
			return Cluster{}, nil, c.notBegun(c.alreadyThere(now, Operation{}), t)
		case conflicts(err):
			return Cluster{}, nil, c.notBegun(c.explain(err, t), t)
		case n == sends:
			return Cluster{}, nil, c.explain(err, t)
		case c.sleep(ctx, time.Duration(n)*c.options.RetryDelay) != nil:
			return Cluster{}, nil, unknown(t, ctx.Err())
		}
	}
}

// notBegun ends an operation that Azure refuses to begin: the next run starts
// from nothing.
func (c *Client) notBegun(why error, t Target) error {
	if err := c.Forget(t); err != nil {
		return fmt.Errorf("%w; and %w", why, err)
	}
	return why
}

// unknown is the error of a command that ended between a request and its answer.
func unknown(t Target, cause error) error {
	why, known := "there was no answer in time", (*Error)(nil)
	switch {
	case errors.Is(cause, context.Canceled):
		why = "stopped"
	case errors.As(cause, &known) && known.Reason == UnderWay:
		why = strings.TrimPrefix(known.what, t.label()+": ")
	case !errors.Is(cause, context.DeadlineExceeded):
		why = cause.Error()
	}
	return fail(UnderWay, cause,
		"%s: it is not known whether Azure has begun with it: %s: the same command again goes on", t.label(), why)
}

// putOnce sends one request, and again only what Azure was too busy for.
func (c *Client) putOnce(
	ctx context.Context, t Target, mc acs.ManagedCluster, o Operation,
) (Cluster, *creation, error) {
	clusters, err := c.clusters(t)
	if err != nil {
		return Cluster{}, nil, err
	}
	var answer *http.Response
	ctx = policy.WithCaptureResponse(c.busyOnly(ctx), &answer)
	creating, err := clusters.BeginCreateOrUpdate(ctx, t.ResourceGroup, t.Name, tagged(mc, o.Tag),
		&acs.ManagedClustersClientBeginCreateOrUpdateOptions{IfNoneMatch: ptr.To(anyTag)})
	if err != nil && !accepted(answer) {
		return Cluster{}, nil, err
	}
	now := c.answered(t, answer)
	if err != nil { // begun, and nothing in the answer says where to ask
		return now, nil, nil
	}
	token, err := creating.ResumeToken()
	if err != nil { // done already
		return now, creating, nil
	}
	if checkToken(token, o.Kind, t, c.endpoint()) != nil {
		return now, nil, nil // the cluster itself is asked
	}
	o.resumeToken = token
	return now, creating, c.save(t, o)
}

// busyOnly has a request sent again only where Azure was too busy for it: one
// without an answer may be done already.
func (c *Client) busyOnly(ctx context.Context) context.Context {
	retry := c.options.retry()
	retry.ShouldRetry = func(resp *http.Response, err error) bool {
		return err == nil && resp.StatusCode == http.StatusTooManyRequests
	}
	return policy.WithRetryOptions(ctx, retry)
}

// tagged is mc with the id of the operation.
func tagged(mc acs.ManagedCluster, tag string) acs.ManagedCluster {
	tags := map[string]*string{tagOperation: &tag}
	for k, v := range mc.Tags {
		if k != tagOperation {
			tags[k] = v
		}
	}
	mc.Tags = tags
	return mc
}

func accepted(answer *http.Response) bool {
	return answer != nil && answer.StatusCode >= 200 && answer.StatusCode < 300
}

// answered is the cluster in the answer to a request.
func (c *Client) answered(t Target, answer *http.Response) Cluster {
	var raw acs.ManagedCluster
	if answer != nil {
		if body, err := runtime.Payload(answer); err != nil || json.Unmarshal(body, &raw) != nil {
			raw = acs.ManagedCluster{}
		}
	}
	now := newCluster(t, raw)
	if now.State == "" {
		now.State = "Creating"
	}
	return now
}

// refused tells whether Azure has not begun for certain.
func refused(err error) bool {
	var (
		sign     *signInError
		slow     *throttledError
		response *azcore.ResponseError
	)
	if errors.As(err, &sign) || errors.As(err, &slow) {
		return true
	}
	return errors.As(err, &response) && response.StatusCode >= 400 && response.StatusCode < 500 &&
		response.StatusCode != http.StatusRequestTimeout && !conflicts(err)
}

// conflicts tells whether Azure found something in the way, which may be the
// same request, sent before.
func conflicts(err error) bool {
	response := (*azcore.ResponseError)(nil)
	return errors.As(err, &response) &&
		(response.StatusCode == http.StatusConflict || response.StatusCode == http.StatusPreconditionFailed)
}
