// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9/fake"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
)

// everything sets as many fields of the request as go together.
func everything() aks.ClusterOptions {
	o := asked()
	o.KubernetesVersion, o.GatewayAPI, o.Tags = "1.36", true, map[string]string{"team": "vision"}
	o.Nodes = aks.NodeOptions{
		Count: 3, VMSize: "Standard_D4s_v5", Profile: map[string]string{"scan-interval": "30s"},
		Autoscaler: aks.Autoscaler{Enabled: true, Min: ptr.To(3), Max: ptr.To(9)},
	}
	o.GPU = aks.GPUOptions{VMSize: "Standard_NC24ads_A100_v4", Count: 2, Driver: "none", Instance: "MIG3g"}
	o.Network = aks.NetworkOptions{
		SubnetID: subnetID, ServiceCIDR: "10.2.0.0/16", DNSServiceIP: "10.2.0.5", Dataplane: "cilium", LoadBalancerIPs: 2,
	}
	o.API.AuthorizedIPRanges = []string{"198.51.100.0/24"}
	o.Identity.Assigned, o.Identity.AdminGroups = identityID, []string{groupID}
	return o
}

// What is asked for arrives at the SDK's own server as it was asked for.
func TestRequestThroughTheSDKsServer(t *testing.T) {
	t.Parallel()
	o := everything()
	body, _, err := o.Build(known())
	if err != nil {
		t.Fatal(err)
	}
	var came acs.ManagedCluster
	var where aks.Target
	var none string
	server := &fake.ManagedClustersServer{BeginCreateOrUpdate: func(
		_ context.Context, group, name string, mc acs.ManagedCluster, o *acs.ManagedClustersClientBeginCreateOrUpdateOptions,
	) (resp azfake.PollerResponder[acs.ManagedClustersClientCreateOrUpdateResponse], errResp azfake.ErrorResponder) {
		came, where, none = mc, aks.Target{Subscription: subscription, ResourceGroup: group, Name: name}, ptr.Deref(o.IfNoneMatch, "")
		resp.SetTerminalResponse(http.StatusCreated, acs.ManagedClustersClientCreateOrUpdateResponse{ManagedCluster: mc}, nil)
		return resp, errResp
	}}
	client, err := acs.NewManagedClustersClient(subscription, &azfake.TokenCredential{}, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: fake.NewManagedClustersServerTransport(server)}})
	if err != nil {
		t.Fatal(err)
	}
	poller, err := client.BeginCreateOrUpdate(t.Context(), o.Target.ResourceGroup, o.Target.Name, body,
		&acs.ManagedClustersClientBeginCreateOrUpdateOptions{IfNoneMatch: ptr.To("*")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := poller.PollUntilDone(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if sent, got := asJSON(t, body), asJSON(t, came); sent != got {
		t.Errorf("sent %s, came %s", sent, got)
	}
	if where != o.Target || none != "*" {
		t.Errorf("asked for %v with If-None-Match %q", where, none)
	}
}

// What --dry-run prints is what the SDK would send.
func TestCreateRequestSendsNothing(t *testing.T) {
	t.Parallel()
	o := everything()
	body, _, err := o.Build(known())
	if err != nil {
		t.Fatal(err)
	}
	got, err := aks.CreateRequest(t.Context(), cloud.AzurePublic, o.Target, body)
	if err != nil {
		t.Fatal(err)
	}
	want := "https://management.azure.com" + o.Target.ID() + "?api-version=2026-04-01"
	if got.Method != http.MethodPut || got.URL != want || got.Headers["If-None-Match"] != "*" {
		t.Errorf("got %s %s %v", got.Method, got.URL, got.Headers)
	}
	if _, ok := got.Headers["Authorization"]; ok {
		t.Error("a token is printed")
	}
	var sent acs.ManagedCluster
	if err := json.Unmarshal(got.Body, &sent); err != nil {
		t.Fatal(err)
	}
	if a, b := asJSON(t, body), asJSON(t, sent); a != b {
		t.Errorf("built %s, printed %s", a, b)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
