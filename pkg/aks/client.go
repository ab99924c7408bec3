// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/clock"
)

// Options say how Azure is reached.
type Options struct {
	Subscription string
	Credential   azcore.TokenCredential
	// Cloud is the one that CloudNamed gives; Azure's public one if empty.
	Cloud cloud.Configuration
	// Transport sends requests; nil for azcore's own.
	Transport policy.Transporter
	Clock     clock.WithTicker
	// Tell gets a line for people, such as a wait that Azure asked for.
	Tell func(line string)
	// Interval is the time between two looks at an operation; 15 s if 0. Azure
	// may ask for longer ones.
	Interval time.Duration
	// RetryDelay is the first of the waits before a request is sent again, which
	// grow; 0.8 s if 0. What Azure asks for goes before it.
	RetryDelay time.Duration
	// StateDir keeps the operations that are under way, CacheDir what Azure says
	// of VM sizes. Both are made when needed.
	StateDir, CacheDir string
	// Compute is the name that people know the cluster by: messages that say how
	// to go on use it. It is the cluster's own if empty.
	Compute string
	// After is kept with the operation that makes the cluster.
	After *After
}

// Client speaks to Azure's resource manager.
type Client struct {
	options Options
	arm     *arm.ClientOptions
	acs     *acs.ClientFactory
}

const (
	// longestWait is the longest wait that Azure may ask for: a bucket of AKS
	// fills by one request a minute.
	longestWait = 5 * time.Minute
	// attempt is how long one request may take.
	attempt = 2 * time.Minute
	// retries are the times a request is sent again: 21 s of a lost network.
	retries = 4
)

// New returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	o.Interval, o.RetryDelay = cmp.Or(o.Interval, 15*time.Second), cmp.Or(o.RetryDelay, 800*time.Millisecond)
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	if len(o.Cloud.Services) == 0 {
		o.Cloud = cloud.AzurePublic
	}
	endpoint, err := url.Parse(o.Cloud.Services[cloud.ResourceManager].Endpoint)
	if err != nil {
		return nil, err
	}
	plain := strings.EqualFold(endpoint.Scheme, "http")
	settings := &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud: o.Cloud, Transport: o.Transport,
			Telemetry:                       policy.TelemetryOptions{ApplicationID: "kubectl-aml"},
			Retry:                           o.retry(),
			InsecureAllowCredentialWithHTTP: plain,
			PerCallPolicies:                 []policy.Policy{callPolicy{}},
			PerRetryPolicies:                []policy.Policy{tellPolicy{clock: o.Clock, tell: o.Tell}},
		},
		// It signs in by itself, only over TLS, and its error would hide Azure's.
		DisableRPRegistration: plain,
	}
	factory, err := acs.NewClientFactory(o.Subscription, o.Credential, settings)
	if err != nil {
		return nil, err
	}
	return &Client{options: o, arm: settings, acs: factory}, nil
}

func (o Options) retry() policy.RetryOptions {
	return policy.RetryOptions{
		MaxRetries: retries, MaxRetryDelay: longestWait, RetryDelay: o.RetryDelay, TryTimeout: attempt,
	}
}

// clusters is the client for the subscription of t.
func (c *Client) clusters(t Target) (*acs.ManagedClustersClient, error) {
	if strings.EqualFold(t.Subscription, c.options.Subscription) {
		return c.acs.NewManagedClustersClient(), nil
	}
	return acs.NewManagedClustersClient(t.Subscription, c.options.Credential, c.arm)
}

// ARM are the settings of a client of Azure's SDK that speaks to the resource
// manager as c does: where, as whom, and how often it tries.
func (c *Client) ARM() (azcore.TokenCredential, *arm.ClientOptions) {
	return c.options.Credential, c.arm
}

// endpoint is where Azure's resource manager is, without a slash at its end.
func (c *Client) endpoint() string {
	return strings.TrimSuffix(c.options.Cloud.Services[cloud.ResourceManager].Endpoint, "/")
}

// next are the words that go on with what was begun on t.
func (c *Client) next(verb string, t Target) string {
	words := []string{"kubectl aml compute", verb, "-n", cmp.Or(c.options.Compute, t.Name)}
	return strings.Join(append(words, c.cloudFlag()...), " ")
}
