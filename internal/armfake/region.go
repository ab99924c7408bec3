// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// route is what answers a kind of request; parts are what is in the path.
type route struct {
	method string
	path   *regexp.Regexp
	answer func(w http.ResponseWriter, r *http.Request, parts []string)
}

// table are the routes. Paths are in any case.
func (s *Server) table() []route {
	const (
		subscription = "/subscriptions/([^/]+)"
		group        = subscription + "/resourceGroups/([^/]+)"
		aks          = "/providers/Microsoft.ContainerService"
		cluster      = group + aks + "/managedClusters/([^/]+)"
		pool         = cluster + "/agentPools/([^/]+)"
		vm           = subscription + "/providers/Microsoft.Compute"
		acr          = subscription + "/providers/Microsoft.ContainerRegistry/registries"
		images       = group + "/providers/Microsoft.ContainerRegistry/registries/([^/]+)"
		run          = images + "/runs/([^/]+)"
		role         = "(.*)/providers/Microsoft.Authorization/roleAssignments/([^/]+)"
	)
	at := func(method, path string, answer func(http.ResponseWriter, *http.Request, []string)) route {
		return route{method, regexp.MustCompile("(?i)^" + path + "$"), answer}
	}
	return []route{
		at(http.MethodGet, cluster, s.getCluster),
		at(http.MethodPut, cluster, s.putCluster),
		at(http.MethodDelete, cluster, s.deleteCluster),
		at(http.MethodGet, subscription+aks+"/managedClusters", s.listClusters),
		at(http.MethodGet, group+aks+"/managedClusters", s.listClusters),
		at(http.MethodPost, cluster+"/listCluster(User|Admin)Credential", s.credentials),
		at(http.MethodGet, cluster+"/agentPools", s.listPools),
		at(http.MethodGet, pool, s.getPool),
		at(http.MethodPut, pool, s.putPool),
		at(http.MethodDelete, pool, s.deletePool),
		at(http.MethodGet, subscription+aks+"/locations/([^/]+)/operations/([^/]+)", s.poll),
		at(http.MethodGet, subscription+aks+"/locations/([^/]+)/kubernetesVersions", s.versions),
		at(http.MethodGet, subscription+"/providers/([^/]+)", s.provider),
		at(http.MethodPost, subscription+"/providers/([^/]+)/register", s.register),
		at(http.MethodGet, vm+"/skus", s.skus),
		at(http.MethodGet, vm+"/locations/([^/]+)/usages", s.usages),
		at(http.MethodGet, acr, s.listRegistries),
		at(http.MethodPost, images+"/listBuildSourceUploadUrl", s.uploadURL),
		at(http.MethodPost, images+"/scheduleRun", s.scheduleRun),
		at(http.MethodGet, run, s.getRun),
		at(http.MethodPost, run+"/cancel", s.cancelRun),
		at(http.MethodPost, run+"/listLogSasUrl", s.logURL),
		at(http.MethodGet, group, s.group),
		at(http.MethodPut, role, s.putRole),
		at(http.MethodGet, role, s.getRole),
	}
}

func (s *Server) group(w http.ResponseWriter, _ *http.Request, parts []string) {
	sayJSON(w, http.StatusOK, map[string]any{
		"id": "/subscriptions/" + parts[0] + "/resourceGroups/" + parts[1], "name": parts[1],
		"type": "Microsoft.Resources/resourceGroups", "location": s.o.Location,
		"properties": map[string]any{"provisioningState": "Succeeded"},
	})
}

func (s *Server) register(w http.ResponseWriter, _ *http.Request, parts []string) {
	s.registered = true
	sayJSON(w, http.StatusOK, map[string]any{"namespace": parts[1], "registrationState": "Registering"})
}

func (s *Server) provider(w http.ResponseWriter, _ *http.Request, parts []string) {
	state := "NotRegistered"
	if s.registered {
		state = "Registered"
	}
	sayJSON(w, http.StatusOK, map[string]any{"namespace": parts[1], "registrationState": state})
}

