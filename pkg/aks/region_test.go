// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

const (
	skusAt   = "GET /subscriptions/" + subscription + "/providers/microsoft.compute/skus"
	usagesAt = "GET /subscriptions/" + subscription + "/providers/microsoft.compute/locations/westeurope/usages"
)

const someSKUs = `{"value":[
{"resourceType":"disks","name":"Premium_LRS","capabilities":[]},
{"resourceType":"virtualMachines","name":"Standard_M8-2ms","family":"standardMSFamily","capabilities":[
 {"name":"vCPUsAvailable","value":"2"},{"name":"vCPUs","value":"8"},{"name":"MemoryGB","value":"218.75"}]},
{"resourceType":"virtualMachines","name":"Standard_M16-4ms","family":"standardMSFamily","capabilities":[
 {"name":"vCPUs","value":"16"},{"name":"vCPUsAvailable","value":"4"}]},
{"resourceType":"virtualMachines","name":"Standard_NC4as_T4_v3","family":"Standard NCASv3_T4 Family","capabilities":[
 {"name":"vCPUs","value":"4"},{"name":"GPUs","value":"1"},{"name":"CpuArchitectureType","value":"x64"}],
 "restrictions":[{"type":"Location","values":["WestEurope"],"reasonCode":"NotAvailableForSubscription"}]},
{"resourceType":"virtualMachines","name":"Standard_D4ps_v5","family":"standardDPSv5Family","capabilities":[
 {"name":"vCPUs","value":"4"},{"name":"CpuArchitectureType","value":"Arm64"}],
 "restrictions":[{"type":"Zone","values":["westeurope"],"reasonCode":"QuotaId"},
  {"type":"Location","values":["eastus"],"reasonCode":"QuotaId"}]}]}`

func wantedSKUs() map[string]SKU {
	return map[string]SKU{
		"Standard_M8-2ms":  {Name: "Standard_M8-2ms", Family: "standardMSFamily", CPUs: 2, MemoryGB: 218.75},
		"Standard_M16-4ms": {Name: "Standard_M16-4ms", Family: "standardMSFamily", CPUs: 4},
		"Standard_NC4as_T4_v3": {
			Name: "Standard_NC4as_T4_v3", Family: "Standard NCASv3_T4 Family", CPUs: 4, GPUs: 1,
			Restriction: "NotAvailableForSubscription",
		},
		"Standard_D4ps_v5": {Name: "Standard_D4ps_v5", Family: "standardDPSv5Family", CPUs: 4, Arm: true},
	}
}

func TestSizesOfARegionAreKeptForADay(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	cache := t.TempDir()
	now := clocktesting.NewFakeClock(time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC))
	c := m.client(t, a, func(o *Options) { o.CacheDir, o.Clock = cache, now })
	for range 4 {
		a.answer(skusAt, func(w http.ResponseWriter, r *http.Request) {
			if filter := r.URL.Query().Get("$filter"); filter != "location eq 'westeurope'" {
				t.Errorf("asked for %q", filter)
			}
			say(w, 200, someSKUs)
		})
	}
	ask := func(requests int) {
		t.Helper()
		got, err := c.SKUs(t.Context(), "West Europe")
		if err != nil || !reflect.DeepEqual(got, wantedSKUs()) {
			t.Errorf("got %+v, %v", got, err)
		}
		if n := a.count(skusAt); n != requests {
			t.Errorf("%d requests, want %d", n, requests)
		}
	}
	ask(1)
	ask(1)
	now.Step(23 * time.Hour)
	ask(1)
	now.Step(time.Hour)
	ask(2)
	files, err := filepath.Glob(filepath.Join(cache, "skus", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte(`{"at":"2026-11-26T08:00:00Z","skus":{"Standard_`), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(3) // cut off
	now.Step(-time.Hour)
	ask(4) // of the future
}

func TestSizesThatCannotBeKeptAreTold(t *testing.T) {
	t.Parallel()
	a := newARM(t)
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a.answer(skusAt, says(200, someSKUs))
	got, err := newMachine(t).client(t, a, func(o *Options) { o.CacheDir = file }).SKUs(t.Context(), "westeurope")
	if err != nil || len(got) != len(wantedSKUs()) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSizesThatAzureDoesNotTellAreAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   Reason
	}{
		"no right": {says(403, `{"error":{"code":"AuthorizationFailed","message":"no"}}`), Denied},
		"offline":  {drops, UnderWay},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newARM(t)
			for range retries + 1 {
				a.answer(skusAt, c.answer)
			}
			cache := t.TempDir()
			client := newMachine(t).client(t, a, func(o *Options) { o.CacheDir = cache })
			if _, err := client.SKUs(t.Context(), "westeurope"); ReasonOf(err) != c.want {
				t.Errorf("got %v (%s), want %s", err, ReasonOf(err), c.want)
			}
			if kept, err := os.ReadDir(cache); err != nil || len(kept) > 0 {
				t.Errorf("kept %v, %v", kept, err)
			}
		})
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	a := newARM(t)
	a.answer(usagesAt, says(200, `{"value":[{"unit":"Count","currentValue":90,"limit":100,"name":{"value":"cores"}},
		{"unit":"Count","currentValue":4,"limit":10,"name":{"value":"standardDSv5Family"}}]}`))
	got, err := newMachine(t).client(t, a).Quotas(t.Context(), "West Europe")
	want := []VCPUQuota{{"cores", 90, 100}, {"standardDSv5Family", 4, 10}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestVersionsAreSortedByTheirNumbers(t *testing.T) {
	t.Parallel()
	a := newARM(t)
	a.answer("GET /subscriptions/"+subscription+
		"/providers/microsoft.containerservice/locations/westeurope/kubernetesversions", says(200, `{"values":[
		{"version":"1.9","patchVersions":{"1.9.2":{},"1.9.10":{}}},
		{"version":"1.37","isPreview":true,"capabilities":{"supportPlan":["KubernetesOfficial"]}},
		{"version":"1.36","isDefault":true}]}`))
	got, err := newMachine(t).client(t, a).Versions(t.Context(), "westeurope")
	want := []KubernetesVersion{
		{Version: "1.37", Preview: true, Plans: []string{"KubernetesOfficial"}},
		{Version: "1.36", Default: true},
		{Version: "1.9", Patches: []string{"1.9.10", "1.9.2"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}
