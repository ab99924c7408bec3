// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"github.com/google/uuid"
	"k8s.io/utils/ptr"
)

// The ids of Azure's built-in roles that a cluster is given.
const (
	acrPull            = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
	networkContributor = "4d97b98b-1d4f-4787-a291-c67834d212e7"
)

// kubelet is the name of the nodes' identity among those of a cluster.
const kubelet = "kubeletidentity"

// Assign gives a new cluster the roles that it needs for what comes after: its
// nodes the right to pull from the registry, the cluster itself that to use the
// subnet, unless its identity is one that Prepare has given it to. Doing it again
// changes nothing. A role that cannot be given is a warning, with the line of az
// that gives it: the cluster is there all the same.
func (c *Client) Assign(ctx context.Context, now Cluster, after After) (warnings []string) {
	give := func(scope, role, roleTitle, principal string) {
		err := c.assign(ctx, scope, role, principal)
		if err == nil {
			return
		}
		warnings = append(warnings, fmt.Sprintf("%s: give the role with az role assignment create --role '%s' "+
			"--assignee-object-id %s --assignee-principal-type ServicePrincipal --scope %s",
			c.explain(err, now.Target), roleTitle, principal, scope))
	}
	if after.Registry != "" {
		id, err := c.registryID(ctx, now.Target, after.Registry)
		nodes := nodeIdentity(now)
		switch {
		case err != nil:
			warnings = append(warnings, "the nodes cannot pull from "+after.Registry+" yet: "+err.Error())
		case nodes == "":
			warnings = append(warnings, "the cluster has no identity of its nodes that could pull from "+after.Registry)
		default:
			give(id, acrPull, "AcrPull", nodes)
		}
	}
	id := now.Raw.Identity
	switch {
	case after.Subnet == "" || id != nil && value(id.Type) == acs.ResourceIdentityTypeUserAssigned: // see Prepare
	case id != nil && value(id.PrincipalID) != "":
		give(after.Subnet, networkContributor, "Network Contributor", *id.PrincipalID)
	default:
		warnings = append(warnings, needsSubnet(after.Subnet))
	}
	return warnings
}

func needsSubnet(subnet string) string {
	return "the cluster's identity needs the role Network Contributor on " + subnet +
		", or its load balancers get no address there"
}

// identityVersion is the version of the API of identities.
const identityVersion = "2023-01-31"

// Prepare gives an identity that was made for the cluster t the right to use its
// subnet, before the cluster is asked for: AKS may refuse one that has not got it.
// Without an identity or a subnet of one's own there is nothing to do. Doing it
// again changes nothing; a right that cannot be given is a warning.
func (c *Client) Prepare(ctx context.Context, t Target, identity, subnet string) (warning string) {
	if identity == "" || subnet == "" {
		return ""
	}
	var found struct {
		Properties struct {
			PrincipalID string `json:"principalId"`
		} `json:"properties"`
	}
	err := c.read(ctx, identityVersion, &found, strings.Split(strings.Trim(identity, "/"), "/")...)
	if err == nil && found.Properties.PrincipalID == "" {
		err = errors.New("the identity has no principal")
	}
	if err == nil {
		err = c.assign(ctx, subnet, networkContributor, found.Properties.PrincipalID)
	}
	if err != nil {
		return c.explain(err, t).Error() + ": " + needsSubnet(subnet)
	}
	return ""
}

func nodeIdentity(now Cluster) string {
	if now.Raw.Properties == nil || now.Raw.Properties.IdentityProfile[kubelet] == nil {
		return ""
	}
	return value(now.Raw.Properties.IdentityProfile[kubelet].ObjectID)
}

// roleName is the name of an assignment. It is made of what the assignment says,
// so that a second one is the same.
func roleName(scope, principal, role string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.ToLower(scope+"|"+principal+"|"+role))).String()
}

// assign gives a role. Doing it again changes nothing.
func (c *Client) assign(ctx context.Context, scope, role, principal string) error {
	client, err := armauthorization.NewRoleAssignmentsClient(c.options.Subscription, c.options.Credential, c.arm)
	if err != nil {
		return err
	}
	at, err := arm.ParseResourceID(scope)
	if err != nil {
		return err
	}
	_, err = client.Create(ctx, scope, roleName(scope, principal, role), armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{
			PrincipalID: ptr.To(principal), PrincipalType: ptr.To(armauthorization.PrincipalTypeServicePrincipal),
			RoleDefinitionID: ptr.To("/subscriptions/" + at.SubscriptionID +
				"/providers/Microsoft.Authorization/roleDefinitions/" + role),
		},
	}, nil)
	// Somebody has given it under another name.
	response := (*azcore.ResponseError)(nil)
	if errors.As(err, &response) && response.ErrorCode == "RoleAssignmentExists" {
		return nil
	}
	return err
}

const registries = "Microsoft.ContainerRegistry/registries"

// registryID is the id of a registry of the subscription that is known by its name.
func (c *Client) registryID(ctx context.Context, t Target, registry string) (string, error) {
	if strings.Contains(registry, "/") {
		f := &findings{}
		checkID(f, "--attach-acr", registry, registries)
		return registry, errors.Join(f.refused...)
	}
	id, err := c.Registry(ctx, t.Subscription, registry)
	if ReasonOf(err) == NotFound {
		return "", fail(NotFound, err, "--attach-acr %s: the subscription has no such registry: write its id", registry)
	}
	return id, err
}

// read gets a resource that there is no client for here.
func (c *Client) read(ctx context.Context, version string, into any, path ...string) error {
	client, err := arm.NewClient("aml", "v1.0.0", c.options.Credential, c.arm)
	if err != nil {
		return err
	}
	request, err := runtime.NewRequest(ctx, http.MethodGet, runtime.JoinPaths(client.Endpoint(), path...))
	if err != nil {
		return err
	}
	query := request.Raw().URL.Query()
	query.Set("api-version", version)
	request.Raw().URL.RawQuery = query.Encode()
	response, err := client.Pipeline().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !runtime.HasStatusCode(response, http.StatusOK) {
		return runtime.NewResponseError(response)
	}
	return runtime.UnmarshalAsJSON(response, into)
}
