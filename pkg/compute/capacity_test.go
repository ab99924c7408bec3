// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func node(cpus string, change func(*corev1.Node)) corev1.Node {
	n := corev1.Node{Status: corev1.NodeStatus{
		Capacity:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpus)},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
	}}
	if change != nil {
		change(&n)
	}
	return n
}

func tainted(key string, effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: key, Effect: effect}} }
}

func TestMeasureCountsWhatReplicasCanHave(t *testing.T) {
	t.Parallel()
	const control = "node-role.kubernetes.io/control-plane"
	for name, test := range map[string]struct {
		nodes []corev1.Node
		want  compute.Capacity
	}{
		"nothing":            {nil, compute.Capacity{}},
		"the only node":      {[]corev1.Node{node("2", nil)}, compute.Capacity{Nodes: 1, CPUs: 2, Shape: "1×2"}},
		"of several sizes":   {[]corev1.Node{node("8", nil), node("4", nil), node("4", nil)}, compute.Capacity{Nodes: 3, CPUs: 16, Shape: "2×4+1×8"}},
		"parts do not count": {[]corev1.Node{node("1900m", nil)}, compute.Capacity{Nodes: 1, CPUs: 1, Shape: "1×1"}},
		"control plane": {[]corev1.Node{node("4", tainted(control, corev1.TaintEffectNoSchedule)), node("2", nil)},
			compute.Capacity{Nodes: 1, CPUs: 2, Shape: "1×2"}},
		"control plane that may be used": {[]corev1.Node{node("4", tainted(control, corev1.TaintEffectPreferNoSchedule))},
			compute.Capacity{Nodes: 1, CPUs: 4, Shape: "1×4"}},
		"GPU nodes count": {[]corev1.Node{node("6", tainted("sku", corev1.TaintEffectNoSchedule))},
			compute.Capacity{Nodes: 1, CPUs: 6, Shape: "1×6"}},
		"cordoned":  {[]corev1.Node{node("4", func(n *corev1.Node) { n.Spec.Unschedulable = true })}, compute.Capacity{}},
		"not ready": {[]corev1.Node{node("4", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })}, compute.Capacity{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := compute.Measure(test.nodes); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestEnough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		has           compute.Capacity
		purpose       endpoint.Purpose
		warning, says string
	}{
		"production on enough":         {compute.Capacity{Nodes: 3, CPUs: 12}, endpoint.FastProd, "", ""},
		"production on too few nodes":  {compute.Capacity{Nodes: 2, CPUs: 16, Shape: "2×8"}, endpoint.FastProd, "", "the cluster has 2×8=16 vCPUs in 2 nodes; FastProd needs at least 12 vCPUs and 3 nodes"},
		"production on too few CPUs":   {compute.Capacity{Nodes: 5, CPUs: 10}, endpoint.FastProd, "", "the cluster has 10 vCPUs in 5 nodes; FastProd needs at least 12 vCPUs and 3 nodes"},
		"production after autoscaling": {compute.Capacity{Nodes: 1, CPUs: 4, MaxNodes: 3, MaxCPUs: 12}, endpoint.FastProd, "it only has them after the autoscaler has added nodes", ""},
		"a test on little":             {compute.Capacity{Nodes: 1, CPUs: 1}, endpoint.DevTest, "the cluster has 1 vCPU: Azure ML recommends 2 at least for DevTest", ""},
		"a test on enough":             {compute.Capacity{Nodes: 1, CPUs: 2}, endpoint.DevTest, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warning, err := test.has.Enough(test.purpose)
			if message(err) != test.says || !strings.HasSuffix(warning, test.warning) || (warning == "") != (test.warning == "") {
				t.Errorf("warns %q, says %v", warning, err)
			}
		})
	}
}

func TestWordsOfAzureML(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]endpoint.Purpose{"FastProd": endpoint.FastProd, "FAST_PROD": endpoint.FastProd,
		"fast-prod": endpoint.FastProd, "DevTest": endpoint.DevTest, "DEV_TEST": endpoint.DevTest, "DenseProd": "", "": "", "Fast": ""} {
		if got, err := compute.ParsePurpose(word); got != want || (err == nil) != (want != "") {
			t.Errorf("purpose %q is %q, %v", word, got, err)
		}
	}
	for words, want := range map[[2]string]compute.LoadBalancer{
		{"PublicIp", ""}:              {Type: compute.PublicIP},
		{"internalloadbalancer", "s"}: {Type: compute.Internal, Subnet: "s"},
	} {
		if got, err := compute.ParseLoadBalancer(words[0], words[1]); got != want || err != nil {
			t.Errorf("load balancer %v is %v, %v", words, got, err)
		}
	}
	for _, words := range [][2]string{{"PublicIp", "s"}, {"", ""}, {"Other", ""}} {
		if got, err := compute.ParseLoadBalancer(words[0], words[1]); err == nil {
			t.Errorf("load balancer %v is %v", words, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"lab": true, "a-b": true, "A12": true, strings.Repeat("a", 24): true,
		"ab": false, "": false, "1ab": false, "ab-": false, "a_b": false, "a b": false, strings.Repeat("a", 25): false, "läb": false} {
		if err := compute.CheckName(name); (err == nil) != ok {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestLegacyFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	c := cluster()
	if lines, err := compute.Legacy(t.Context(), c); err != nil || len(lines) != 0 {
		t.Errorf("of nothing it finds %v, %v", lines, err)
	}
	_, err := c.CoreV1().Secrets("default").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: compute.LegacySecret}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	forbid(c, "get", "clusterroles")
	lines, err := compute.Legacy(t.Context(), c)
	if err != nil || len(lines) != 1 || lines[0] != "kubectl delete secret azuremlfessl -n default" {
		t.Errorf("finds %v, %v", lines, err)
	}
}
