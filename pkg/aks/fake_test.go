// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"net/http"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9/fake"
	"k8s.io/utils/ptr"
)

// sdkServer is the SDK's own fake: it reads requests as the service's
// description has them, so that what it gets is what Azure gets.
type sdkServer struct {
	puts    []acs.ManagedCluster
	groups  []string
	matches []string
	cluster *acs.ManagedCluster
	deletes int
}

func (s *sdkServer) server() fake.ManagedClustersServer {
	return fake.ManagedClustersServer{
		Get: func(
			context.Context, string, string, *acs.ManagedClustersClientGetOptions,
		) (resp azfake.Responder[acs.ManagedClustersClientGetResponse], err azfake.ErrorResponder) {
			if s.cluster == nil {
				err.SetResponseError(http.StatusNotFound, "ResourceNotFound")
				return resp, err
			}
			resp.SetResponse(http.StatusOK, acs.ManagedClustersClientGetResponse{ManagedCluster: *s.cluster}, nil)
			return resp, err
		},
		BeginCreateOrUpdate: func(
			_ context.Context, group, name string, mc acs.ManagedCluster,
			o *acs.ManagedClustersClientBeginCreateOrUpdateOptions,
		) (resp azfake.PollerResponder[acs.ManagedClustersClientCreateOrUpdateResponse], err azfake.ErrorResponder) {
			s.puts, s.groups = append(s.puts, mc), append(s.groups, group+"/"+name)
			s.matches = append(s.matches, value(o.IfNoneMatch))
			made := mc
			p := *mc.Properties
			p.ProvisioningState = ptr.To(StateSucceeded)
			made.Properties = &p
			s.cluster = &made
			resp.AddNonTerminalResponse(http.StatusCreated, nil)
			resp.AddNonTerminalResponse(http.StatusOK, nil)
			resp.SetTerminalResponse(http.StatusOK, acs.ManagedClustersClientCreateOrUpdateResponse{ManagedCluster: made}, nil)
			return resp, err
		},
		BeginDelete: func(
			context.Context, string, string, *acs.ManagedClustersClientBeginDeleteOptions,
		) (resp azfake.PollerResponder[acs.ManagedClustersClientDeleteResponse], err azfake.ErrorResponder) {
			s.deletes++
			s.cluster = nil
			resp.AddNonTerminalResponse(http.StatusAccepted, nil)
			resp.SetTerminalResponse(http.StatusNoContent, acs.ManagedClustersClientDeleteResponse{}, nil)
			return resp, err
		},
	}
}

func TestCreateAsTheSDKReadsIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var s sdkServer
	c := m.client(t, newARM(t), func(o *Options) {
		o.Transport = fake.NewServerFactoryTransport(&fake.ServerFactory{ManagedClustersServer: s.server()})
	})
	mc := wanted()
	mc.Properties.AgentPoolProfiles = []*acs.ManagedClusterAgentPoolProfile{
		{Name: ptr.To("nodes"), Count: ptr.To[int32](3), VMSize: ptr.To(DefaultVMSize)},
	}
	got, err := c.Create(t.Context(), target(), mc, true)
	if err != nil || got.State != StateSucceeded || len(got.Pools) != 1 || got.Pools[0].Count != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if len(s.puts) != 1 || s.groups[0] != "ml/prod" || s.matches[0] != "*" {
		t.Fatalf("asked for %v with If-None-Match %v", s.groups, s.matches)
	}
	put := s.puts[0]
	o, known, err := c.Operation(target())
	if err != nil || !known || value(put.Tags[tagOperation]) != o.Tag || value(put.Tags["team"]) != "ml" {
		t.Errorf("tags are %v, the operation is %+v, %v", got.Tags, o, err)
	}
	if pool := put.Properties.AgentPoolProfiles[0]; value(pool.Name) != "nodes" || value(pool.VMSize) != DefaultVMSize {
		t.Errorf("the pool is %+v", pool)
	}
	if len(mc.Tags) != 1 {
		t.Errorf("the caller's tags were changed: %v", mc.Tags)
	}
	if _, err := c.Create(t.Context(), target(), mc, true); err != nil || len(s.puts) != 1 {
		t.Errorf("the same again: %v, %d PUTs", err, len(s.puts))
	}
	if err := c.Delete(t.Context(), target(), true); err != nil || s.deletes != 1 {
		t.Errorf("delete: %v, %d of them", err, s.deletes)
	}
	if _, err := c.Get(t.Context(), target()); ReasonOf(err) != NotFound {
		t.Errorf("after the delete: %v", err)
	}
}
