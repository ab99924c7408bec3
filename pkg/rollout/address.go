// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
)

const (
	// defaultPort and defaultTLSPort are those that an address need not name.
	defaultPort    = 80
	defaultTLSPort = 443
	// tlsPort is the name of the port of a Service that speaks TLS, hostKey the
	// annotation with the host name that its certificate is for.
	tlsPort = "https"
	hostKey = "kubectl-aml/tls-host"
)

// Address is where clients reach an endpoint.
type Address struct {
	// URL has no path and no slash at its end.
	URL string
	// Note says who else cannot reach it; empty if nothing stands against it.
	Note string
}

// FindAddress returns the address of an endpoint in a cluster. It needs the
// rights to get services and to list pods in the namespace.
func FindAddress(ctx context.Context, client kubernetes.Interface, namespace, endpoint string) (Address, error) {
	service, err := client.CoreV1().Services(namespace).Get(ctx, endpoint, metav1.GetOptions{})
	if err != nil {
		return Address{}, fmt.Errorf("read the service of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	selector := labels.Set{instanceLabel: endpoint, componentLabel: routerName}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return Address{}, fmt.Errorf("list the routers of endpoint %s/%s: %w", namespace, endpoint, err)
	}
	return AddressOf(service, pods.Items), nil
}

// AddressOf returns the address at which a Service is reached: that of its load
// balancer; without one, its port on the node of a router, a ready one if there
// is one; without that, its name, which only the cluster's own pods know. A
// Service that speaks TLS is reached by https and, where it says so, under the
// host name of its certificate.
func AddressOf(service *corev1.Service, routers []corev1.Pod) Address {
	var port, nodePort int32 = defaultPort, 0
	url := httpURL
	if len(service.Spec.Ports) > 0 {
		port, nodePort = service.Spec.Ports[0].Port, service.Spec.Ports[0].NodePort
		if service.Spec.Ports[0].Name == tlsPort {
			url = httpsURL
		}
	}
	named := service.Annotations[hostKey]
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if host := cmp.Or(ingress.Hostname, ingress.IP); host != "" {
			return Address{URL: url(cmp.Or(named, host), port)}
		}
	}
	pending := ""
	if service.Spec.Type == corev1.ServiceTypeLoadBalancer {
		pending = "its load balancer has no address yet: "
	}
	if host := nodeOf(routers); host != "" && nodePort != 0 {
		a := Address{URL: url(cmp.Or(named, host), nodePort)}
		if pending != "" {
			a.Note = pending + "until then it is reached at a node"
		}
		return a
	}
	return Address{
		URL:  url(cmp.Or(named, service.Name+"."+service.Namespace+".svc"), port),
		Note: pending + "only pods of the cluster reach its address; from here call it with kubectl aml invoke",
	}
}

// nodeOf is the address of the node where a router runs: of a ready one rather
// than of another, and then of the first by name.
func nodeOf(routers []corev1.Pod) string {
	found := slices.Clone(routers)
	slices.SortFunc(found, func(a, b corev1.Pod) int {
		if ready(&a) != ready(&b) {
			if ready(&a) {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, pod := range found {
		if pod.Status.HostIP != "" && pod.DeletionTimestamp == nil {
			return pod.Status.HostIP
		}
	}
	return ""
}

func httpURL(host string, port int32) string { return schemeURL("http", host, port, defaultPort) }

func httpsURL(host string, port int32) string { return schemeURL("https", host, port, defaultTLSPort) }

func schemeURL(scheme, host string, port, usual int32) string {
	if port != usual {
		return scheme + "://" + hostPort(host, port)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host
}

func hostPort(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
