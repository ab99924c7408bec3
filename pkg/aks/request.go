// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

// Request is what would be sent to Azure.
type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// CreateRequest is the request for a cluster as Azure's SDK writes it. Nothing is
// sent, and nobody signs in.
func CreateRequest(ctx context.Context, where cloud.Configuration, t Target, mc acs.ManagedCluster) (Request, error) {
	var caught catcher
	client, err := acs.NewManagedClustersClient(t.Subscription, nobody{}, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud: where, Transport: &caught, Retry: policy.RetryOptions{MaxRetries: -1}},
		DisableRPRegistration: true,
	})
	if err != nil {
		return Request{}, err
	}
	_, err = client.BeginCreateOrUpdate(ctx, t.ResourceGroup, t.Name, mc,
		&acs.ManagedClustersClientBeginCreateOrUpdateOptions{IfNoneMatch: ptr.To(anyTag)})
	if !errors.Is(err, errCaught) {
		return Request{}, err
	}
	return caught.request, nil
}

// anyTag is the If-None-Match of a request for something that must not be there yet.
const anyTag = "*"

var errCaught = errors.New("the request is not sent")

// catcher keeps the request that it is given, and sends nothing.
type catcher struct{ request Request }

func (c *catcher) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.request = Request{Method: r.Method, URL: r.URL.String(), Body: body, Headers: map[string]string{}}
	// The SDK writes some names in small letters.
	for name, values := range r.Header {
		if name = http.CanonicalHeaderKey(name); name == "Content-Type" || name == "If-None-Match" {
			c.request.Headers[name] = values[0]
		}
	}
	return nil, errCaught
}

// nobody signs nobody in: its token goes nowhere.
type nobody struct{}

func (nobody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "none", ExpiresOn: time.Unix(1<<40, 0)}, nil
}
