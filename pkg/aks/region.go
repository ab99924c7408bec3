// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"k8s.io/utils/ptr"
)

// skusKept is how long the list of VM sizes, which is large, is kept.
const skusKept = 24 * time.Hour

// keptSKUs is a list of VM sizes as it is kept.
type keptSKUs struct {
	At   time.Time      `json:"at"`
	SKUs map[string]SKU `json:"skus"`
}

// SKUs are the VM sizes of a region by name, with what the subscription can have
// of them. They are kept for a day; a file that cannot be read is asked for anew.
// The error is Azure's: callers can go by the names of the sizes instead.
func (c *Client) SKUs(ctx context.Context, location string) (map[string]SKU, error) {
	path := filepath.Join(c.options.CacheDir, "skus", c.options.Subscription+"-"+plainLocation(location)+".json")
	var kept keptSKUs
	now := c.options.Clock.Now()
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &kept) == nil && len(kept.SKUs) > 0 &&
		!kept.At.After(now) && now.Sub(kept.At) < skusKept {
		return kept.SKUs, nil
	}
	client, err := armcompute.NewResourceSKUsClient(c.options.Subscription, c.options.Credential, c.arm)
	if err != nil {
		return nil, err
	}
	kept = keptSKUs{At: now, SKUs: map[string]SKU{}}
	// The service filters by nothing but the location.
	pages := client.NewListPager(&armcompute.ResourceSKUsClientListOptions{
		Filter: ptr.To("location eq '" + plainLocation(location) + "'")})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.explain(err, Target{Subscription: c.options.Subscription})
		}
		for _, raw := range page.Value {
			if raw != nil && strings.EqualFold(value(raw.ResourceType), "virtualMachines") {
				kept.SKUs[value(raw.Name)] = newSKU(raw, location)
			}
		}
	}
	c.keep(path, kept)
	return kept.SKUs, nil
}

// keep writes the list down. One that cannot be kept is asked for again.
func (c *Client) keep(path string, kept keptSKUs) {
	text, err := json.Marshal(kept)
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	next := path + "." + strconv.Itoa(os.Getpid())
	if os.WriteFile(next, text, 0o600) != nil || os.Rename(next, path) != nil {
		_ = os.Remove(next) // it may not be there
	}
}

func newSKU(raw *armcompute.ResourceSKU, location string) SKU {
	sku := SKU{Name: value(raw.Name), Family: value(raw.Family)}
	for _, c := range raw.Capabilities {
		if c == nil {
			continue
		}
		text := value(c.Value)
		number, _ := strconv.Atoi(text) // texts have no number
		switch value(c.Name) {
		case "vCPUsAvailable":
			sku.CPUs = number
		case "vCPUs":
			if sku.CPUs == 0 {
				sku.CPUs = number
			}
		case "GPUs":
			sku.GPUs = number
		case "MemoryGB":
			sku.MemoryGB, _ = strconv.ParseFloat(text, 64)
		case "CpuArchitectureType":
			sku.Arm = strings.EqualFold(text, "Arm64")
		}
	}
	for _, r := range raw.Restrictions {
		if r != nil && value(r.Type) == armcompute.ResourceSKURestrictionsTypeLocation && restricts(r, location) {
			sku.Restriction = string(value(r.ReasonCode))
		}
	}
	return sku
}

func restricts(r *armcompute.ResourceSKURestrictions, location string) bool {
	return len(r.Values) == 0 || slices.ContainsFunc(r.Values, func(v *string) bool {
		return plainLocation(value(v)) == plainLocation(location)
	})
}

// plainLocation is the name of a region as the API has it: East US is eastus.
func plainLocation(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

// VCPUQuota is how many vCPUs of a family a subscription may have in a region.
type VCPUQuota struct {
	// Family is that of SKU, or cores for all of them.
	Family      string
	Used, Limit int64
}

// Quotas are those of vCPUs.
func (c *Client) Quotas(ctx context.Context, location string) ([]VCPUQuota, error) {
	client, err := armcompute.NewUsageClient(c.options.Subscription, c.options.Credential, c.arm)
	if err != nil {
		return nil, err
	}
	var all []VCPUQuota
	for pages := client.NewListPager(plainLocation(location), nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.explain(err, Target{Subscription: c.options.Subscription})
		}
		for _, u := range page.Value {
			if u != nil && u.Name != nil {
				all = append(all, VCPUQuota{value(u.Name.Value), int64(value(u.CurrentValue)), value(u.Limit)})
			}
		}
	}
	return all, nil
}

// KubernetesVersion is one that AKS has in a region.
type KubernetesVersion struct {
	Version string   `json:"version"`
	Patches []string `json:"patches,omitempty"`
	Default bool     `json:"default,omitempty"`
	Preview bool     `json:"preview,omitempty"`
	// Plans are the kinds of support it can be had with.
	Plans []string `json:"supportPlans,omitempty"`
}

// Versions are those of Kubernetes in a region, the newest first.
func (c *Client) Versions(ctx context.Context, location string) ([]KubernetesVersion, error) {
	got, err := c.acs.NewManagedClustersClient().ListKubernetesVersions(ctx, plainLocation(location), nil)
	if err != nil {
		return nil, c.explain(err, Target{Subscription: c.options.Subscription})
	}
	var all []KubernetesVersion
	for _, raw := range got.Values {
		if raw == nil {
			continue
		}
		v := KubernetesVersion{Version: value(raw.Version), Default: value(raw.IsDefault), Preview: value(raw.IsPreview)}
		for patch := range raw.PatchVersions {
			v.Patches = append(v.Patches, patch)
		}
		if raw.Capabilities != nil {
			for _, plan := range raw.Capabilities.SupportPlan {
				v.Plans = append(v.Plans, string(value(plan)))
			}
		}
		slices.SortFunc(v.Patches, newestFirst)
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b KubernetesVersion) int { return newestFirst(a.Version, b.Version) })
	return all, nil
}

// newestFirst compares versions by their numbers.
func newestFirst(a, b string) int {
	numbers := func(version string) (all []int) {
		for part := range strings.SplitSeq(version, ".") {
			n, _ := strconv.Atoi(part) // what is no number counts as 0
			all = append(all, n)
		}
		return all
	}
	return slices.Compare(numbers(b), numbers(a))
}

// groupVersion is the version of the API of resource groups.
const groupVersion = "2021-04-01"

// GroupLocation is the region of a resource group.
func (c *Client) GroupLocation(ctx context.Context, t Target) (string, error) {
	var group struct {
		Location string `json:"location"`
	}
	err := c.read(ctx, groupVersion, &group, "subscriptions", url.PathEscape(t.Subscription),
		"resourceGroups", url.PathEscape(t.ResourceGroup))
	if err != nil {
		return "", c.explain(err, t)
	}
	return group.Location, nil
}
