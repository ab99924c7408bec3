// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

const (
	someGroup  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ml/providers/"
	someSubnet = someGroup + "Microsoft.Network/virtualNetworks/vnet/subnets/nodes"
	someZone   = someGroup + "Microsoft.Network/privateDnsZones/privatelink.eastus.azmk8s.io"
	someGUID   = "11111111-2222-3333-4444-555555555555"
)

// flagCase is how a flag is tried: its argument, and what has to stand beside it.
type flagCase struct {
	arg    string
	beside []string
	// told is what is said of a flag that changes nothing; refused what is said of
	// one that is only there to be refused.
	told, refused string
}

// flagCases has a case for each flag of compute create aks. A flag that is missing
// here fails the test.
func flagCases() map[string]flagCase {
	names := []string{"--vnet-resourcegroup-name=net", "--vnet-name=vnet", "--subnet-name=nodes"}
	scaled := []string{"--enable-cluster-autoscaler", "--min-count=1", "--max-count=5"}
	gpu, private := []string{"--gpu-node-vm-size=Standard_NC24ads_A100_v4"}, []string{"--enable-private-cluster"}
	pair := []string{"--ssl-cname=a.example.com", "--ssl-cert-file=a.pem", "--ssl-key-file=a.key"}
	label := []string{"--ssl-leaf-domain-label=scoring", "--ssl-issuer=letsencrypt"}
	return map[string]flagCase{
		"cluster-purpose":                 {arg: "DEV_TEST"},
		"load-balancer-type":              {arg: "InternalLoadBalancer"},
		"load-balancer-subnet":            {arg: "inner", beside: []string{"--load-balancer-type=InternalLoadBalancer"}},
		"ssl-cname":                       {arg: "b.example.com", beside: pair},
		"ssl-cert-file":                   {arg: "b.pem", beside: pair},
		"ssl-key-file":                    {arg: "b.key", beside: pair},
		"ssl-leaf-domain-label":           {arg: "other", beside: label},
		"ssl-issuer":                      {arg: "other", beside: label},
		"ssl-overwrite-domain":            {arg: "true", beside: label},
		"import-legacy-tls":               {arg: "true", beside: []string{"--ssl-cname=a.example.com"}},
		"skip-capacity-check":             {arg: "true", beside: []string{"--agent-count=1"}},
		"overwrite-existing":              {arg: "true"},
		"set-context":                     {arg: "true"},
		"resource-group":                  {arg: "other"},
		"cluster-name":                    {arg: "other"},
		"location":                        {arg: "westeurope"},
		"kubernetes-version":              {arg: "1.36"},
		"dns-name-prefix":                 {arg: "models"},
		"tags":                            {arg: "team=vision"},
		"attach-acr":                      {arg: "images"},
		"enable-gateway-api":              {arg: "true"},
		"agent-count":                     {arg: "5"},
		"vm-size":                         {arg: "Standard_D8s_v5"},
		"enable-cluster-autoscaler":       {arg: "false", beside: scaled},
		"min-count":                       {arg: "2", beside: scaled},
		"max-count":                       {arg: "6", beside: scaled},
		"cluster-autoscaler-profile":      {arg: "scan-interval=30s", beside: scaled},
		"gpu-node-vm-size":                {arg: "Standard_NC4as_T4_v3"},
		"gpu-node-count":                  {arg: "2", beside: gpu},
		"gpu-driver":                      {arg: "install", beside: gpu},
		"gpu-instance-profile":            {arg: "MIG2g", beside: gpu},
		"skip-gpu-driver-install":         {arg: "true", beside: gpu},
		"vnet-resourcegroup-name":         {arg: "other", beside: names},
		"vnet-name":                       {arg: "other", beside: names},
		"subnet-name":                     {arg: "other", beside: names},
		"vnet-subnet-id":                  {arg: someSubnet},
		"service-cidr":                    {arg: "10.2.0.0/16"},
		"dns-service-ip":                  {arg: "10.0.0.20"},
		"docker-bridge-cidr":              {arg: "172.17.0.1/16", told: "--docker-bridge-cidr is not used"},
		"network-plugin":                  {arg: "kubenet"},
		"network-plugin-mode":             {arg: "overlay", told: "the default, and the only one"},
		"network-dataplane":               {arg: "cilium"},
		"load-balancer-sku":               {arg: "basic", refused: "AKS has only standard"},
		"outbound-type":                   {arg: "managedNATGateway"},
		"enable-private-cluster":          {arg: "true"},
		"private-dns-zone":                {arg: "none", beside: private},
		"fqdn-subdomain":                  {arg: "scoring", beside: append(private, "--private-dns-zone="+someZone)},
		"enable-public-fqdn":              {arg: "true", beside: private},
		"disable-public-fqdn":             {arg: "true", beside: private},
		"enable-aad":                      {arg: "false"},
		"enable-azure-rbac":               {arg: "false"},
		"disable-local-accounts":          {arg: "false"},
		"aad-admin-group-object-ids":      {arg: someGUID},
		"enable-workload-identity":        {arg: "false"},
		"assign-identity":                 {arg: someGroup + "Microsoft.ManagedIdentity/userAssignedIdentities/nodes"},
		"service-principal":               {arg: someGUID, refused: "--service-principal"},
		"api-server-authorized-ip-ranges": {arg: "198.51.100.0/24"},
		"nat-gateway-managed-outbound-ip-count": {
			arg: "2", beside: []string{"--outbound-type=managedNATGateway"}},
		"load-balancer-managed-outbound-ip-count": {arg: "2"},
	}
}

