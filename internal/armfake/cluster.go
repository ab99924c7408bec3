// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// cluster is a managed cluster, as it is answered.
type cluster struct {
	subscription, group, name string
	body                      map[string]any
	under                     *operation // nil if Azure is not at work on it
}

// operation is work on a cluster.
type operation struct {
	id      string
	on      *cluster
	polls   int // that find it in progress
	ended   bool
	failure any
	end     func()
}

func key(parts ...string) string { return strings.ToLower(strings.Join(parts, "/")) }

func (c *cluster) properties() map[string]any {
	p, ok := c.body["properties"].(map[string]any)
	if !ok {
		p = map[string]any{}
		c.body["properties"] = p
	}
	return p
}

// Fail has the next operation end as Failed with this error.
func (s *Server) Fail(code, message string, details ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, map[string]any{"code": code, "message": message, "details": details})
}

// Finish ends what Azure is at work on.
func (s *Server) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range s.operations {
		s.finish(op)
	}
}

// Put has a cluster be there, ready, with these tags.
func (s *Server) Put(group, name string, tags map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &cluster{subscription: Subscription, group: group, name: name, body: map[string]any{"location": s.o.Location}}
	if tags != nil {
		c.body["tags"] = tags
	}
	c.fill(s.o.Location)
	c.properties()["provisioningState"] = "Succeeded"
	s.clusters[key(Subscription, group, name)] = c
}

// State is the provisioning state of a cluster; empty if there is none.
func (s *Server) State(group, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clusters[key(Subscription, group, name)]
	if c == nil {
		return ""
	}
	state, _ := c.properties()["provisioningState"].(string)
	return state
}

// fill adds what AKS adds to a request.
func (c *cluster) fill(location string) {
	if _, ok := c.body["location"]; !ok {
		c.body["location"] = location
	}
	c.body["id"] = "/subscriptions/" + c.subscription + "/resourcegroups/" + c.group +
		"/providers/Microsoft.ContainerService/managedClusters/" + c.name
	c.body["name"], c.body["type"] = c.name, "Microsoft.ContainerService/ManagedClusters"
	p := c.properties()
	for name, value := range map[string]any{
		"powerState": map[string]any{"code": "Running"}, "kubernetesVersion": "1.36",
		"currentKubernetesVersion": "1.36.2", "fqdn": c.name + "-dns-1a2b3c4d.hcp." + location + ".azmk8s.io",
		"nodeResourceGroup": "MC_" + c.group + "_" + c.name + "_" + location, "supportPlan": "KubernetesOfficial",
		"identityProfile": map[string]any{"kubeletidentity": map[string]any{
			"clientId": "c0000000-0000-0000-0000-000000000001", "objectId": "c0000000-0000-0000-0000-000000000002"}},
	} {
		if _, ok := p[name]; !ok {
			p[name] = value
		}
	}
	if identity, ok := c.body["identity"].(map[string]any); ok {
		identity["principalId"] = "c0000000-0000-0000-0000-000000000003"
	}
	network, ok := p["networkProfile"].(map[string]any)
	if !ok {
		network = map[string]any{}
		p["networkProfile"] = network
	}
	network["loadBalancerSku"] = "Standard" // not as it was asked for
}

// begin has Azure be at work on c.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, c *cluster, state string, end func()) {
	s.serial++
	op := &operation{
		id: fmt.Sprintf("a0000000-0000-0000-0000-%012d", s.serial), on: c, polls: s.o.Polls, end: end,
	}
	if len(s.failures) > 0 {
		op.failure, s.failures = s.failures[0], s.failures[1:]
	}
	s.operations[op.id] = op
	c.under = op
	c.properties()["provisioningState"] = state
	where := fmt.Sprintf("https://%s/subscriptions/%s/providers/Microsoft.ContainerService/locations/%s/", r.Host,
		c.subscription, s.o.Location)
	w.Header().Set("Azure-AsyncOperation", where+"operations/"+op.id+"?api-version=2016-03-30&t=1&s=signed")
	if r.Method == http.MethodDelete {
		w.Header().Set("Location", where+"operationresults/"+op.id+"?api-version=2016-03-30&t=1&s=signed")
	}
}

// step is a look at the operation.
func (s *Server) step(op *operation) {
	if op.polls > 0 {
		op.polls--
		return
	}
	s.finish(op)
}

func (s *Server) finish(op *operation) {
	if op.ended {
		return
	}
	op.ended = true
	if op.on.under == op {
		op.on.under = nil
	}
	if op.failure == nil {
		op.on.properties()["provisioningState"] = "Succeeded"
		op.end()
		return
	}
	op.on.properties()["provisioningState"] = "Failed"
	op.on.properties()["status"] = map[string]any{"provisioningError": op.failure}
}

