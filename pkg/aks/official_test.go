// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
)

const (
	sdk       = "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	createFor = "ExampleManagedClustersClient_BeginCreateOrUpdate_"
)

// What the SDK's own examples ask for, and we can ask for too, is said in the
// same fields with the same values.
func TestSameFieldsAsTheOfficialExamples(t *testing.T) {
	t.Parallel()
	examples := official(t)
	for name, test := range map[string]struct {
		change change
		fields string
	}{
		"createManagedClusterWithAksManagedNatGatewayAsOutboundType": {func(o *aks.ClusterOptions) {
			o.Network.OutboundType, o.Network.NATGatewayIPs = "managedNATGateway", 2
		}, "networkProfile/natGatewayProfile/managedOutboundIPProfile/count networkProfile/outboundType"},
		"createManagedClusterWithUserAssignedNatGatewayAsOutboundType": {func(o *aks.ClusterOptions) {
			o.Network.OutboundType, o.Network.SubnetID = "userAssignedNATGateway", subnetID
		}, "networkProfile/outboundType"},
		"createManagedPrivateClusterWithFqdnSubdomainSpecified": {func(o *aks.ClusterOptions) {
			o.API = aks.APIOptions{Private: true, FQDNSubdomain: "domain1", PrivateDNSZone: "/subscriptions/00000000-0000-0000-0000-000000000000" +
				"/resourceGroups/rg1/providers/Microsoft.Network/privateDnsZones/privatelink.location1.azmk8s.io"}
		}, "apiServerAccessProfile/enablePrivateCluster apiServerAccessProfile/privateDNSZone fqdnSubdomain"},
		"createManagedPrivateClusterWithPublicFqdnSpecified": {func(o *aks.ClusterOptions) {
			o.DNSPrefix, o.API = "dnsprefix1", aks.APIOptions{Private: true, PublicFQDN: ptr.To(true)}
		}, "apiServerAccessProfile/enablePrivateCluster apiServerAccessProfile/enablePrivateClusterPublicFQDN dnsPrefix"},
		"createUpdateAadManagedClusterWithEnableAzureRbac": {func(*aks.ClusterOptions) {},
			"aadProfile/enableAzureRBAC aadProfile/managed"},
		"createManagedClusterWithGpumig": {func(o *aks.ClusterOptions) {
			o.GPU = aks.GPUOptions{VMSize: "Standard_ND96asr_v4", Instance: "MIG3g"}
		}, "agentPoolProfiles/1=agentPoolProfiles/0/gpuInstanceProfile agentPoolProfiles/1=agentPoolProfiles/0/vmSize"},
		"createUpdateManagedCluster": {func(o *aks.ClusterOptions) {
			o.Network.LoadBalancerIPs = 2
			o.Nodes.Autoscaler = aks.Autoscaler{Enabled: true, Min: ptr.To(3), Max: ptr.To(9)}
			o.Nodes.Profile = map[string]string{"scan-interval": "20s", "scale-down-delay-after-add": "15m"}
			o.Identity.Assigned = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rgName1/providers/" +
				"Microsoft.ManagedIdentity/userAssignedIdentities/identity1"
		}, "autoScalerProfile/scan-interval autoScalerProfile/scale-down-delay-after-add " +
			"networkProfile/loadBalancerProfile/managedOutboundIPs/count ../identity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs, ok := examples[name]
			if !ok {
				t.Fatalf("the SDK has no example %s", name)
			}
			o := asked()
			test.change(&o)
			body, _, err := o.Build(aks.Facts{})
			if err != nil {
				t.Fatal(err)
			}
			// What every one of them has, and so have we.
			common := " agentPoolProfiles/0/count agentPoolProfiles/0/mode agentPoolProfiles/0/name agentPoolProfiles/0/osType" +
				" agentPoolProfiles/0/type networkProfile/loadBalancerSku networkProfile/outboundType enableRBAC"
			for _, field := range strings.Fields(test.fields + common) {
				our, their, two := strings.Cut(field, "=")
				if two {
					our += strings.TrimPrefix(their, "agentPoolProfiles/0")
				} else {
					their = our
				}
				got, want := at(t, body, our), at(t, theirs, their)
				if want == nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %v, want %v", field, got, want)
				}
			}
		})
	}
}

