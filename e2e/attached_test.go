// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// Somebody detaches the compute and attaches the cluster as another: whoever
// deploys by a context of before is told who it was, and nothing else happens.
func TestComputeDeployNoticesWhoAttachedSince(t *testing.T) {
	attachable(t)
	s := newSpace(t)
	owner := s.owner()
	owner.ok(owner.attachArgs("lab", "--cluster-purpose", "FastProd", "--skip-capacity-check",
		"--load-balancer-type", "InternalLoadBalancer", "--load-balancer-subnet", "aks-subnet")...)
	s.means(owner, "lab")

	s.echo("blue", "sky", "--service-type", "LoadBalancer")
	s.echo("green", "grass")
	s.isOnCompute("echo")
	revision := s.ok("history", "echo").out

	owner.ok("compute", "detach", "-n", "lab", "--force")
	s.refused("compute lab was detached from this cluster")
	owner.ok(owner.attachArgs("fab")...)
	s.refused("re-attached this cluster as compute fab")
	if now := s.ok("history", "echo").out; now != revision {
		t.Errorf("the endpoint has other revisions:\n%s\nbefore:\n%s", now, revision)
	}
	if r := s.record(); r.Name != "fab" {
		t.Errorf("the record is %+v", r)
	}
	s.client().send(s.url("echo"), 10, bearer(s.key("echo")), "-body={}").allOK(t)

	s.ok("delete", "version", "echo", "green")
	s.means(owner, "fab")
	s.ok("scale", "echo", "--replicas", "2")
	s.ok("delete", "endpoint", "echo")
	owner.ok("compute", "detach", "-n", "fab", "--force")
}

// means makes the user's context one of a compute that somebody else attached.
func (s *space) means(owner *space, name string) {
	s.t.Helper()
	there, ok, err := kubeconfigAt(owner.kubeconfig).Context(name)
	must(s.t, err)
	if !ok || there.Marker == nil {
		s.t.Fatalf("there is no context for compute %s", name)
	}
	must(s.t, kubeconfigAt(s.kubeconfig).Mark(s.t.Context(), "deployer", there.Marker))
}

func kubeconfigAt(file string) compute.Kubeconfig {
	return compute.Kubeconfig{Access: &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}, Clock: clock.RealClock{}}
}

// isOnCompute ends the test unless the endpoint has what the compute says.
func (s *space) isOnCompute(name string) {
	s.t.Helper()
	service, err := s.admin.CoreV1().Services(s.namespace).Get(s.t.Context(), name, metav1.GetOptions{})
	must(s.t, err)
	want := map[string]string{compute.InternalAnnotation: "true", compute.SubnetAnnotation: "aks-subnet"}
	maps.DeleteFunc(service.Annotations, func(key, _ string) bool { return want[key] == "" })
	if !maps.Equal(service.Annotations, want) || service.Spec.Type != "LoadBalancer" {
		s.t.Errorf("the %s Service is annotated %v", service.Spec.Type, service.Annotations)
	}
	router, err := s.admin.AppsV1().Deployments(s.namespace).Get(s.t.Context(), name+"-router", metav1.GetOptions{})
	must(s.t, err)
	if *router.Spec.Replicas != 2 {
		s.t.Errorf("%d routers, where FastProd has 2", *router.Spec.Replicas)
	}
}

// refused expects that each kind of change is refused with the text.
func (s *space) refused(text string) {
	s.t.Helper()
	for _, args := range [][]string{
		s.echoArgs("blue", "night"), {"traffic", "set", "echo", "green=50"}, {"scale", "echo", "--replicas", "2"},
		{"undo", "echo"}, {"service", "update", "-n", "echo", "--add-tag", "a=b"},
	} {
		r := s.run(args...)
		if r.code != 1 || !strings.Contains(r.err, text) {
			s.t.Errorf("kubectl aml %s ended with %d:\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
		}
	}
}