func (s *Server) versions(w http.ResponseWriter, _ *http.Request, _ []string) {
	version := func(minor, patch string, more map[string]any) map[string]any {
		v := map[string]any{
			"version":       minor,
			"capabilities":  map[string]any{"supportPlan": []string{"KubernetesOfficial", "AKSLongTermSupport"}},
			"patchVersions": map[string]any{minor + "." + patch: map[string]any{"upgrades": []string{}}},
		}
		for name, value := range more {
			v[name] = value
		}
		return v
	}
	sayJSON(w, http.StatusOK, map[string]any{"values": []any{
		version("1.37", "1", nil), version("1.36", "2", map[string]any{"isDefault": true}), version("1.35", "4", nil),
	}})
}

func usualSKUs() []SKU {
	return []SKU{
		{Name: "Standard_D4s_v5", Family: "standardDSv5Family", CPUs: 4, MemoryGB: 16},
		{Name: "Standard_D2s_v5", Family: "standardDSv5Family", CPUs: 2, MemoryGB: 8},
		{Name: "Standard_D8s_v5", Family: "standardDSv5Family", CPUs: 8, MemoryGB: 32},
		{Name: "Standard_D3_v2", Family: "standardDv2Family", CPUs: 4, MemoryGB: 14},
		{Name: "Standard_NC4as_T4_v3", Family: "Standard NCASv3_T4 Family", CPUs: 4, GPUs: 1, MemoryGB: 28},
		{Name: "Standard_E4s_v5", Family: "standardESv5Family", CPUs: 4, MemoryGB: 32,
			Restricted: "NotAvailableForSubscription"},
	}
}

func (s *Server) skus(w http.ResponseWriter, _ *http.Request, _ []string) {
	found := []any{}
	for _, sku := range s.o.SKUs {
		one := map[string]any{
			"resourceType": "virtualMachines", "name": sku.Name, "family": sku.Family, "locations": []string{s.o.Location},
			"capabilities": []any{
				capability("vCPUs", sku.CPUs), capability("GPUs", sku.GPUs), capability("MemoryGB", sku.MemoryGB),
				map[string]any{"name": "CpuArchitectureType", "value": "x64"},
			},
			"restrictions": []any{},
		}
		if sku.Restricted != "" {
			one["restrictions"] = []any{map[string]any{
				"type": "Location", "values": []string{s.o.Location}, "reasonCode": sku.Restricted,
				"restrictionInfo": map[string]any{"locations": []string{s.o.Location}},
			}}
		}
		found = append(found, one)
	}
	sayJSON(w, http.StatusOK, map[string]any{"value": found})
}

func capability(name string, n int) map[string]any {
	return map[string]any{"name": name, "value": strconv.Itoa(n)}
}

func (s *Server) usages(w http.ResponseWriter, _ *http.Request, _ []string) {
	row := func(name string) map[string]any {
		return map[string]any{
			"unit": "Count", "currentValue": 0, "limit": s.o.Cores,
			"name": map[string]any{"value": name, "localizedValue": name},
		}
	}
	found, seen := []any{row("cores")}, map[string]bool{}
	for _, sku := range s.o.SKUs {
		if !seen[sku.Family] {
			seen[sku.Family] = true
			found = append(found, row(sku.Family))
		}
	}
	sayJSON(w, http.StatusOK, map[string]any{"value": found})
}

func (s *Server) putRole(w http.ResponseWriter, r *http.Request, parts []string) {
	id := strings.ToLower(r.URL.Path)
	if s.roles[id] != nil {
		refuse(w, http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
		return
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		unreadable(w)
		return
	}
	body["id"], body["name"] = r.URL.Path, parts[1]
	s.roles[id] = body
	sayJSON(w, http.StatusCreated, body)
}

func (s *Server) getRole(w http.ResponseWriter, r *http.Request, _ []string) {
	if role := s.roles[strings.ToLower(r.URL.Path)]; role != nil {
		sayJSON(w, http.StatusOK, role)
		return
	}
	refuse(w, http.StatusNotFound, "RoleAssignmentNotFound", "The role assignment is not found.")
}
