// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// pools are those of a cluster, as in its own answer.
func (c *cluster) pools() []any {
	pools, _ := c.properties()["agentPoolProfiles"].([]any)
	return pools
}

// pool is one of them, and where it is; nil and -1 if there is none.
func (c *cluster) pool(name string) (map[string]any, int) {
	for i, p := range c.pools() {
		if pool, ok := p.(map[string]any); ok && strings.EqualFold(fmt.Sprint(pool["name"]), name) {
			return pool, i
		}
	}
	return nil, -1
}

// answer is a pool as it is answered by itself.
func (c *cluster) answer(pool map[string]any) map[string]any {
	p := maps.Clone(pool)
	name := p["name"]
	delete(p, "name")
	if _, ok := p["provisioningState"]; !ok {
		p["provisioningState"] = "Succeeded"
	}
	return map[string]any{
		"id": fmt.Sprint(c.body["id"], "/agentPools/", name), "name": name,
		"type": "Microsoft.ContainerService/managedClusters/agentPools", "properties": p,
	}
}

func (s *Server) listPools(w http.ResponseWriter, _ *http.Request, parts []string) {
	c := s.find(w, parts)
	if c == nil {
		return
	}
	found := []any{}
	for _, p := range c.pools() {
		if pool, ok := p.(map[string]any); ok {
			found = append(found, c.answer(pool))
		}
	}
	sayJSON(w, http.StatusOK, map[string]any{"value": found})
}

func (s *Server) getPool(w http.ResponseWriter, _ *http.Request, parts []string) {
	c := s.find(w, parts)
	if c == nil {
		return
	}
	pool, _ := c.pool(parts[3])
	if pool == nil {
		refuseAKS(w, http.StatusNotFound, "NotFound", "Could not find the agentpool: "+parts[3]+".")
		return
	}
	sayJSON(w, http.StatusOK, c.answer(pool))
}

func (s *Server) putPool(w http.ResponseWriter, r *http.Request, parts []string) {
	c := s.find(w, parts)
	if c == nil {
		return
	}
	if c.under != nil {
		s.busy(w, c)
		return
	}
	var body struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Properties == nil {
		unreadable(w)
		return
	}
	pool, status := body.Properties, http.StatusCreated
	pool["name"], pool["provisioningState"] = parts[3], "Creating"
	pools := c.pools()
	if _, at := c.pool(parts[3]); at >= 0 {
		pools[at], status = pool, http.StatusOK
	} else {
		pools = append(pools, pool)
	}
	c.properties()["agentPoolProfiles"] = pools
	s.begin(w, r, c, "Updating", func() { pool["provisioningState"] = "Succeeded" })
	sayJSON(w, status, c.answer(pool))
}

func (s *Server) deletePool(w http.ResponseWriter, r *http.Request, parts []string) {
	c := s.find(w, parts)
	if c == nil {
		return
	}
	_, at := c.pool(parts[3])
	switch {
	case at < 0:
		w.WriteHeader(http.StatusNoContent)
	case c.under != nil:
		s.busy(w, c)
	default:
		s.begin(w, r, c, "Updating", func() {
			if _, at := c.pool(parts[3]); at >= 0 {
				pools := c.pools()
				c.properties()["agentPoolProfiles"] = append(pools[:at:at], pools[at+1:]...)
			}
		})
		w.WriteHeader(http.StatusAccepted)
	}
}
