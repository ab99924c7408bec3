// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
)

// dryRun prints the request for a cluster. Nobody signs in and nothing is sent.
func dryRun(t *testing.T, args ...string) said {
	t.Helper()
	w := newWorld(t)
	w.env["AZURE_SUBSCRIPTION_ID"] = "00000000-0000-0000-0000-000000000001"
	w.env["AZURE_TOKEN_CREDENTIALS"] = "ManagedIdentityCredential"
	return w.run(append([]string{"compute", "create", "aks", "--dry-run"}, args...)...)
}

func TestDryRunOfCreateAKSPrintsTheRequest(t *testing.T) {
	t.Parallel()
	args := []string{"-n", "scoring", "-g", "ml", "-l", "eastus", "-a", "4", "-s", "Standard_D8s_v5", "--subnet-name", "nodes",
		"--vnet-name", "vnet", "--vnet-resourcegroup-name", "net", "--service-cidr", "10.2.0.0/16"}
	asJSON := dryRun(t, append(args, "-o", "json")...)
	if asJSON.code != 0 {
		t.Fatalf("%d: %s", asJSON.code, asJSON.err)
	}
	golden.Assert(t, filepath.Join("testdata", "compute", "create-aks-request.json"), asJSON.out)
	golden.Assert(t, filepath.Join("testdata", "compute", "create-aks-told.txt"), asJSON.err)
	text, err := yaml.YAMLToJSON([]byte(dryRun(t, append(args, "-o", "yaml")...).out))
	if err != nil {
		t.Fatal(err)
	}
	var inJSON, inYAML map[string]any
	if json.Unmarshal([]byte(asJSON.out), &inJSON) != nil || json.Unmarshal(text, &inYAML) != nil {
		t.Fatalf("not JSON: %s", asJSON.out)
	}
	one, _ := json.Marshal(inJSON)
	other, _ := json.Marshal(inYAML)
	if string(one) != string(other) {
		t.Errorf("-o yaml says %s, -o json %s", other, one)
	}
}

func TestDryRunOfCreateAKSRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args string
		code int
		want string
	}{
		"name too short":      {"-n ab -g ml -l eastus", 2, "3 to 24"},
		"no resource group":   {"-n scoring -l eastus", 2, "--resource-group"},
		"no location":         {"-n scoring -g ml", 2, "--location"},
		"Basic balancer":      {"-n scoring -g ml -l eastus --load-balancer-sku basic", 2, "30 September 2025"},
		"DenseProd":           {"-n scoring -g ml -l eastus --cluster-purpose DenseProd", 2, "DenseProd"},
		"too small":           {"-n scoring -g ml -l eastus -a 2", 4, "--cluster-purpose DevTest"},
		"too small and wrong": {"-n scoring -g ml -l eastus -a 2 --service-cidr x", 2, "--service-cidr"},
		"as a name":           {"-n scoring -g ml -l eastus -o name", 2, "-o json or yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := dryRun(t, strings.Fields(test.args)...)
			if got.code != test.code || !strings.Contains(got.err, test.want) || got.out != "" {
				t.Errorf("got %d %q %q, want %d with %q", got.code, got.out, got.err, test.code, test.want)
			}
		})
	}
}
