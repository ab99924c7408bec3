// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

const publicGateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: gateways}
spec:
  gatewayClassName: any
  listeners:
  - {name: web, port: 80, protocol: HTTP}
  - {name: odd, port: 8443, protocol: HTTPS, hostname: odd.example.com}
  - {name: tls, port: 443, protocol: HTTPS, hostname: "*.example.com"}
  - {name: raw, port: 9, protocol: TCP}
`

func TestFindGateway(t *testing.T) {
	t.Parallel()
	routes := []*metav1.APIResourceList{{GroupVersion: "gateway.networking.k8s.io/v1",
		APIResources: []metav1.APIResource{{Name: "httproutes", Kind: "HTTPRoute"}}}}
	for name, test := range map[string]struct {
		kinds []*metav1.APIResourceList
		name  rollout.GatewayName
		want  string
	}{
		"found":                 {kinds: routes, name: rollout.GatewayName{Namespace: "gateways", Name: "public"}},
		"found with a listener": {kinds: routes, name: rollout.GatewayName{Namespace: "gateways", Name: "public", Listener: "tls"}},
		"no Gateway API": {name: rollout.GatewayName{Namespace: "gateways", Name: "public"},
			want: "the cluster has no Gateway API (gateway.networking.k8s.io/v1 HTTPRoute): install it with a controller, " +
				"or leave the endpoint to its own router"},
		"another namespace": {kinds: routes, name: rollout.GatewayName{Namespace: "ml", Name: "public"},
			want: "there is no Gateway ml/public: see kubectl get gateways -A, and name one as NAMESPACE/NAME"},
		"no such listener": {kinds: routes, name: rollout.GatewayName{Namespace: "gateways", Name: "public", Listener: "x"},
			want: `gateway gateways/public has no listener "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube := fake.NewClientset()
			kube.Resources = test.kinds
			_, err := rollout.FindGateway(t.Context(), kube.Discovery(), gatewayObjects(t, publicGateway), test.name)
			if got := text(err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestGatewayAddress(t *testing.T) {
	t.Parallel()
	listeners := []rollout.Listener{
		{Name: "raw", Port: 9, Protocol: "TCP"}, {Name: "web", Port: 80, Protocol: "HTTP"},
		{Name: "odd", Port: 8443, Protocol: "HTTPS", Hostname: "odd.example.com"},
		{Name: "tls", Port: 443, Protocol: "HTTPS", Hostname: "*.example.com"},
	}
	for name, test := range map[string]struct {
		listener  string
		addresses []string
		hostnames []string
		url, dial string
		want      string
	}{
		"its own address":           {addresses: []string{"10.0.0.1"}, url: "http://10.0.0.1", dial: "10.0.0.1:80"},
		"version 6":                 {addresses: []string{"fd00::1"}, url: "http://[fd00::1]", dial: "[fd00::1]:80"},
		"the route's host name":     {listener: "tls", addresses: []string{"10.0.0.1"}, hostnames: []string{"*.a.io", "s.a.io"}, url: "https://s.a.io", dial: "10.0.0.1:443"},
		"the listener's host name":  {listener: "odd", addresses: []string{"10.0.0.1"}, url: "https://odd.example.com:8443", dial: "10.0.0.1:8443"},
		"a wildcard is no name":     {listener: "tls", addresses: []string{"10.0.0.1"}, url: "https://10.0.0.1", dial: "10.0.0.1:443"},
		"no address":                {want: "gateway gateways/public has no address yet: see kubectl -n gateways describe gateway public"},
		"no listener for the route": {listener: "raw", want: "gateway gateways/public has no listener for HTTP or HTTPS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := rollout.Gateway{GatewayName: rollout.GatewayName{Namespace: "gateways", Name: "public", Listener: test.listener},
				Addresses: test.addresses, Listeners: listeners}
			address, dial, err := g.Address(test.hostnames)
			if address.URL != test.url || dial != test.dial || text(err) != test.want {
				t.Errorf("got %q, %q, %v", address.URL, dial, err)
			}
		})
	}
}

func TestParseGatewayName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"public": "ml/public", "gateways/public": "gateways/public", "": "", "/public": "", "gateways/": "", "a/b/c": "",
	} {
		name, err := rollout.ParseGatewayName(given, "ml")
		if (err != nil) != (want == "") || err == nil && name.String() != want {
			t.Errorf("%q: got %s, %v", given, name, err)
		}
	}
}