// askedFor is what the flags come to: the request, the record, what follows the
// create, and what is told or refused.
type askedFor struct {
	Request, Record, After string
	warnings               []string
	err                    error
}

func (a askedFor) text() string { return strings.Join(a.warnings, "\n") }

func ask(t *testing.T, args ...string) askedFor {
	t.Helper()
	f := &createFlags{}
	c := &cobra.Command{}
	f.add(c)
	if err := c.ParseFlags(append([]string{"--resource-group=ml", "--location=eastus"}, args...)); err != nil {
		t.Fatal(err)
	}
	o, err := f.options("scoring")
	if err != nil {
		return askedFor{err: err}
	}
	o.Target.Subscription = "00000000-0000-0000-0000-000000000001"
	mc, warnings, err := o.Build(aks.Facts{})
	if err != nil {
		return askedFor{err: err}
	}
	f.ssl.region = o.Location
	record, err := f.read("scoring", compute.AKS)
	if err != nil {
		return askedFor{err: err}
	}
	if record.TLS, err = f.ssl.record(); err != nil {
		return askedFor{err: err}
	}
	after := []any{f.cluster.Registry, f.overwrite, f.use, f.ssl.cert, f.ssl.key, f.ssl.legacy, f.ssl.overwrite}
	return askedFor{
		Request: o.Target.ID() + asText(t, mc), Record: asText(t, record), After: asText(t, after), warnings: warnings,
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (a askedFor) same(b askedFor) bool {
	return a.Request == b.Request && a.Record == b.Record && a.After == b.After && (a.err == nil) == (b.err == nil)
}

// A flag that is taken and changes nothing, and is not told of, is a lie.
func TestEveryFlagOfCreateAKSChangesSomething(t *testing.T) {
	t.Parallel()
	cases := flagCases()
	c := &cobra.Command{}
	(&createFlags{}).add(c)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		test, ok := cases[f.Name]
		delete(cases, f.Name)
		if !ok {
			t.Errorf("--%s has no case", f.Name)
			return
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			without, with := ask(t, test.beside...), ask(t, append(slices.Clone(test.beside), "--"+f.Name+"="+test.arg)...)
			switch {
			case test.refused != "":
				if with.err == nil || !strings.Contains(with.err.Error(), test.refused) {
					t.Errorf("got %v, want it refused with %q", with.err, test.refused)
				}
			case test.told != "":
				if !without.same(with) || with.err != nil {
					t.Errorf("it changes something: %+v", with)
				}
				if strings.HasPrefix(test.told, "--") && !strings.Contains(with.text(), test.told) {
					t.Errorf("got %q, want it told: %q", with.text(), test.told)
				}
			case without.same(with):
				t.Errorf("--%s=%s changes nothing: %v", f.Name, test.arg, with.err)
			}
		})
	})
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Errorf("--%s is no flag", name)
	}
}