// at is what a path below properties leads to in the JSON of a cluster.
func at(t *testing.T, mc acs.ManagedCluster, path string) any {
	t.Helper()
	text, err := json.Marshal(mc)
	if err != nil {
		t.Fatal(err)
	}
	var now any
	if err := json.Unmarshal(text, &now); err != nil {
		t.Fatal(err)
	}
	keys, above := strings.CutPrefix(path, "../")
	if !above {
		keys = "properties/" + keys
	}
	for key := range strings.SplitSeq(keys, "/") {
		switch v := now.(type) {
		case map[string]any:
			now = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return nil
			}
			now = v[i]
		default:
			return nil
		}
	}
	return now
}

// official reads the clusters that the SDK's examples ask for.
func official(t *testing.T) map[string]acs.ManagedCluster {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", sdk).Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimSpace(string(dir))
	files := token.NewFileSet()
	parse := func(name string) *ast.File {
		file, err := parser.ParseFile(files, filepath.Join(folder, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	r := reader{constants: constants(parse("constants.go"))}
	clusters := map[string]acs.ManagedCluster{}
	for _, d := range parse("managedclusters_client_example_test.go").Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, createFor) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 5 {
				return true
			}
			var mc acs.ManagedCluster
			if err := r.read(call.Args[3], reflect.ValueOf(&mc).Elem()); err != nil {
				t.Fatalf("%s: %v", f.Name.Name, err)
			}
			clusters[strings.TrimPrefix(f.Name.Name, createFor)] = mc
			return false
		})
	}
	return clusters
}

func constants(file *ast.File) map[string]string {
	texts := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				texts[v.Names[0].Name], _ = strconv.Unquote(lit.Value)
			}
		}
		return true
	})
	return texts
}

// reader makes values of the expressions that the examples are made of.
type reader struct{ constants map[string]string }

func (r reader) read(e ast.Expr, to reflect.Value) error {
	switch e := e.(type) {
	case *ast.UnaryExpr: // &T{…}
		to.Set(reflect.New(to.Type().Elem()))
		return r.read(e.X, to.Elem())
	case *ast.CallExpr: // to.Ptr(x), to.Ptr[T](x) and T(x)
		if len(e.Args) == 0 { // a time, which no cluster is asked for with
			return nil
		}
		if to.Kind() == reflect.Pointer {
			to.Set(reflect.New(to.Type().Elem()))
			to = to.Elem()
		}
		return r.read(e.Args[0], to)
	case *ast.SelectorExpr:
		to.SetString(r.constants[e.Sel.Name])
	case *ast.Ident:
		to.SetBool(e.Name == "true")
	case *ast.BasicLit:
		return basic(e, to)
	case *ast.CompositeLit:
		return r.composite(e, to)
	default:
		return fmt.Errorf("%T is not known", e)
	}
	return nil
}

func basic(e *ast.BasicLit, to reflect.Value) error {
	if e.Kind == token.STRING {
		text, err := strconv.Unquote(e.Value)
		if to.Kind() == reflect.Slice {
			to.SetBytes([]byte(text))
		} else {
			to.SetString(text)
		}
		return err
	}
	n, err := strconv.ParseInt(e.Value, 10, 64)
	to.SetInt(n)
	return err
}

func (r reader) composite(e *ast.CompositeLit, to reflect.Value) error {
	switch to.Kind() {
	case reflect.Pointer: // an element of a list or map, written without its type
		to.Set(reflect.New(to.Type().Elem()))
		return r.composite(e, to.Elem())
	case reflect.Map:
		to.Set(reflect.MakeMap(to.Type()))
	default:
	}
	for _, element := range e.Elts {
		key, value := ast.Expr(nil), element
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			key, value = pair.Key, pair.Value
		}
		if err := r.element(key, value, to); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) element(key, value ast.Expr, to reflect.Value) error {
	switch to.Kind() {
	case reflect.Struct:
		return r.read(value, to.FieldByName(key.(*ast.Ident).Name))
	case reflect.Map:
		name := reflect.New(to.Type().Key()).Elem()
		item := reflect.New(to.Type().Elem()).Elem()
		if err := r.read(key, name); err != nil {
			return err
		}
		err := r.read(value, item)
		to.SetMapIndex(name, item)
		return err
	default:
		item := reflect.New(to.Type().Elem()).Elem()
		err := r.read(value, item)
		to.Set(reflect.Append(to, item))
		return err
	}
}
