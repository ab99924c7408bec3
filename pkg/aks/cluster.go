// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"strings"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
)

// The states of a cluster in Azure that end an operation, and those of a
// cluster that is no more, or soon will be.
const (
	StateSucceeded = "Succeeded"
	StateFailed    = "Failed"
	StateCanceled  = "Canceled"
	StateDeleted   = "Deleted"
	stateDeleting  = "Deleting"
)

// tagOperation holds the id of the operation that made a cluster.
const tagOperation = "aml-operation"

// Cluster is a managed cluster as Azure describes it.
type Cluster struct {
	Target
	Location string `json:"location"`
	// State is Azure's provisioning state, StateDeleted for one that was deleted.
	State string `json:"state"`
	// Power is Running or Stopped.
	Power             string `json:"power,omitempty"`
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	SupportPlan       string `json:"supportPlan,omitempty"`
	Tier              string `json:"tier,omitempty"`
	// FQDN is where the API server is, PrivateFQDN the same inside of the network
	// of a private cluster.
	FQDN             string            `json:"fqdn,omitempty"`
	PrivateFQDN      string            `json:"privateFqdn,omitempty"`
	Private          bool              `json:"private,omitempty"`
	LoadBalancerSKU  string            `json:"loadBalancerSku,omitempty"`
	LocalAccountsOff bool              `json:"localAccountsDisabled,omitempty"`
	Pools            []Pool            `json:"pools,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	// Raw is the whole answer.
	Raw acs.ManagedCluster `json:"-"`
}

// Pool is a pool of nodes of a cluster.
type Pool struct {
	Name              string `json:"name"`
	VMSize            string `json:"vmSize"`
	Mode              string `json:"mode,omitempty"`
	Kind              string `json:"type,omitempty"`
	State             string `json:"state,omitempty"`
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	Count             int32  `json:"count"`
	Autoscaled        bool   `json:"autoscaled,omitempty"`
	MinCount          int32  `json:"minCount,omitempty"`
	MaxCount          int32  `json:"maxCount,omitempty"`
}

// Get reads a cluster. Its error has the reason NotFound when there is none.
func (c *Client) Get(ctx context.Context, t Target) (Cluster, error) {
	clusters, err := c.clusters(t)
	if err != nil {
		return Cluster{}, err
	}
	got, err := clusters.Get(ctx, t.ResourceGroup, t.Name, nil)
	if err != nil {
		return Cluster{}, c.explain(err, t)
	}
	return newCluster(t, got.ManagedCluster), nil
}

// find is Get without an error for a cluster that is not there.
func (c *Client) find(ctx context.Context, t Target) (cluster Cluster, found bool, err error) {
	cluster, err = c.Get(ctx, t)
	if gone(err) {
		return Cluster{}, false, nil
	}
	return cluster, err == nil, err
}

// operation is the id of the operation that made the cluster; empty for one
// that this program did not make.
func (c Cluster) operation() string { return c.Tags[tagOperation] }

// settled tells whether Azure is not at work on the cluster.
func (c Cluster) settled() bool {
	return strings.EqualFold(c.State, StateSucceeded) || c.failed()
}

func (c Cluster) failed() bool {
	return strings.EqualFold(c.State, StateFailed) || strings.EqualFold(c.State, StateCanceled)
}

// newCluster reads an answer, in which everything may be missing.
func newCluster(t Target, raw acs.ManagedCluster) Cluster {
	c := Cluster{Target: t, Location: value(raw.Location), Raw: raw, Tags: make(map[string]string, len(raw.Tags))}
	for k, v := range raw.Tags {
		c.Tags[k] = value(v)
	}
	if raw.SKU != nil {
		c.Tier = string(value(raw.SKU.Tier))
	}
	p := raw.Properties
	if p == nil {
		return c
	}
	c.State, c.FQDN, c.PrivateFQDN = value(p.ProvisioningState), value(p.Fqdn), value(p.PrivateFQDN)
	c.SupportPlan, c.LocalAccountsOff = string(value(p.SupportPlan)), value(p.DisableLocalAccounts)
	if c.KubernetesVersion = value(p.CurrentKubernetesVersion); c.KubernetesVersion == "" {
		c.KubernetesVersion = value(p.KubernetesVersion)
	}
	if p.PowerState != nil {
		c.Power = string(value(p.PowerState.Code))
	}
	if p.APIServerAccessProfile != nil {
		c.Private = value(p.APIServerAccessProfile.EnablePrivateCluster)
	}
	if p.NetworkProfile != nil {
		c.LoadBalancerSKU = strings.ToLower(string(value(p.NetworkProfile.LoadBalancerSKU)))
	}
	for _, pool := range p.AgentPoolProfiles {
		if pool != nil {
			c.Pools = append(c.Pools, newPool(*pool))
		}
	}
	return c
}

func newPool(raw acs.ManagedClusterAgentPoolProfile) Pool {
	p := Pool{
		Name: value(raw.Name), VMSize: value(raw.VMSize), Mode: string(value(raw.Mode)), Kind: string(value(raw.Type)),
		State: value(raw.ProvisioningState), KubernetesVersion: value(raw.CurrentOrchestratorVersion),
		Count: value(raw.Count), Autoscaled: value(raw.EnableAutoScaling),
		MinCount: value(raw.MinCount), MaxCount: value(raw.MaxCount),
	}
	if p.KubernetesVersion == "" {
		p.KubernetesVersion = value(raw.OrchestratorVersion)
	}
	return p
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
