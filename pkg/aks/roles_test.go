// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

const (
	subnetID   = "/subscriptions/" + subscription + "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
	registryAt = "/subscriptions/" + subscription + "/resourceGroups/ml/providers/Microsoft.ContainerRegistry/registries/images"
	identityID = "/subscriptions/" + subscription +
		"/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
)

// roleAt is the request for the role at scope.
func roleAt(scope, name string) string {
	return "PUT " + strings.ToLower(scope+"/providers/Microsoft.Authorization/roleAssignments/"+name)
}

func made(kind acs.ResourceIdentityType) Cluster {
	raw := acs.ManagedCluster{
		Identity: &acs.ManagedClusterIdentity{Type: ptr.To(kind)},
		Properties: &acs.ManagedClusterProperties{IdentityProfile: map[string]*acs.UserAssignedIdentity{
			"kubeletidentity": {ObjectID: ptr.To("nodes-1")},
		}},
	}
	if kind == acs.ResourceIdentityTypeSystemAssigned {
		raw.Identity.PrincipalID = ptr.To("cluster-1")
	}
	return newCluster(target(), raw)
}

func puts(a *armServer) (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.seen {
		if strings.HasPrefix(s, "PUT ") {
			all = append(all, s)
		}
	}
	return all
}

func TestRolesAreGivenOnceHoweverOften(t *testing.T) {
	t.Parallel()
	a := newARM(t)
	c := newMachine(t).client(t, a)
	after := After{Registry: registryAt, Subnet: subnetID}
	const body = `{"properties":{}}`
	answers := func(status int, text string) {
		for _, at := range []string{
			roleAt(registryAt, roleName(registryAt, "nodes-1", acrPull)),
			roleAt(subnetID, roleName(subnetID, "cluster-1", networkContributor)),
		} {
			a.answer(at, says(status, text))
		}
	}
	answers(201, body)
	answers(409, `{"error":{"code":"RoleAssignmentExists","message":"The role assignment already exists."}}`)
	for range 2 {
		if warnings := c.Assign(t.Context(), made(acs.ResourceIdentityTypeSystemAssigned), after); len(warnings) > 0 {
			t.Errorf("warnings %q", warnings)
		}
	}
	sent := puts(a)
	if len(sent) != 4 || !slices.Equal(sent[:2], sent[2:]) {
		t.Errorf("sent %q", sent)
	}
	var role struct {
		Properties struct{ PrincipalID, PrincipalType, RoleDefinitionID string }
	}
	if err := json.Unmarshal([]byte(a.bodies[sent[0]]), &role); err != nil {
		t.Fatal(err)
	}
	if p := role.Properties; p.PrincipalID != "nodes-1" || p.PrincipalType != "ServicePrincipal" ||
		!strings.HasSuffix(p.RoleDefinitionID, "/roleDefinitions/"+acrPull) {
		t.Errorf("asked for %+v", p)
	}
}

func TestARoleThatCannotBeGivenIsAWarning(t *testing.T) {
	t.Parallel()
	a := newARM(t)
	a.answer(roleAt(registryAt, roleName(registryAt, "nodes-1", acrPull)), says(403, `{"error":{"code":"AuthorizationFailed",
		"message":"The client does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write'"}}`))
	got := newMachine(t).client(t, a).Assign(t.Context(), made(acs.ResourceIdentityTypeSystemAssigned),
		After{Registry: registryAt})
	if len(got) != 1 || !strings.Contains(got[0], "az role assignment create --role 'AcrPull' --assignee-object-id nodes-1 ") ||
		!strings.HasSuffix(got[0], "--scope "+registryAt) || strings.Contains(got[0], "\n") {
		t.Errorf("warnings %q", got)
	}
}

func TestARegistryIsFoundByItsName(t *testing.T) {
	t.Parallel()
	const at = "GET /subscriptions/" + subscription + "/providers/microsoft.containerregistry/registries"
	for name, c := range map[string]struct{ registry, want string }{
		"in any case":      {"Images", ""},
		"with its address": {"images.azurecr.io", ""},
		"none": {"others", "the nodes cannot pull from others yet: " +
			"--attach-acr others: the subscription has no such registry: write its id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newARM(t)
			a.answer(at, says(200, `{"value":[{"id":"`+registryAt+`","name":"images"}]}`))
			a.answer(roleAt(registryAt, roleName(registryAt, "nodes-1", acrPull)), says(201, `{}`))
			got := newMachine(t).client(t, a).Assign(t.Context(), made(acs.ResourceIdentityTypeSystemAssigned),
				After{Registry: c.registry})
			if strings.Join(got, "") != c.want {
				t.Errorf("warnings %q", got)
			}
		})
	}
}

func TestAnIdentityOfOnesOwnGetsTheSubnetBeforehand(t *testing.T) {
	t.Parallel()
	at := "GET " + strings.ToLower(identityID)
	role := roleAt(subnetID, roleName(subnetID, "mine-1", networkContributor))
	a := newARM(t)
	c := newMachine(t).client(t, a)
	a.answer(at, says(200, `{"properties":{"principalId":"mine-1"}}`))
	a.answer(role, says(201, `{}`))
	if got := c.Prepare(t.Context(), target(), identityID, subnetID); got != "" || !slices.Equal(puts(a), []string{role}) {
		t.Errorf("warning %q, sent %q", got, puts(a))
	}
	if got := c.Assign(t.Context(), made(acs.ResourceIdentityTypeUserAssigned), After{Subnet: subnetID}); len(got) > 0 {
		t.Errorf("warnings %q after it", got)
	}
	a.answer(at, says(404, `{"error":{"code":"ResourceNotFound","message":"It is not there."}}`))
	if got := c.Prepare(t.Context(), target(), identityID, subnetID); !strings.Contains(got, "It is not there") ||
		!strings.Contains(got, "Network Contributor on "+subnetID) {
		t.Errorf("warning %q", got)
	}
	if got := c.Prepare(t.Context(), target(), "", subnetID); got != "" {
		t.Errorf("warning %q without an identity", got)
	}
}
