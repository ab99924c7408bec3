// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// gateway is a space with the Gateway of the example, front.
type gateway struct {
	*space
	objects dynamic.Interface
	// open is a deployment config without keys, host where the Gateway's
	// proxies are reached in the cluster.
	open, host string
}

// newGateway makes sure of Envoy Gateway for the time of the test.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	alone(t, "gateway")
	ctx := t.Context()
	remove, err := cluster.EnvoyGateway(ctx, cluster.Options{Progress: os.Stderr, Run: os.Getenv(runVar)})
	if remove != nil {
		t.Cleanup(func() {
			if err := remove(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	must(t, err)
	g := &gateway{space: newSpace(t)}
	g.objects, err = dynamic.NewForConfig(g.adminREST)
	must(t, err)
	g.open = filepath.Join(t.TempDir(), "deploymentconfig.json")
	text, err := os.ReadFile("testdata/echo/deploymentconfig.json")
	must(t, err)
	config := map[string]any{}
	must(t, json.Unmarshal(text, &config))
	config["authEnabled"] = false
	text, err = json.Marshal(config)
	must(t, err)
	must(t, os.WriteFile(g.open, text, 0o600))
	g.front(ctx)
	return g
}

// routing is the version of the Gateway API that the plugin speaks.
func routing() schema.GroupVersion {
	return schema.GroupVersion{Group: "gateway.networking.k8s.io", Version: "v1"}
}

func (g *gateway) kind(group schema.GroupVersion, resource string) dynamic.ResourceInterface {
	return g.objects.Resource(group.WithResource(resource)).Namespace(g.namespace)
}

// example makes the objects of a file of the example, for the endpoint of the
// test.
func (g *gateway) example(file string) {
	g.t.Helper()
	text, err := os.ReadFile("../examples/gateway/" + file)
	must(g.t, err)
	for part := range strings.SplitSeq(strings.ReplaceAll(string(text), "diabetes", "echo"), "---\n") {
		object := &unstructured.Unstructured{}
		must(g.t, yaml.UnmarshalStrict([]byte(part), &object.Object))
		group, err := schema.ParseGroupVersion(object.GetAPIVersion())
		must(g.t, err)
		resources := map[string]string{"Gateway": "gateways", "Secret": "secrets", "SecurityPolicy": "securitypolicies"}
		_, err = g.kind(group, resources[object.GetKind()]).Create(g.t.Context(), object, metav1.CreateOptions{})
		must(g.t, err)
	}
}

// front makes the Gateway, and gives its proxies an address, as the load
// balancer of a cloud would: that of the node that they run on.
func (g *gateway) front(ctx context.Context) {
	g.t.Helper()
	g.example("gateway.yaml")
	owned := metav1.ListOptions{LabelSelector: "gateway.envoyproxy.io/owning-gateway-namespace=" + g.namespace}
	must(g.t, wait.PollUntilContextTimeout(ctx, time.Second, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		services, err := g.admin.CoreV1().Services(cluster.GatewayNamespace).List(ctx, owned)
		if err != nil || len(services.Items) == 0 {
			return false, err
		}
		service := services.Items[0]
		pods, err := g.admin.CoreV1().Pods(cluster.GatewayNamespace).List(ctx, owned)
		if err != nil || len(pods.Items) == 0 || !isReady(&pods.Items[0]) {
			return false, err
		}
		g.host = service.Name + "." + service.Namespace
		address := fmt.Appendf(nil, `{"status":{"loadBalancer":{"ingress":[{"ip":%q}]}}}`, pods.Items[0].Status.HostIP)
		_, err = g.admin.CoreV1().Services(service.Namespace).Patch(ctx, service.Name, types.MergePatchType, address,
			metav1.PatchOptions{}, "status")
		return err == nil, err
	}))
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// args deploy the echo model called model as a version without keys.
func (g *gateway) args(version, model string, args ...string) []string {
	return g.echoArgs(version, model, append([]string{"--deploy-config", g.open}, args...)...)
}

func (g *gateway) url(path string) string {
	return "http://" + g.host + "/api/v1/service/echo" + path
}

// refused ends the test unless the plugin fails with these words.
func (g *gateway) refused(words string, args ...string) {
	g.t.Helper()
	if r := g.run(args...); r.code == 0 || !strings.Contains(r.err, words) {
		g.t.Errorf("kubectl aml %s ended with %d, want %q:\n%s%s", strings.Join(args, " "), r.code, words, r.out, r.err)
	}
}

func TestAGatewaySplitsTheRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.refusesWhatItCannotServe()
	g.ok(g.args("blue", "sky", "--gateway", "front")...)
	g.refused("deploy it without traffic", g.args("green", "grass", "--traffic", "20")...)
	g.ok(g.args("green", "grass")...)
	c := g.client()
	g.splits(c)
	g.pins(c)
	if r := g.ok("invoke", "echo", "-d", "{}", "--version", "green"); !strings.Contains(r.out, "grass") {
		t.Errorf("called from outside, the answer is %s", r.out)
	}
	g.losesNothing(c)
	g.asksForKeys(c)
	g.tellsWhatTheGatewayRefuses()
	g.comesInABundle()
	g.goesBackToARouter(c)
	g.keepsTheRouter(c)
}

func (g *gateway) refusesWhatItCannotServe() {
	g.t.Helper()
	g.refused("there is no Gateway "+g.namespace+"/back", g.args("blue", "sky", "--gateway", "back")...)
	g.refused("a gateway does not check the endpoint's keys", g.echoArgs("blue", "sky", "--gateway", "front")...)
	if r := g.run("status", "echo"); r.code == 0 {
		g.t.Errorf("what was refused has left an endpoint:\n%s", r.out)
	}
}

func (g *gateway) splits(c *client) {
	g.t.Helper()
	for _, share := range []float64{20, 0, 100, 50} {
		g.ok("traffic", "set", "echo", fmt.Sprintf("green=%g", share))
		r := c.send(g.url("/score"), 2000, "-body={}").allOK(g.t)
		n, p := float64(r.Sent), share/100
		bound := 5 * math.Sqrt(n*p*(1-p))
		g.t.Logf("at %g %% green answered %d of %g requests, %.0f ± %.0f allowed", share, r.Versions["green"], n, n*p, bound)
		if math.Abs(float64(r.Versions["green"])-n*p) > bound {
			g.t.Errorf("at %g %% green answered %d of %g requests", share, r.Versions["green"], n)
		}
	}
	if r := g.ok("status", "echo"); !strings.Contains(r.out, "route to gateway "+g.namespace+"/front") ||
		!strings.Contains(r.out, "Ready") || strings.Contains(r.out, "router") {
		g.t.Errorf("the status is\n%s", r.out)
	}
}

func (g *gateway) pins(c *client) {
	g.t.Helper()
	g.ok("traffic", "set", "echo", "green=0")
	const header = "-header=azureml-model-deployment: "
	if r := c.send(g.url("/score"), 100, "-body={}", header+"green").allOK(g.t); r.Versions["green"] != 100 {
		g.t.Errorf("pinned to green, answered by %v", r.Versions)
	}
	if r := c.send(g.url("/versions/green/score"), 100, "-body={}").allOK(g.t); r.Versions["green"] != 100 {
		g.t.Errorf("at green's own address, answered by %v", r.Versions)
	}
	if r := c.send(g.url("/swagger.json"), 1, "-method=GET").allOK(g.t); r.Versions["blue"] != 1 {
		g.t.Errorf("the description came from %v", r.Versions)
	}
	for path, headers := range map[string]string{"/score": header + "purple", "/versions/purple/score": "-body={}"} {
		if r := c.send(g.url(path), 1, headers); r.Status["404"] != 1 {
			g.t.Errorf("%s of a version that is not there, answered %v", path, r.Status)
		}
	}
}

// losesNothing changes the split and the versions under load.
func (g *gateway) losesNothing(c *client) {
	g.t.Helper()
	end := c.steady(g.url("/score"), 50, 5*time.Minute, "-body={}")
	var took []string
	for _, share := range []int{20, 80, 0, 50, 100, 30, 0, 50} {
		r := g.ok("traffic", "set", "echo", fmt.Sprintf("green=%d", share))
		took = append(took, r.took.Round(10*time.Millisecond).String())
	}
	r := end().allOK(g.t)
	g.t.Logf("%d requests over 8 changes, all answered 200; the changes took %s", r.Sent, strings.Join(took, " "))

	end = c.steady(g.url("/score"), 50, 5*time.Minute, "-body={}")
	g.ok(g.args("green", "moss")...)
	r = end().allOK(g.t)
	g.t.Logf("%d requests over a rolling update, all answered 200: %v", r.Sent, r.Bodies)
}

// asksForKeys lets a policy of the gateway do it.
func (g *gateway) asksForKeys(c *client) {
	g.t.Helper()
	g.example("keys.yaml")
	must(g.t, wait.PollUntilContextTimeout(g.t.Context(), time.Second, time.Minute, true, func(context.Context) (bool, error) {
		return c.send(g.url("/score"), 1, "-body={}").Status["401"] == 1, nil
	}))
	c.send(g.url("/score"), 20, "-body={}", bearer("change-me-ada")).allOK(g.t)
	policies := schema.GroupVersion{Group: "gateway.envoyproxy.io", Version: "v1alpha1"}
	must(g.t, g.kind(policies, "securitypolicies").Delete(g.t.Context(), "echo", metav1.DeleteOptions{}))
}

// tellsWhatTheGatewayRefuses closes the listener to all routes.
func (g *gateway) tellsWhatTheGatewayRefuses() {
	g.t.Helper()
	g.takes("GRPCRoute")
	g.refused("does not take the HTTPRoute: Accepted is False", "traffic", "set", "echo", "green=10", "--no-rollback")
	if r := g.ok("status", "echo"); !strings.Contains(r.out, "Accepted is False") {
		g.t.Errorf("the status is\n%s", r.out)
	}
	g.takes("HTTPRoute")
	g.ok("traffic", "set", "echo", "green=50")
}

// takes has the Gateway take routes of one kind only.
func (g *gateway) takes(kind string) {
	g.t.Helper()
	listeners := fmt.Appendf(nil, `{"spec":{"listeners":[{"name":"http","port":80,"protocol":"HTTP",`+
		`"allowedRoutes":{"kinds":[{"kind":%q}]}}]}}`, kind)
	_, err := g.kind(routing(), "gateways").Patch(g.t.Context(), "front", types.MergePatchType, listeners, metav1.PatchOptions{})
	must(g.t, err)
}

// comesInABundle has the endpoint run from the nodes, out of a bundle.
func (g *gateway) comesInABundle() {
	g.t.Helper()
	file := filepath.Join(g.t.TempDir(), "echo.tar")
	g.ok("bundle", "create", "echo", "--file", file)
	g.env = []string{registryVar + "=", "AML_LAYOUT=" + filepath.Join(g.t.TempDir(), "images"), "AML_ROUTER_IMAGE=",
		"AML_LIMITER_IMAGE="}
	g.ok("bundle", "load", file)
}

// goesBackToARouter takes the endpoint off the gateway. Its router is that of the
// bundle.
func (g *gateway) goesBackToARouter(c *client) {
	g.t.Helper()
	g.ok(g.args("blue", "sky", "--gateway", "none")...)
	// The Service is new: nodes that do not know it yet refuse connections.
	must(g.t, wait.PollUntilContextTimeout(g.t.Context(), time.Second, time.Minute, true, func(context.Context) (bool, error) {
		return c.send(g.space.url("echo"), 1, "-body={}").Status["200"] == 1, nil
	}))
	if r := c.send(g.space.url("echo"), 100, "-body={}").allOK(g.t); r.Versions["green"] == 0 || r.Versions["blue"] == 0 {
		g.t.Errorf("the router sends all to %v", r.Versions)
	}
	if _, err := g.kind(routing(), "httproutes").Get(g.t.Context(), "echo", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		g.t.Errorf("the route stays behind: %v", err)
	}
	router, err := g.admin.AppsV1().Deployments(g.namespace).Get(g.t.Context(), "echo-router", metav1.GetOptions{})
	must(g.t, err)
	if image := router.Spec.Template.Spec.Containers[0].Image; !strings.HasPrefix(image, layout.Host+"/") {
		g.t.Errorf("the router runs %s", image)
	}
}

// keepsTheRouter moves to a gateway that refuses the route: the router, which is
// there all the time, goes on.
func (g *gateway) keepsTheRouter(c *client) {
	g.t.Helper()
	g.takes("GRPCRoute")
	g.refused("does not take the HTTPRoute: Accepted is False", g.args("blue", "sky", "--gateway", "front")...)
	c.send(g.space.url("echo"), 100, "-body={}").allOK(g.t)
}
