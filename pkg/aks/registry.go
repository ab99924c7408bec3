// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
)

// Registry is the id of the container registry of a subscription that is known by
// its login server, such as NAME.azurecr.io, or by its name. One that is not there
// is NotFound; a name of several, which differ in their login servers, is Invalid.
func (c *Client) Registry(ctx context.Context, subscription, registry string) (string, error) {
	what := Target{Subscription: subscription}.label()
	all, err := c.registries(ctx, subscription)
	if err != nil {
		return "", c.Explain(err, what)
	}
	server := func(r *armcontainerregistry.Registry) string {
		if r.Properties == nil {
			return ""
		}
		return value(r.Properties.LoginServer)
	}
	for _, r := range all {
		if strings.EqualFold(server(r), registry) {
			return value(r.ID), nil
		}
	}
	name, _, _ := strings.Cut(registry, ".azurecr.")
	all = slices.DeleteFunc(all, func(r *armcontainerregistry.Registry) bool {
		return !strings.EqualFold(value(r.Name), name)
	})
	switch len(all) {
	case 0:
		return "", fail(NotFound, nil, "%s has no container registry %s", what, registry).
			then("write --subscription or AZURE_SUBSCRIPTION_ID with that of the registry, or correct the name")
	case 1:
		return value(all[0].ID), nil
	}
	servers := make([]string, 0, len(all))
	for _, r := range all {
		servers = append(servers, server(r))
	}
	return "", fail(Invalid, nil, "%s has %d container registries %s", what, len(all), name).
		then("write the login server of one: " + strings.Join(servers, ", "))
}

func (c *Client) registries(ctx context.Context, subscription string) ([]*armcontainerregistry.Registry, error) {
	client, err := armcontainerregistry.NewRegistriesClient(subscription, c.options.Credential, c.arm)
	if err != nil {
		return nil, err
	}
	var all []*armcontainerregistry.Registry
	for pager := client.NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
	}
	return all, nil
}
