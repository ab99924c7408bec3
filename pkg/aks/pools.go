// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// The pools of a new cluster, and the taint that keeps all but models with a
// GPU off its nodes.
const (
	nodePool = "nodepool1"
	gpuPool  = "gpu"
	GPUTaint = "sku=gpu:NoSchedule"
)

// MaxNodes is AKS's limit for a pool.
const MaxNodes = 1000

// pools are the pools of nodes: the first, and one with GPUs if it is asked for.
func (o ClusterOptions) pools(facts Facts, f *findings) []*acs.ManagedClusterAgentPoolProfile {
	subnet := o.Network.subnet(o.Target, f)
	nodes := &acs.ManagedClusterAgentPoolProfile{
		Name: ptr.To(nodePool), Mode: ptr.To(acs.AgentPoolModeSystem), Type: ptr.To(acs.AgentPoolTypeVirtualMachineScaleSets),
		OSType: ptr.To(acs.OSTypeLinux), Count: small(o.Nodes.Count), VnetSubnetID: subnet,
	}
	if o.Nodes.VMSize != AutoVMSize {
		nodes.VMSize = ptr.To(o.Nodes.VMSize)
		checkSize(f, "--vm-size", o.Nodes.VMSize, facts, true)
	} else {
		f.warn("--vm-size auto: AKS chooses the size, so the vCPUs are counted when the cluster is there")
	}
	checkCount(f, "--agent-count", o.Nodes.Count, 1)
	o.Nodes.Autoscaler.set(f, nodes, "--agent-count", o.Nodes.Count, 1)
	pools := []*acs.ManagedClusterAgentPoolProfile{nodes}
	if gpu := o.GPU.pool(facts, f); gpu != nil {
		gpu.VnetSubnetID = subnet
		pools = append(pools, gpu)
	}
	return pools
}

// checkCount refuses a number of nodes that a pool cannot have.
func checkCount(f *findings, flag string, count, least int) {
	if count < least || count > MaxNodes {
		f.refuse("%s %d: write %d to %d", flag, count, least, MaxNodes)
	}
}

// set has the autoscaler keep a pool within its bounds; flag is that of count.
func (a Autoscaler) set(f *findings, pool *acs.ManagedClusterAgentPoolProfile, flag string, count, least int) {
	if !a.Enabled {
		if a.Min != nil || a.Max != nil {
			f.refuse("--min-count and --max-count are bounds of the autoscaler: write --enable-cluster-autoscaler too")
		}
		return
	}
	if a.Min == nil || a.Max == nil {
		f.refuse("--enable-cluster-autoscaler needs both bounds: write --min-count and --max-count")
		return
	}
	low, high := *a.Min, *a.Max
	checkCount(f, "--min-count", low, least)
	checkCount(f, "--max-count", high, least)
	if low > count || count > high {
		f.refuse("%s %d is not between --min-count %d and --max-count %d", flag, count, low, high)
	}
	pool.EnableAutoScaling, pool.MinCount, pool.MaxCount = ptr.To(true), small(low), small(high)
}

// profile are settings of the autoscaler, by az's names, which are those of the
// request. Names that the SDK does not know are refused.
func (n NodeOptions) profile(f *findings) *acs.ManagedClusterPropertiesAutoScalerProfile {
	if len(n.Profile) == 0 {
		return nil
	}
	if !n.Autoscaler.Enabled {
		f.refuse("--cluster-autoscaler-profile is of the autoscaler: write --enable-cluster-autoscaler too")
	}
	settings := make(map[string]any, len(n.Profile))
	for key, text := range n.Profile {
		settings[key] = text
		if !isSwitch(key) {
			continue
		}
		on, err := strconv.ParseBool(text)
		if err != nil {
			f.refuse("--cluster-autoscaler-profile %s=%s: write true or false", key, text)
		}
		settings[key] = on
	}
	profile := &acs.ManagedClusterPropertiesAutoScalerProfile{}
	body, err := json.Marshal(settings)
	if err == nil {
		err = json.Unmarshal(body, profile)
	}
	kept, keptErr := json.Marshal(profile)
	var known map[string]any
	if err != nil || keptErr != nil || json.Unmarshal(kept, &known) != nil {
		f.refuse("--cluster-autoscaler-profile cannot be read: write NAME=VALUE,… with the names that az has")
		return nil
	}
	for key := range settings {
		if _, ok := known[key]; !ok {
			f.refuse("--cluster-autoscaler-profile: %q is not known: see az aks create --help", key)
		}
	}
	return profile
}

