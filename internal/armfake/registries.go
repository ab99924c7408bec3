// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// Matches for Fault and Count.
const (
	ListRegistries = `^GET .*/registries$`
	UploadURL      = `^POST .*/listBuildSourceUploadUrl$`
	Upload         = `^PUT /storage/source/`
	ScheduleRun    = `^POST .*/scheduleRun$`
	GetRun         = `^GET .*/runs/[^/]+$`
	LogURL         = `^POST .*/listLogSasUrl$`
	ReadLog        = `^GET /storage/logs/`
	CancelRun      = `^POST .*/runs/[^/]+/cancel$`
	Exchange       = `^POST /oauth2/exchange$`
)

// Registry is a container registry of Azure.
type Registry struct {
	// Subscription is that of the server if empty.
	Subscription string
	Group, Name  string
	// Server is the login server; NAME.azurecr.io if empty.
	Server string
	// Public is one that nobody has to sign in to for pulling.
	Public bool
}

// registry is one, with what it holds.
type registry struct {
	Registry
	images http.Handler
	logins []string // refresh tokens that it has given out
}

// AddRegistry has a registry be there. Whoever has Env, or Client, reaches its
// login server here.
func (s *Server) AddRegistry(r Registry) {
	r.Subscription = cmp.Or(r.Subscription, Subscription)
	r.Server = cmp.Or(r.Server, strings.ToLower(r.Name)+".azurecr.io")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registries = append(s.registries, &registry{Registry: r, images: newImages()})
}

// login is the registry at a host, with or without its port.
func (s *Server) login(host string) *registry {
	host = strings.TrimSuffix(host, ":443")
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.registries, func(r *registry) bool { return strings.EqualFold(r.Server, host) })
	if i < 0 {
		return nil
	}
	return s.registries[i]
}

func (r *registry) id() string {
	return "/subscriptions/" + r.Subscription + "/resourceGroups/" + r.Group +
		"/providers/Microsoft.ContainerRegistry/registries/" + r.Name
}

func (s *Server) listRegistries(w http.ResponseWriter, r *http.Request, parts []string) {
	found := []any{}
	for _, one := range s.registries {
		if strings.EqualFold(one.Subscription, parts[0]) {
			found = append(found, map[string]any{
				"id": one.id(), "name": one.Name, "type": "Microsoft.ContainerRegistry/registries",
				"location": s.o.Location, "sku": map[string]any{"name": "Standard", "tier": "Standard"},
				"properties": map[string]any{"loginServer": one.Server, "provisioningState": "Succeeded"},
			})
		}
	}
	// A page has two, so that whoever reads only the first is found out.
	answer := map[string]any{"value": found}
	if r.URL.Query().Get("$skiptoken") != "" {
		answer["value"] = found[min(2, len(found)):]
	} else if len(found) > 2 {
		answer["value"] = found[:2]
		answer["nextLink"] = "https://" + r.Host + r.URL.Path + "?" + r.URL.RawQuery + "&$skiptoken=2"
	}
	sayJSON(w, http.StatusOK, answer)
}

// registryIn answers with 404 if there is no registry.
func (s *Server) registryIn(w http.ResponseWriter, parts []string) *registry {
	for _, one := range s.registries {
		if strings.EqualFold(key(one.Subscription, one.Group, one.Name), key(parts[:3]...)) {
			return one
		}
	}
	refuse(w, http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.ContainerRegistry/registries/"+parts[2]+
		"' under resource group '"+parts[1]+"' was not found. For more details please go to "+
		"https://aka.ms/ARMResourceNotFoundFix")
	return nil
}
