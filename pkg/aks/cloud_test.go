// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

func TestCloudNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cloud, endpoint, want, message string }{
		"none":                   {want: "https://management.azure.com"},
		"in any case":            {cloud: "azurecloud", want: "https://management.azure.com"},
		"China's":                {cloud: "AzureChinaCloud", want: "https://management.chinacloudapi.cn"},
		"the US government's":    {cloud: "AzureUSGovernment", want: "https://management.usgovcloudapi.net"},
		"another endpoint":       {endpoint: "https://arm.example:8443/", want: "https://arm.example:8443"},
		"plain to this machine":  {endpoint: "http://127.0.0.1:8080", want: "http://127.0.0.1:8080"},
		"plain to localhost":     {endpoint: "http://localhost", want: "http://localhost"},
		"plain to IPv6 loopback": {endpoint: "http://[::1]:80", want: "http://[::1]:80"},
		"not known": {
			cloud:   "AzureGermanCloud",
			message: `cloud "AzureGermanCloud" is not known: write one of AzureCloud, AzureChinaCloud, AzureUSGovernment`,
		},
		"plain to elsewhere": {
			endpoint: "http://arm.example",
			message:  `endpoint "http://arm.example" of Azure's resource manager: credentials go there, so write https://`,
		},
		"plain to a name that begins like this machine's": {
			endpoint: "http://localhost.example",
			message:  `endpoint "http://localhost.example" of Azure's resource manager: credentials go there, so write https://`,
		},
		"no scheme": {
			endpoint: "arm.example",
			message:  `endpoint "arm.example" of Azure's resource manager: write https://HOST[:PORT]`,
		},
		"a user": {
			endpoint: "https://me@arm.example",
			message:  `endpoint "https://me@arm.example" of Azure's resource manager: write https://HOST[:PORT]`,
		},
		"a path": {
			endpoint: "https://arm.example/x",
			message:  `endpoint "https://arm.example/x" of Azure's resource manager: write https://HOST[:PORT]`,
		},
		"a query": {
			endpoint: "https://arm.example?x=y",
			message:  `endpoint "https://arm.example?x=y" of Azure's resource manager: write https://HOST[:PORT]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := CloudNamed(c.cloud, c.endpoint)
			if c.message != "" {
				if err == nil || err.Error() != c.message {
					t.Errorf("got %v\nwant %s", err, c.message)
				}
				return
			}
			arm := got.Services[cloud.ResourceManager]
			if err != nil || strings.TrimSuffix(arm.Endpoint, "/") != c.want || arm.Audience == "" {
				t.Errorf("got %+v, %v", arm, err)
			}
		})
	}
	if at := cloud.AzurePublic.Services[cloud.ResourceManager].Endpoint; at != "https://management.azure.com" {
		t.Errorf("the SDK's own cloud was changed to %s", at)
	}
}

func TestSubscription(t *testing.T) {
	t.Parallel()
	const (
		profile = "\ufeff" + `{"installationId":"x","subscriptions":[{"id":"first","isDefault":false},` +
			`{"id":"second","name":"ML","isDefault":true}]}`
		next = ": set AZURE_SUBSCRIPTION_ID, or run az login"
	)
	for name, c := range map[string]struct {
		flag, variable, profile, folder, want, message string
		unset                                          bool // no home
	}{
		"the flag goes before all":          {flag: "f", variable: "v", profile: profile, want: "f"},
		"the variable before the profile":   {variable: "v", profile: profile, want: "v"},
		"the profile has a byte order mark": {profile: profile, want: "second"},
		"a profile without one":             {profile: strings.TrimPrefix(profile, "\ufeff"), want: "second"},
		"the folder of AZURE_CONFIG_DIR":    {profile: profile, folder: "elsewhere", want: "second"},
		"no default": {
			profile: `{"subscriptions":[{"id":"first"}]}`,
			message: "which subscription: none is named, and the Azure CLI has no default one" + next,
		},
		"no login": {message: "which subscription: none is named, and there is no login of the Azure CLI" + next},
		"no home": {
			unset: true, message: "which subscription: none is named, and there is no login of the Azure CLI" + next,
		},
		"a profile that is cut off": {
			profile: profile[:20],
			message: "which subscription: FILE cannot be read: unexpected end of JSON input" + next,
		},
		"a name in the flag": {
			flag: "My team", message: `--subscription "My team" is no id of a subscription: az account list shows them`,
		},
		"a path in the variable": {
			variable: "../x",
			message:  `AZURE_SUBSCRIPTION_ID "../x" is no id of a subscription: az account list shows them`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			folder := filepath.Join(home, ".azure")
			variables := map[string]string{"AZURE_SUBSCRIPTION_ID": c.variable}
			if c.folder != "" {
				folder = filepath.Join(home, c.folder)
				variables["AZURE_CONFIG_DIR"] = folder
			}
			file := filepath.Join(folder, "azureProfile.json")
			if c.profile != "" {
				if err := os.MkdirAll(folder, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(c.profile), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.unset {
				home = ""
			}
			got, err := Subscription(c.flag, func(k string) string { return variables[k] }, home)
			if message := strings.Replace(c.message, "FILE", file, 1); message != "" {
				if err == nil || err.Error() != message {
					t.Errorf("got %v\nwant %s", err, message)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestSubscriptionOfNobodysHome(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("azureProfile.json", []byte(`{"subscriptions":[{"id":"x","isDefault":true}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Subscription("", func(string) string { return "" }, ""); err == nil {
		t.Errorf("without a home the folder that one is in was read: %s", got)
	}
}
