// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
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
	Cloud        cloud.Configuration
	// Transport sends requests; nil for azcore's own.
	Transport policy.Transporter
	Clock     clock.WithTicker
	// Tell gets a line for people, such as a wait that Azure asked for.
	Tell func(line string)
	// Interval is the time between two looks at an operation; 15 s if 0. Azure
	// may ask for longer ones.
	Interval time.Duration
	// StateDir keeps the operations that are under way, CacheDir what Azure says
	// of VM sizes. Both are made when needed.
	StateDir, CacheDir string
}

// Client speaks to Azure's resource manager.
type Client struct {
	options Options
	arm     *arm.ClientOptions
	acs     *acs.ClientFactory
}

// New returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	settings := &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Cloud: o.Cloud, Transport: o.Transport,
		Telemetry: policy.TelemetryOptions{ApplicationID: "kubectl-aml"},
		// Azure asks for waits of minutes; longer than this, azcore does not wait at all.
		Retry: policy.RetryOptions{MaxRetryDelay: 5 * time.Minute},
	}}
	factory, err := acs.NewClientFactory(o.Subscription, o.Credential, settings)
	if err != nil {
		return nil, err
	}
	return &Client{options: o, arm: settings, acs: factory}, nil
}
