// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

func service(kind corev1.ServiceType, port, nodePort int32, ingress ...corev1.LoadBalancerIngress) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "sentiment", Namespace: "models"},
		Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Port: port, NodePort: nodePort}}},
		Status:     corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: ingress}},
	}
}

// speaks makes the Service speak TLS, under a host name if there is one.
func speaks(s *corev1.Service, host string) *corev1.Service {
	s.Spec.Ports[0].Name = "https"
	if host != "" {
		s.Annotations = map[string]string{"kubectl-aml/tls-host": host}
	}
	return s
}

func routerOn(name, host string, ready corev1.ConditionStatus) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "models", Labels: map[string]string{
			"app.kubernetes.io/instance": "sentiment", "app.kubernetes.io/component": "router"}},
		Status: corev1.PodStatus{HostIP: host, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func TestTheAddressIsWhereClientsReachTheEndpoint(t *testing.T) {
	t.Parallel()
	const (
		inside  = "only pods of the cluster reach its address; from here call it with kubectl aml invoke"
		pending = "its load balancer has no address yet: "
	)
	two := []corev1.Pod{routerOn("b", "10.0.0.2", "True"), routerOn("a", "10.0.0.1", "False")}
	leaving := routerOn("a", "10.0.0.1", "True")
	leaving.DeletionTimestamp = &metav1.Time{}
	for name, c := range map[string]struct {
		service *corev1.Service
		routers []corev1.Pod
		want    rollout.Address
	}{
		"a load balancer's IP": {service(corev1.ServiceTypeLoadBalancer, 80, 30080, corev1.LoadBalancerIngress{IP: "20.1.2.3"}),
			two, rollout.Address{URL: "http://20.1.2.3"}},
		"a load balancer's name and port": {service(corev1.ServiceTypeLoadBalancer, 8080, 30080,
			corev1.LoadBalancerIngress{Hostname: "models.example"}), nil, rollout.Address{URL: "http://models.example:8080"}},
		"IPv6": {service(corev1.ServiceTypeLoadBalancer, 80, 0, corev1.LoadBalancerIngress{IP: "2001:db8::1"}), nil,
			rollout.Address{URL: "http://[2001:db8::1]"}},
		"IPv6 with a port": {service(corev1.ServiceTypeNodePort, 80, 30080),
			[]corev1.Pod{routerOn("a", "2001:db8::1", "True")}, rollout.Address{URL: "http://[2001:db8::1]:30080"}},
		"a load balancer that is not there yet": {service(corev1.ServiceTypeLoadBalancer, 80, 30080), two,
			rollout.Address{URL: "http://10.0.0.2:30080", Note: pending + "until then it is reached at a node"}},
		"one without node ports": {service(corev1.ServiceTypeLoadBalancer, 80, 0), two,
			rollout.Address{URL: "http://sentiment.models.svc", Note: pending + inside}},
		"the node of a ready router": {service(corev1.ServiceTypeNodePort, 80, 30080), two,
			rollout.Address{URL: "http://10.0.0.2:30080"}},
		"the node of a router": {service(corev1.ServiceTypeNodePort, 80, 30080), two[1:],
			rollout.Address{URL: "http://10.0.0.1:30080"}},
		"no router on a node": {service(corev1.ServiceTypeNodePort, 80, 30080), []corev1.Pod{leaving, routerOn("c", "", "False")},
			rollout.Address{URL: "http://sentiment.models.svc", Note: inside}},
		"TLS under the host name of the certificate": {speaks(service(corev1.ServiceTypeLoadBalancer, 443, 30443,
			corev1.LoadBalancerIngress{IP: "20.1.2.3"}), "score.example"), two, rollout.Address{URL: "https://score.example"}},
		"TLS without a host name": {speaks(service(corev1.ServiceTypeNodePort, 443, 30443), ""), two,
			rollout.Address{URL: "https://10.0.0.2:30443"}},
		"TLS inside of the cluster": {speaks(service(corev1.ServiceTypeClusterIP, 8443, 0), ""), two,
			rollout.Address{URL: "https://sentiment.models.svc:8443", Note: inside}},
		"inside of the cluster": {service(corev1.ServiceTypeClusterIP, 8080, 0), two,
			rollout.Address{URL: "http://sentiment.models.svc:8080", Note: inside}},
	} {
		if got := rollout.AddressOf(c.service, c.routers); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestTheAddressIsFoundInTheCluster(t *testing.T) {
	t.Parallel()
	router := routerOn("sentiment-router-a", "10.0.0.1", "True")
	client := fake.NewClientset(service(corev1.ServiceTypeNodePort, 80, 30080), &router)
	got, err := rollout.FindAddress(t.Context(), client, "models", "sentiment")
	if want := (rollout.Address{URL: "http://10.0.0.1:30080"}); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := rollout.FindAddress(t.Context(), client, "models", "iris"); err == nil {
		t.Error("an endpoint without a service has an address")
	}
}