// isSwitch tells the settings that are true or false in the request and not texts.
func isSwitch(key string) bool {
	return strings.HasPrefix(key, "daemonset-eviction-") || key == "ignore-daemonsets-utilization"
}

// pool is the pool with GPUs, nil for none.
func (g GPUOptions) pool(facts Facts, f *findings) *acs.ManagedClusterAgentPoolProfile {
	if g.VMSize == "" {
		if g.Count != 0 || g.Driver != "" || g.Instance != "" {
			f.refuse("--gpu-node-count, --gpu-driver and --gpu-instance-profile are of a pool with GPUs: " +
				"write --gpu-node-vm-size too")
		}
		return nil
	}
	checkCount(f, "--gpu-node-count", g.Count, 1)
	checkSize(f, "--gpu-node-vm-size", g.VMSize, facts, false)
	checkGPU(f, "--gpu-node-vm-size", g.VMSize, facts)
	pool := &acs.ManagedClusterAgentPoolProfile{
		Name: ptr.To(gpuPool), Mode: ptr.To(acs.AgentPoolModeUser), Type: ptr.To(acs.AgentPoolTypeVirtualMachineScaleSets),
		OSType: ptr.To(acs.OSTypeLinux), Count: small(g.Count), VMSize: ptr.To(g.VMSize),
		NodeTaints:         []*string{ptr.To(GPUTaint)},
		GpuInstanceProfile: oneOf(f, "--gpu-instance-profile", g.Instance, acs.PossibleGPUInstanceProfileValues()),
	}
	if driver := oneOf(f, "--gpu-driver", g.driver(), acs.PossibleGPUDriverValues()); driver != nil {
		pool.GpuProfile = &acs.GPUProfile{Driver: driver}
	}
	f.warn("AKS installs the driver of the GPUs and not their device plugin: " +
		"kubectl aml compute check tells when it is missing")
	return pool
}

// driver is the value in the request for az's install and none.
func (g GPUOptions) driver() string {
	switch strings.ToLower(g.Driver) {
	case "install":
		return string(acs.GPUDriverInstall)
	case "none":
		return string(acs.GPUDriverNone)
	}
	return g.Driver
}

// checkSize refuses and remarks sizes of nodes. The nodes of a system pool run
// the cluster itself: AKS wants 2 vCPUs and 4 GiB of them, and no B sizes.
func checkSize(f *findings, flag, size string, facts Facts, system bool) {
	sku, ok := facts.sku(size)
	old, isOld := retired(size)
	switch {
	case isOld && old.gone:
		f.refuse("%s %s: %s", flag, size, old.says)
		return
	case facts.SKUs == nil && !ok:
		f.refuse("%s %q is no VM size: write one such as %s", flag, size, DefaultVMSize)
		return
	case !ok:
		f.refuse("%s %s is no VM size of this region: az vm list-skus -l REGION shows them", flag, size)
		return
	case sku.Restriction != "":
		f.refuse("%s %s cannot be had by this subscription (%s): choose another size or region", flag, size, sku.Restriction)
	case system && regexp.MustCompile(`(?i)^Standard_B\d`).MatchString(size):
		f.refuse("%s %s: AKS takes no B sizes for the pool that runs the cluster itself: use %s", flag, size, DefaultVMSize)
		return
	case system && (sku.CPUs < 2 || !sku.Estimated && sku.MemoryGB < 4):
		f.refuse("%s %s is too small for the pool that runs the cluster itself, which takes 2 vCPUs and 4 GiB: use %s",
			flag, size, DefaultVMSize)
	}
	if isOld {
		f.warn("%s %s: %s", flag, size, old.says)
	}
	if sku.Arm {
		f.warn("%s %s has Arm processors: images for amd64, which most scoring environments are, do not run on it",
			flag, size)
	}
}

