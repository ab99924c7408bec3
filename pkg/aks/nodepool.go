// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

// PoolOptions say what a pool of nodes is like. Taints, labels and size are set
// when a pool is made and never again.
type PoolOptions struct {
	Name string
	// Count may be 0, for nodes that come later, except in a System pool.
	Count      int
	VMSize     string
	Mode       string
	Autoscaler Autoscaler
	Spot       bool
	// GPU gives the taint that keeps all but models with a GPU off the nodes.
	GPU              bool
	Driver, Instance string
	Taints           []string
	Labels           map[string]string
	SubnetID         string
}

// Build is the pool that is asked of Azure, as ClusterOptions.Build is the
// cluster.
func (o PoolOptions) Build(facts Facts) (acs.AgentPool, []string, error) {
	f := &findings{}
	if o.Mode == "" {
		o.Mode = string(acs.AgentPoolModeUser)
	}
	least := 0
	if o.Mode == string(acs.AgentPoolModeSystem) {
		least = 1
	}
	// As AKS checks it for Linux.
	if !regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`).MatchString(o.Name) {
		f.refuse("node pool name %q: write up to 12 small letters and digits, a letter first", o.Name)
	}
	p := &acs.ManagedClusterAgentPoolProfileProperties{
		Mode: oneOf(f, "--mode", o.Mode, acs.PossibleAgentPoolModeValues()), Count: small(o.Count),
		Type: ptr.To(acs.AgentPoolTypeVirtualMachineScaleSets), OSType: ptr.To(acs.OSTypeLinux),
		VMSize: ptr.To(o.size()), VnetSubnetID: optional(o.SubnetID), NodeTaints: o.taints(f), NodeLabels: o.labels(f),
		GpuInstanceProfile: oneOf(f, "--gpu-instance-profile", o.Instance, acs.PossibleGPUInstanceProfileValues()),
	}
	checkCount(f, "--node-count", o.Count, least)
	checkSize(f, "--node-vm-size", o.size(), facts, least > 0)
	scaled := &acs.ManagedClusterAgentPoolProfile{}
	o.Autoscaler.set(f, scaled, "--node-count", o.Count, least)
	p.EnableAutoScaling, p.MinCount, p.MaxCount = scaled.EnableAutoScaling, scaled.MinCount, scaled.MaxCount
	o.gpu(p, facts, f)
	if o.Spot {
		if least > 0 {
			f.refuse("--priority Spot: nodes that can be taken away cannot run the cluster itself: write --mode User")
		}
		p.ScaleSetPriority = ptr.To(acs.ScaleSetPrioritySpot)
		p.ScaleSetEvictionPolicy = ptr.To(acs.ScaleSetEvictionPolicyDelete)
	}
	return acs.AgentPool{Properties: p}, f.warnings, errors.Join(f.refused...)
}

func (o PoolOptions) size() string {
	if o.VMSize == "" {
		return DefaultVMSize
	}
	return o.VMSize
}

func (o PoolOptions) gpu(p *acs.ManagedClusterAgentPoolProfileProperties, facts Facts, f *findings) {
	if !o.GPU {
		if o.Driver != "" || o.Instance != "" {
			f.refuse("--gpu-driver and --gpu-instance-profile are of a pool with GPUs: write --gpu too")
		}
		return
	}
	checkGPU(f, "--node-vm-size", o.size(), facts)
	if !slices.ContainsFunc(p.NodeTaints, func(t *string) bool { return *t == GPUTaint }) {
		p.NodeTaints = append(p.NodeTaints, ptr.To(GPUTaint))
	}
	driver := oneOf(f, "--gpu-driver", GPUOptions{Driver: o.Driver}.driver(), acs.PossibleGPUDriverValues())
	if driver != nil {
		p.GpuProfile = &acs.GPUProfile{Driver: driver}
	}
}

// taint is how az checks taints.
func taint() *regexp.Regexp {
	return regexp.MustCompile(
		`^[a-zA-Z\d][\w\-./]{0,252}=[a-zA-Z\d][\w\-.]{0,62}:(NoSchedule|PreferNoSchedule|NoExecute)$`)
}

func (o PoolOptions) taints(f *findings) []*string {
	var all []*string
	for _, t := range o.Taints {
		if !taint().MatchString(t) {
			f.refuse("--node-taints %q: write KEY=VALUE:NoSchedule, PreferNoSchedule or NoExecute", t)
		}
		all = append(all, ptr.To(t))
	}
	return all
}

func (o PoolOptions) labels(f *findings) map[string]*string {
	if len(o.Labels) == 0 {
		return nil
	}
	name := regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	text := regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	all := map[string]*string{}
	for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
		if !name.MatchString(key) || !text.MatchString(o.Labels[key]) {
			f.refuse("--labels %s=%s is no label of Kubernetes", key, o.Labels[key])
		}
		all[key] = ptr.To(o.Labels[key])
	}
	return all
}

func (c *Client) poolsOf(t Target) (*acs.AgentPoolsClient, error) {
	return acs.NewAgentPoolsClient(t.Subscription, c.options.Credential, c.arm)
}

// Pools are the pools of a cluster.
func (c *Client) Pools(ctx context.Context, t Target) ([]Pool, error) {
	now, err := c.Get(ctx, t)
	return now.Pools, err
}

// GetPool reads a pool. Its error has the reason NotFound when there is none.
func (c *Client) GetPool(ctx context.Context, t Target, name string) (acs.AgentPool, error) {
	pools, err := c.poolsOf(t)
	if err != nil {
		return acs.AgentPool{}, err
	}
	got, err := pools.Get(ctx, t.ResourceGroup, t.Name, name, nil)
	return got.AgentPool, c.explainPool(err, t, name)
}

// PutPool makes a pool, which must not be there, or changes one, which must be.
// With wait it returns when the nodes are there.
func (c *Client) PutPool(ctx context.Context, t Target, name string, pool acs.AgentPool, isNew, wait bool) error {
	pools, err := c.poolsOf(t)
	if err != nil {
		return err
	}
	options := &acs.AgentPoolsClientBeginCreateOrUpdateOptions{}
	if isNew {
		switch _, err := c.GetPool(ctx, t, name); {
		case err == nil:
			return fail(Conflict, nil, "node pool %s of %s is there already: take another name", name, t.label())
		case !gone(err):
			return err
		}
		options.IfNoneMatch = ptr.To(anyTag)
	} else {
		options.IfMatch = pool.Properties.ETag
	}
	poller, err := pools.BeginCreateOrUpdate(c.busyOnly(ctx), t.ResourceGroup, t.Name, name, pool, options)
	if err == nil || !refused(err) && !conflicts(err) && c.poolIs(ctx, t, name, pool) {
		return followPool(ctx, c, t, name, poller, wait)
	}
	return c.explainPool(err, t, name)
}

// poolIs tells whether Azure has begun with a pool, though its answer got lost.
func (c *Client) poolIs(ctx context.Context, t Target, name string, asked acs.AgentPool) bool {
	now, err := c.GetPool(ctx, t, name)
	return err == nil && now.Properties != nil && value(now.Properties.Count) == value(asked.Properties.Count)
}

// DeletePool deletes a pool; one that is not there is no error.
func (c *Client) DeletePool(ctx context.Context, t Target, name string, wait bool) error {
	pools, err := c.poolsOf(t)
	if err != nil {
		return err
	}
	poller, err := pools.BeginDelete(ctx, t.ResourceGroup, t.Name, name, nil)
	if err = c.explainPool(err, t, name); err != nil {
		if gone(err) {
			return nil
		}
		return err
	}
	return followPool(ctx, c, t, name, poller, wait)
}

// followPool waits for a change of a pool, which the cluster's state tells of, too:
// without a poller it is all there is.
func followPool[T any](
	ctx context.Context, c *Client, t Target, name string, poller *runtime.Poller[T], wait bool,
) error {
	if !wait {
		return nil
	}
	progress, err := c.progress(t, ""), errLost
	if poller != nil {
		_, err = follow(ctx, c, t, progress, poller)
	}
	if errors.Is(err, errLost) {
		_, err = c.followState(ctx, t, progress)
	}
	return c.explainPool(err, t, name)
}

func (c *Client) explainPool(err error, t Target, name string) error {
	if err == nil {
		return nil
	}
	explained := c.explain(err, t)
	if e := (*Error)(nil); errors.As(explained, &e) {
		named := *e
		named.Message, named.what = "node pool "+name+": "+e.Message, "node pool "+name+": "+e.what
		return &named
	}
	return explained
}