func TestOtherSpellingsOfCreateAKS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ given, same []string }{
		"node count":    {[]string{"--node-count=5"}, []string{"--agent-count=5"}},
		"node vm size":  {[]string{"--node-vm-size=Standard_D8s_v5"}, []string{"--vm-size=Standard_D8s_v5"}},
		"FAST_PROD":     {[]string{"--cluster-purpose=FAST_PROD"}, nil},
		"dev-test":      {[]string{"--cluster-purpose=dev-test"}, []string{"--cluster-purpose=DevTest"}},
		"DEV_TEST":      {[]string{"--cluster-purpose=DEV_TEST"}, []string{"--cluster-purpose=DevTest"}},
		"standard":      {[]string{"--load-balancer-sku=Standard"}, nil},
		"no GPU driver": {[]string{"--gpu-node-vm-size=Standard_NC4as_T4_v3", "--skip-gpu-driver-install"}, []string{"--gpu-node-vm-size=Standard_NC4as_T4_v3", "--gpu-driver=none"}},
		"subnet in two": {[]string{"--vnet-resourcegroup-name=ml", "--vnet-name=vnet", "--subnet-name=nodes"}, []string{"--vnet-subnet-id=" + someSubnet}},
		"six of v1": {
			[]string{"--vnet-resourcegroup-name=ml", "--vnet-name=vnet", "--subnet-name=nodes", "--service-cidr=10.0.0.0/16",
				"--dns-service-ip=10.0.0.10", "--docker-bridge-cidr=172.17.0.1/16"},
			[]string{"--vnet-subnet-id=" + someSubnet, "--service-cidr=10.0.0.0/16"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given, want := ask(t, test.given...), ask(t, test.same...)
			if given.err != nil || want.err != nil || given.Request != want.Request || given.Record != want.Record {
				t.Errorf("got %+v, want %+v", given, want)
			}
		})
	}
}

func TestFlagsOfCreateAKSThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"DenseProd":          {[]string{"--cluster-purpose=DenseProd"}, "DenseProd was never supported"},
		"no nodes":           {[]string{"--agent-count=0"}, "--agent-count 0"},
		"no GPU nodes":       {[]string{"--gpu-node-vm-size=Standard_NC4as_T4_v3", "--gpu-node-count=0"}, "--gpu-node-count 0"},
		"balancer type":      {[]string{"--load-balancer-type=Public"}, "PublicIp"},
		"subnet in public":   {[]string{"--load-balancer-subnet=inner"}, "InternalLoadBalancer"},
		"part of a pair":     {[]string{"--ssl-cname=a.example.com", "--ssl-cert-file=a.pem"}, "--ssl-key-file"},
		"two names":          {[]string{"--ssl-cname=a.example.com", "--ssl-leaf-domain-label=a"}, "two names"},
		"no issuer":          {[]string{"--ssl-leaf-domain-label=scoring"}, "--ssl-issuer"},
		"label inside":       {[]string{"--ssl-leaf-domain-label=scoring", "--ssl-issuer=le", "--load-balancer-type=InternalLoadBalancer"}, "label"},
		"overwrite alone":    {[]string{"--ssl-overwrite-domain"}, "--ssl-leaf-domain-label"},
		"public and not":     {[]string{"--enable-private-cluster", "--enable-public-fqdn", "--disable-public-fqdn"}, "leave one out"},
		"driver and not":     {[]string{"--gpu-node-vm-size=Standard_NC4as_T4_v3", "--gpu-driver=install", "--skip-gpu-driver-install"}, "leave one out"},
		"bounds and no auto": {[]string{"--min-count=1", "--max-count=5"}, "--enable-cluster-autoscaler"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, test.args...); got.err == nil || !strings.Contains(got.err.Error(), test.want) {
				t.Errorf("got %v, want %q", got.err, test.want)
			}
		})
	}
}
