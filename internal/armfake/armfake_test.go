// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

type static struct{}

func (static) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: clock.RealClock{}.Now().Add(time.Hour)}, nil
}

func (s *Server) sdk(t *testing.T) *acs.ClientFactory {
	t.Helper()
	o := &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: s.Client(), Retry: policy.RetryOptions{RetryDelay: time.Millisecond},
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Audience: "https://management.azure.com", Endpoint: s.URL}}},
	}}
	f, err := acs.NewClientFactory(Subscription, static{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var none = &acs.ManagedClustersClientBeginCreateOrUpdateOptions{IfNoneMatch: ptr.To("*")}

func small() acs.ManagedCluster {
	return acs.ManagedCluster{Location: ptr.To("eastus"), Properties: &acs.ManagedClusterProperties{
		NetworkProfile: &acs.NetworkProfile{LoadBalancerSKU: ptr.To(acs.LoadBalancerSKUStandard)},
		AgentPoolProfiles: []*acs.ManagedClusterAgentPoolProfile{
			{Name: ptr.To("system"), Count: ptr.To[int32](3), VMSize: ptr.To("Standard_D4s_v5")}},
	}}
}

// code is Azure's code for err.
func code(err error) string {
	if r := (*azcore.ResponseError)(nil); errors.As(err, &r) {
		return r.ErrorCode
	}
	return ""
}

// The SDK makes a cluster, reads it, gets its credentials and deletes it.
func TestTheSDKTakesItForAzure(t *testing.T) {
	t.Parallel()
	s := New(t, Options{Kubeconfig: []byte("a kubeconfig"), Unregistered: true})
	clusters, ctx := s.sdk(t).NewManagedClustersClient(), t.Context()
	if _, err := clusters.Get(ctx, "ml", "prod", nil); code(err) != "ResourceNotFound" {
		t.Fatalf("there is a cluster: %v", err)
	}
	p, err := clusters.BeginCreateOrUpdate(ctx, "ml", "prod", small(), none)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.PollUntilDone(ctx, nil)
	if err != nil || *got.Properties.ProvisioningState != "Succeeded" {
		t.Fatalf("created %+v: %v", got.ManagedCluster, err)
	}
	if *got.Properties.NetworkProfile.LoadBalancerSKU != "Standard" || !strings.Contains(*got.ID, "/resourcegroups/") {
		t.Errorf("writes its words as nobody else: %s, %s", *got.Properties.NetworkProfile.LoadBalancerSKU, *got.ID)
	}
	if _, err := clusters.BeginCreateOrUpdate(ctx, "ML", "Prod", small(), none); code(err) != "PreconditionFailed" {
		t.Errorf("made it a second time: %v", err)
	}
	c, err := clusters.ListClusterUserCredentials(ctx, "ml", "prod", nil)
	if err != nil || string(c.Kubeconfigs[0].Value) != "a kubeconfig" {
		t.Errorf("handed out %+v: %v", c, err)
	}
	d, err := clusters.BeginDelete(ctx, "ml", "prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.PollUntilDone(ctx, nil); err != nil {
		t.Error(err)
	}
	if state := s.State("ml", "prod"); state != "" || s.Count(Register) != 1 || s.Count(PutCluster) != 3 {
		t.Errorf("state %q, requests %+v", state, s.Requests())
	}
}

func TestFaultsComeOnceAndInTurn(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	clusters, ctx := s.sdk(t).NewManagedClustersClient(), t.Context()
	s.Fault(
		Fault{Match: PutCluster, Status: http.StatusTooManyRequests, Headers: map[string]string{"Retry-After": "1"},
			Body: `{"code":"Throttled","message":"Slow down."}`},
		Fault{Match: PutCluster, DropAfter: true},
	)
	// azcore sends it a third time, after the second has made the cluster.
	if _, err := clusters.BeginCreateOrUpdate(ctx, "ml", "prod", small(), none); code(err) != "PreconditionFailed" {
		t.Errorf("ended with %v", err)
	}
	if n := s.Count(PutCluster); n != 3 || s.State("ml", "prod") != "Creating" {
		t.Errorf("%d requests, state %s", n, s.State("ml", "prod"))
	}
	s.Finish()
	s.Fail("QuotaExceeded", "Too many.")
	p, err := clusters.BeginCreateOrUpdate(ctx, "ml", "other", small(), none)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.PollUntilDone(ctx, nil); code(err) != "QuotaExceeded" || s.State("ml", "other") != "Failed" {
		t.Errorf("ended with %v", err)
	}
}

func TestPoolsAreAddedAndDeleted(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.Put("ml", "prod", nil)
	pools, ctx := s.sdk(t).NewAgentPoolsClient(), t.Context()
	p, err := pools.BeginCreateOrUpdate(ctx, "ml", "prod", "gpu", acs.AgentPool{
		Properties: &acs.ManagedClusterAgentPoolProfileProperties{Count: ptr.To[int32](2)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pools.BeginDelete(ctx, "ml", "prod", "gpu", nil); code(err) != "OperationNotAllowed" {
		t.Errorf("deleted while it is made: %v", err)
	}
	got, err := p.PollUntilDone(ctx, nil)
	if err != nil || *got.Properties.Count != 2 {
		t.Fatalf("added %+v: %v", got, err)
	}
	d, err := pools.BeginDelete(ctx, "ml", "prod", "gpu", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.PollUntilDone(ctx, nil); err != nil {
		t.Error(err)
	}
	if _, err := pools.Get(ctx, "ml", "prod", "gpu", nil); code(err) != "NotFound" {
		t.Errorf("it is still there: %v", err)
	}
}

func TestWithoutATokenNothingIsAnswered(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.Put("ml", "prod", nil)
	path := "/subscriptions/" + Subscription + "/resourceGroups/ml/providers/Microsoft.ContainerService/managedClusters/prod"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path+"?api-version=2026-04-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || s.Requests()[0].Authorized {
		t.Errorf("answered %s", answer.Status)
	}
}
