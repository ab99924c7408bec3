// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"encoding/json"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// everyRouterRuns ends the test unless each ready router says it runs these
// weights, in percent.
func (s *space) everyRouterRuns(name string, want map[string]float64) {
	s.t.Helper()
	list, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=router,app.kubernetes.io/instance=" + name})
	must(s.t, err)
	for _, pod := range list.Items {
		body, err := s.admin.CoreV1().Pods(s.namespace).ProxyGet("http", pod.Name, "8080", "/-/config", nil).
			DoRaw(s.t.Context())
		must(s.t, err)
		var runs struct {
			Weights map[string]float64 `json:"weights"`
		}
		must(s.t, json.Unmarshal(body, &runs))
		if !maps.Equal(runs.Weights, want) {
			s.t.Fatalf("router %s runs %v, not %v", pod.Name, runs.Weights, want)
		}
	}
	if len(list.Items) == 0 {
		s.t.Fatalf("endpoint %s has no router", name)
	}
}

// onTaintedNode tells whether the pods of a version run on the node that is
// kept for devices.
func (s *space) onTaintedNode(version string) bool {
	s.t.Helper()
	pods, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{
		LabelSelector: "kubectl-aml/version=" + version})
	must(s.t, err)
	if len(pods.Items) != 1 {
		s.t.Fatalf("version %s has %d pods", version, len(pods.Items))
	}
	node, err := s.admin.CoreV1().Nodes().Get(s.t.Context(), pods.Items[0].Spec.NodeName, metav1.GetOptions{})
	must(s.t, err)
	for _, taint := range node.Spec.Taints {
		if taint.Key == "sku" {
			return true
		}
	}
	return false
}

// objects are the names of everything an endpoint could leave in the
// namespace, but what every namespace has and what the test put there.
func (s *space) objects() []string {
	s.t.Helper()
	ctx, list, found := s.t.Context(), metav1.ListOptions{}, map[string]bool{}
	add := func(kind string, items []metav1.Object, err error) {
		s.t.Helper()
		must(s.t, err)
		for _, item := range items {
			found[kind+"/"+item.GetName()] = true
		}
	}
	core, apps := s.admin.CoreV1(), s.admin.AppsV1()
	pods, err := core.Pods(s.namespace).List(ctx, list)
	add("pod", objectsOf(pods.Items), err)
	services, err := core.Services(s.namespace).List(ctx, list)
	add("service", objectsOf(services.Items), err)
	secrets, err := core.Secrets(s.namespace).List(ctx, list)
	add("secret", objectsOf(secrets.Items), err)
	configs, err := core.ConfigMaps(s.namespace).List(ctx, list)
	add("configmap", objectsOf(configs.Items), err)
	accounts, err := core.ServiceAccounts(s.namespace).List(ctx, list)
	add("serviceaccount", objectsOf(accounts.Items), err)
	deployments, err := apps.Deployments(s.namespace).List(ctx, list)
	add("deployment", objectsOf(deployments.Items), err)
	sets, err := apps.ReplicaSets(s.namespace).List(ctx, list)
	add("replicaset", objectsOf(sets.Items), err)
	budgets, err := s.admin.PolicyV1().PodDisruptionBudgets(s.namespace).List(ctx, list)
	add("poddisruptionbudget", objectsOf(budgets.Items), err)
	scalers, err := s.admin.AutoscalingV2().HorizontalPodAutoscalers(s.namespace).List(ctx, list)
	add("horizontalpodautoscaler", objectsOf(scalers.Items), err)
	policies, err := s.admin.NetworkingV1().NetworkPolicies(s.namespace).List(ctx, list)
	add("networkpolicy", objectsOf(policies.Items), err)
	leases, err := s.admin.CoordinationV1().Leases(s.namespace).List(ctx, list)
	add("lease", objectsOf(leases.Items), err)
	jobs, err := s.admin.BatchV1().Jobs(s.namespace).List(ctx, list)
	add("job", objectsOf(jobs.Items), err)
	for _, usual := range []string{"configmap/kube-root-ca.crt", "serviceaccount/default", "serviceaccount/deployer",
		"pod/client"} {
		delete(found, usual)
	}
	return slices.Sorted(maps.Keys(found))
}

func objectsOf[T any, P interface {
	*T
	metav1.Object
}](items []T) []metav1.Object {
	objects := make([]metav1.Object, len(items))
	for i := range items {
		objects[i] = P(&items[i])
	}
	return objects
}