// checkGPU refuses a size that has no GPUs. Those that have are the N family,
// without NP, which has FPGAs.
func checkGPU(f *findings, flag, size string, facts Facts) {
	named := regexp.MustCompile(`(?i)^Standard_N[^P]`).MatchString(size)
	if sku, ok := facts.sku(size); ok && (sku.Estimated && !named || !sku.Estimated && sku.GPUs < 1) {
		f.refuse("%s %s has no GPU: use a size such as Standard_NC4as_T4_v3", flag, size)
	}
}

// sku is what is known of a size: asked of Azure, or else read off its name.
func (f Facts) sku(size string) (SKU, bool) {
	if f.SKUs == nil {
		return EstimateSKU(size)
	}
	for name, sku := range f.SKUs {
		if strings.EqualFold(name, size) {
			return sku, true
		}
	}
	return SKU{}, false
}

// enough holds the pools against the rule of 12 vCPUs. What is refused by itself
// is not counted.
func (o ClusterOptions) enough(facts Facts, f *findings) error {
	c, estimated, ok := o.capacity(facts)
	if !ok || o.SkipCapacityCheck {
		return nil
	}
	warning, err := c.Enough(o.Purpose)
	note := ""
	if estimated {
		note = " (estimated by the name of the size)"
	}
	if warning != "" {
		f.warn("%s%s", warning, note)
	}
	if err != nil {
		nodes := "--agent-count"
		if o.Nodes.Autoscaler.Enabled {
			nodes = "--max-count"
		}
		return fail(Quota, err, "%v%s: use %s %d, a larger --vm-size, or --cluster-purpose DevTest; "+
			"--skip-capacity-check makes it all the same", err, note, nodes, o.agents(facts))
	}
	return nil
}

// capacity is what the pools have; false where a size, a number of nodes or the
// purpose is none to count with.
func (o ClusterOptions) capacity(facts Facts) (c compute.Capacity, estimated, ok bool) {
	if o.Purpose != endpoint.FastProd && o.Purpose != endpoint.DevTest {
		return c, false, false
	}
	var shapes []string
	for _, p := range []struct {
		size  string
		count int
		scale Autoscaler
	}{{o.Nodes.VMSize, o.Nodes.Count, o.Nodes.Autoscaler}, {o.GPU.VMSize, o.GPU.Count, Autoscaler{}}} {
		if p.size == "" {
			continue
		}
		low, high := p.count, p.count
		if p.scale.Enabled && p.scale.Min != nil && p.scale.Max != nil {
			low, high = *p.scale.Min, *p.scale.Max
		}
		sku, known := facts.sku(p.size)
		if old, isOld := retired(p.size); !known || isOld && old.gone || low < 1 || high < low {
			return c, false, false
		}
		estimated = estimated || sku.Estimated
		shapes = append(shapes, fmt.Sprintf("%d×%d", low, sku.CPUs))
		c.Nodes, c.CPUs = c.Nodes+low, c.CPUs+low*sku.CPUs
		c.MaxNodes, c.MaxCPUs = c.MaxNodes+high, c.MaxCPUs+high*sku.CPUs
	}
	c.Shape = strings.Join(shapes, "+")
	return c, estimated, true
}

// agents is the number of nodes of the size that would be enough.
func (o ClusterOptions) agents(facts Facts) int {
	sku, _ := facts.sku(o.Nodes.VMSize)
	cpus := max(sku.CPUs, 1)
	return max(compute.MinNodes, (compute.MinCPUs+cpus-1)/cpus)
}

// Needs are the vCPUs that the nodes of the cluster count against quotas with, by
// family, and in all as cores.
func (o ClusterOptions) Needs(facts Facts) map[string]int {
	o = o.completed(facts)
	needs := map[string]int{}
	for _, p := range []struct {
		size  string
		count int
	}{{o.Nodes.VMSize, o.Nodes.Count}, {o.GPU.VMSize, o.GPU.Count}} {
		if sku, ok := facts.sku(p.size); ok && !sku.Estimated {
			needs["cores"] += p.count * sku.CPUs
			needs[sku.Family] += p.count * sku.CPUs
		}
	}
	return needs
}
