// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
)

// Gateway is a Gateway as routes see it.
type Gateway struct {
	GatewayName
	// Addresses are those that its controller gave it, Listeners what it
	// listens for.
	Addresses []string
	Listeners []Listener
}

// Listener is one port of a Gateway.
type Listener struct {
	Name     string `json:"name"`
	Port     int32  `json:"port"`
	Protocol string `json:"protocol"`
	Hostname string `json:"hostname"`
}

// FindGateway reads a Gateway. It refuses a cluster without the Gateway API, and
// a name or a listener that is not there, each with what to do about it. Without
// the right to get the Gateway it returns the API server's error.
func FindGateway(
	ctx context.Context, kinds discovery.DiscoveryInterface, client dynamic.Interface, name GatewayName,
) (Gateway, error) {
	if err := haveRoutes(kinds); err != nil {
		return Gateway{}, err
	}
	var read struct {
		Spec struct {
			Listeners []Listener `json:"listeners"`
		} `json:"spec"`
		Status struct {
			Addresses []struct {
				Value string `json:"value"`
			} `json:"addresses"`
		} `json:"status"`
	}
	err := get(ctx, client, "gateways", name.Namespace, name.Name, &read)
	if apierrors.IsNotFound(err) {
		return Gateway{}, fmt.Errorf("there is no Gateway %s: see kubectl get gateways -A, and name one as NAMESPACE/NAME",
			name)
	}
	if err != nil {
		return Gateway{}, fmt.Errorf("read Gateway %s: %w", name, err)
	}
	g := Gateway{GatewayName: name, Listeners: read.Spec.Listeners}
	for _, address := range read.Status.Addresses {
		g.Addresses = append(g.Addresses, address.Value)
	}
	if name.Listener != "" && !slices.ContainsFunc(g.Listeners, func(l Listener) bool { return l.Name == name.Listener }) {
		return g, fmt.Errorf("gateway %s has no listener %q", name, name.Listener)
	}
	return g, nil
}

// haveRoutes refuses a cluster that has no HTTPRoutes.
func haveRoutes(kinds discovery.DiscoveryInterface) error {
	list, err := kinds.ServerResourcesForGroupVersion(gatewayGroup + "/" + gatewayVersion)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("ask the cluster for the Gateway API: %w", err)
	}
	isRoute := func(r metav1.APIResource) bool { return r.Kind == "HTTPRoute" }
	if err != nil || !slices.ContainsFunc(list.APIResources, isRoute) {
		return fmt.Errorf("the cluster has no Gateway API (%s/%s HTTPRoute): install it with a controller, or leave the "+
			"endpoint to its own router", gatewayGroup, gatewayVersion)
	}
	return nil
}

// Address is where clients reach a route of the Gateway: its first address, at
// the port of the first listener that the route may use, under the first of the
// host names that is no wildcard. Dial is what to connect to, HOST:PORT, since
// the host name may not be known here.
func (g Gateway) Address(hostnames []string) (a Address, dial string, err error) {
	var listener Listener
	for _, l := range g.Listeners {
		if (l.Protocol == "HTTP" || l.Protocol == "HTTPS") && (g.Listener == "" || l.Name == g.Listener) {
			listener = l
			break
		}
	}
	if listener.Port == 0 {
		return Address{}, "", fmt.Errorf("gateway %s has no listener for HTTP or HTTPS", g.GatewayName)
	}
	if len(g.Addresses) == 0 {
		return Address{}, "", fmt.Errorf("gateway %s has no address yet: see kubectl -n %s describe gateway %s",
			g.GatewayName, g.Namespace, g.Name)
	}
	host := g.Addresses[0]
	for _, name := range append(slices.Clone(hostnames), listener.Hostname) {
		if name != "" && !strings.HasPrefix(name, "*") {
			host = name
			break
		}
	}
	return Address{URL: baseURL(listener, host)}, hostPort(g.Addresses[0], listener.Port), nil
}

func baseURL(l Listener, host string) string {
	if l.Protocol == "HTTPS" {
		return httpsURL(host, l.Port)
	}
	return httpURL(host, l.Port)
}

// ParseGatewayName reads [NAMESPACE/]NAME.
func ParseGatewayName(text, namespace string) (GatewayName, error) {
	first, name, two := strings.Cut(text, "/")
	if !two {
		first, name = "", text
	}
	if name == "" || two && first == "" || strings.Contains(name, "/") {
		return GatewayName{}, fmt.Errorf("gateway %q: write NAME or NAMESPACE/NAME", text)
	}
	return GatewayName{Namespace: cmp.Or(first, namespace), Name: name}, nil
}
