// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

const entraConfig = `apiVersion: v1
kind: Config
current-context: prod
clusters: [{name: prod, cluster: {server: "https://prod.example:443"}}]
contexts: [{name: prod, context: {cluster: prod, user: me}}]
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: kubelogin
      args: [get-token, --environment, AzurePublicCloud, --server-id, 6dae42f8-4368-4678-94ff-3960e28e3630, --login, devicecode,
        --tenant-id, its-own]
`

func credentialsAt(who string) string {
	return "POST " + strings.ToLower(target().ID()) + "/listcluster" + who + "credential"
}

func given(config string) string {
	return `{"kubeconfigs":[{"name":"any","value":"` + base64.StdEncoding.EncodeToString([]byte(config)) + `"}]}`
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	self := []string{"kubectl-aml", "compute", "token"}
	own := []string{"kubectl-aml", "compute", "token", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630",
		"--tenant-id", "its-own"}
	azures := []string{
		"kubelogin", "get-token", "--environment", "AzurePublicCloud", "--server-id",
		"6dae42f8-4368-4678-94ff-3960e28e3630", "--login", "devicecode", "--tenant-id", "its-own",
	}
	for name, c := range map[string]struct {
		options    CredentialOptions
		authority  string
		who, query string
		want       []string
	}{
		"of people": {who: "user", query: "format=exec", want: azures},
		"of people by the plugin": {
			options: CredentialOptions{Login: self}, who: "user", query: "format=exec", want: own,
		},
		"of people of another cloud by the plugin": {
			options: CredentialOptions{Login: self}, authority: cloud.AzureChina.ActiveDirectoryAuthorityHost,
			who: "user", query: "format=exec", want: slices.Insert(slices.Clone(own), 3, "--cloud", "AzureChinaCloud"),
		},
		"of people by the public name": {
			options: CredentialOptions{PublicFQDN: true}, who: "user", query: "format=exec&server-fqdn=public", want: azures,
		},
		"of the administrator": {options: CredentialOptions{Admin: true}, who: "admin", want: azures},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newARM(t)
			a.answer(credentialsAt(c.who), func(w http.ResponseWriter, r *http.Request) {
				query := r.URL.Query()
				query.Del("api-version")
				if query.Encode() != c.query {
					t.Errorf("asked with %q, want %q", query.Encode(), c.query)
				}
				say(w, 200, given(entraConfig))
			})
			client := newMachine(t).client(t, a, func(o *Options) {
				if c.authority != "" {
					o.Cloud.ActiveDirectoryAuthorityHost = c.authority
				}
			})
			config, err := client.Credentials(t.Context(), target(), c.options)
			if err != nil {
				t.Fatal(err)
			}
			exec := config.AuthInfos["me"].Exec
			if got := append([]string{exec.Command}, exec.Args...); !slices.Equal(got, c.want) {
				t.Errorf("signs in with %q, want %q", got, c.want)
			}
		})
	}
}

func TestCredentialsThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		reason Reason
		want   string
	}{
		"no right": {403, `{"error":{"code":"AuthorizationFailed","message":"The client 'me' does not have authorization ` +
			`to perform action 'Microsoft.ContainerService/managedClusters/listClusterUserCredential/action' over scope '/x'."}}`,
			Denied, "Azure Kubernetes Service Cluster User Role"},
		"none given":        {200, `{"kubeconfigs":[]}`, Failed, "gave no credentials"},
		"no kubeconfig":     {200, given("a: [b"), Failed, "cannot be read"},
		"no context in it":  {200, given("apiVersion: v1\nkind: Config\n"), Failed, "cannot be read"},
		"no such a cluster": {404, `{"error":{"code":"ResourceNotFound","message":"gone"}}`, NotFound, "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newARM(t)
			a.answer(credentialsAt("user"), says(c.status, c.body))
			_, err := newMachine(t).client(t, a).Credentials(t.Context(), target(), CredentialOptions{})
			if ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v (%s), want %s %q", err, ReasonOf(err), c.reason, c.want)
			}
		})
	}
}