// poll answers GET …/locations/L/operations/ID.
func (s *Server) poll(w http.ResponseWriter, _ *http.Request, parts []string) {
	op := s.operations[parts[2]]
	if op == nil {
		refuseAKS(w, http.StatusNotFound, "NotFound", "The entity was not found.")
		return
	}
	s.step(op)
	// AKS swaps the bytes of the id, so that the name is never what was asked for.
	body := map[string]any{"name": "0000" + op.id[4:], "status": "InProgress", "startTime": "2026-01-01T00:00:00Z"}
	switch {
	case op.ended && op.failure != nil:
		body["status"], body["error"], body["endTime"] = "Failed", op.failure, "2026-01-01T00:05:00Z"
	case op.ended:
		body["status"], body["endTime"] = "Succeeded", "2026-01-01T00:05:00Z"
	default:
		w.Header().Set("Retry-After", "1") // AKS gives none; tests are in a hurry
	}
	sayJSON(w, http.StatusOK, body)
}

// find answers with 404 if there is no cluster.
func (s *Server) find(w http.ResponseWriter, parts []string) *cluster {
	c := s.clusters[key(parts[0], parts[1], parts[2])]
	if c == nil {
		refuse(w, http.StatusNotFound, "ResourceNotFound", fmt.Sprintf(
			"The Resource 'Microsoft.ContainerService/managedClusters/%s' under resource group '%s' was not found. "+
				"For more details please go to https://aka.ms/ARMResourceNotFoundFix", parts[2], parts[1]))
	}
	return c
}

func (s *Server) getCluster(w http.ResponseWriter, _ *http.Request, parts []string) {
	if c := s.clusters[key(parts[0], parts[1], parts[2])]; c != nil && c.under != nil {
		s.step(c.under)
	}
	if c := s.find(w, parts); c != nil {
		sayJSON(w, http.StatusOK, c.body)
	}
}

func (s *Server) putCluster(w http.ResponseWriter, r *http.Request, parts []string) {
	k := key(parts[0], parts[1], parts[2])
	old := s.clusters[k]
	switch {
	case !s.registered:
		refuse(w, http.StatusConflict, "MissingSubscriptionRegistration",
			"The subscription is not registered to use namespace 'Microsoft.ContainerService'. See "+
				"https://aka.ms/rps-not-found for how to register subscriptions.")
		return
	case old != nil && r.Header.Get("If-None-Match") == "*":
		refuseAKS(w, http.StatusPreconditionFailed, "PreconditionFailed",
			"The resource exists already and the request says If-None-Match: *.")
		return
	case old != nil && old.under != nil:
		s.busy(w, old)
		return
	}
	c := &cluster{subscription: parts[0], group: parts[1], name: parts[2]}
	if err := json.NewDecoder(r.Body).Decode(&c.body); err != nil || c.body == nil {
		unreadable(w)
		return
	}
	if _, ok := c.body["location"]; !ok {
		refuse(w, http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
		return
	}
	status, state := http.StatusCreated, "Creating"
	if old != nil {
		status, state = http.StatusOK, "Updating"
	}
	c.fill(s.o.Location)
	s.clusters[k] = c
	s.begin(w, r, c, state, func() {})
	sayJSON(w, status, c.body)
}

// busy is what AKS answers while it is at work on a cluster.
func (s *Server) busy(w http.ResponseWriter, c *cluster) {
	refuseAKS(w, http.StatusConflict, "OperationNotAllowed", fmt.Sprintf(
		"Operation is not allowed because there's an in progress %v operation on the managed cluster %s.",
		c.properties()["provisioningState"], c.name))
}

func (s *Server) deleteCluster(w http.ResponseWriter, r *http.Request, parts []string) {
	k := key(parts[0], parts[1], parts[2])
	c := s.clusters[k]
	if c == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.begin(w, r, c, "Deleting", func() { delete(s.clusters, k) })
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) listClusters(w http.ResponseWriter, _ *http.Request, parts []string) {
	found := []any{}
	names := make([]string, 0, len(s.clusters))
	for k := range s.clusters {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		c := s.clusters[k]
		if strings.EqualFold(c.subscription, parts[0]) && (len(parts) == 1 || strings.EqualFold(c.group, parts[1])) {
			found = append(found, c.body)
		}
	}
	sayJSON(w, http.StatusOK, map[string]any{"value": found})
}

func (s *Server) credentials(w http.ResponseWriter, _ *http.Request, parts []string) {
	if s.find(w, parts) == nil {
		return
	}
	name := "clusterUser"
	if strings.EqualFold(parts[3], "Admin") {
		name = "clusterAdmin"
	}
	sayJSON(w, http.StatusOK, map[string]any{"kubeconfigs": []any{
		map[string]any{"name": name, "value": s.o.Kubeconfig}}}) // []byte is base64 in JSON, as in AKS's
}
