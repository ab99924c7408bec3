// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// Clouds are the names that CloudNamed knows, the default first.
func Clouds() []string { return []string{"AzureCloud", "AzureChinaCloud", "AzureUSGovernment"} }

// CloudNamed is the cloud that az knows by name, the public one if it is empty.
// endpoint takes the place of its resource manager's if it is not empty: the
// credentials go there, so it is https, or http to this machine itself.
func CloudNamed(name, endpoint string) (cloud.Configuration, error) {
	var c cloud.Configuration
	switch strings.ToLower(name) {
	case "", "azurecloud":
		c = cloud.AzurePublic
	case "azurechinacloud":
		c = cloud.AzureChina
	case "azureusgovernment":
		c = cloud.AzureGovernment
	default:
		return c, fmt.Errorf("cloud %q is not known: write one of %s", name, strings.Join(Clouds(), ", "))
	}
	if endpoint == "" {
		return c, nil
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" ||
		strings.Trim(at.Path, "/") != "" {
		return c, fmt.Errorf("endpoint %q of Azure's resource manager: write https://HOST[:PORT]", endpoint)
	}
	if at.Scheme != "https" && (at.Scheme != "http" || !loopback(at.Hostname())) {
		return c, fmt.Errorf("endpoint %q of Azure's resource manager: credentials go there, so write https://", endpoint)
	}
	c.Services = maps.Clone(c.Services)
	arm := c.Services[cloud.ResourceManager]
	arm.Endpoint = at.Scheme + "://" + at.Host
	c.Services[cloud.ResourceManager] = arm
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Subscription is the one to work in: what flag says, else
// AZURE_SUBSCRIPTION_ID, else the default one of the Azure CLI, whose folder is
// AZURE_CONFIG_DIR or .azure in home. The error says how to name one.
func Subscription(flag string, getenv func(string) string, home string) (string, error) {
	if flag != "" {
		return checkSubscription("--subscription", flag)
	}
	if id := getenv("AZURE_SUBSCRIPTION_ID"); id != "" {
		return checkSubscription("AZURE_SUBSCRIPTION_ID", id)
	}
	folder := getenv("AZURE_CONFIG_DIR")
	if folder == "" && home != "" {
		folder = filepath.Join(home, ".azure")
	}
	id, err := profileSubscription(folder)
	if err != nil {
		return "", fmt.Errorf("which subscription: %w: set AZURE_SUBSCRIPTION_ID, or run az login", err)
	}
	return id, nil
}

// checkSubscription refuses names: the resource manager knows ids only.
func checkSubscription(where, id string) (string, error) {
	if strings.ContainsAny(id, "/ ?#%\\") {
		return "", fmt.Errorf("%s %q is no id of a subscription: az account list shows them", where, id)
	}
	return id, nil
}

// profileSubscription reads what az login leaves, which has a byte order mark.
func profileSubscription(folder string) (string, error) {
	path := filepath.Join(folder, "azureProfile.json")
	text, err := os.ReadFile(path)
	if folder == "" || err != nil {
		return "", errors.New("none is named, and there is no login of the Azure CLI")
	}
	var profile struct {
		Subscriptions []struct {
			ID        string `json:"id"`
			IsDefault bool   `json:"isDefault"`
		} `json:"subscriptions"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &profile); err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", path, err)
	}
	for _, s := range profile.Subscriptions {
		if s.IsDefault && s.ID != "" {
			return checkSubscription(path, s.ID)
		}
	}
	return "", errors.New("none is named, and the Azure CLI has no default one")
}
