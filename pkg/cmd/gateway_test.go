// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	k8stesting "k8s.io/client-go/testing"
)

// newGatewayWorld is a world with a Gateway models/front at host:port, whose
// controller says status of the endpoint's route.
func newGatewayWorld(t *testing.T, host string, port int, status string) *world {
	t.Helper()
	w := newWorld(t)
	w.addGateway(host, port, status)
	return w
}

// addGateway gives a world the Gateway of newGatewayWorld.
func (w *world) addGateway(host string, port int, status string) {
	w.t.Helper()
	w.write("open.json", `{"computeType": "AKSENDPOINT", "authEnabled": false, "numReplicas": 1}`)
	w.write("keys.json", `{"computeType": "AKSENDPOINT", "authEnabled": true, "numReplicas": 1}`)
	w.cluster.Clientset.Resources = []*metav1.APIResourceList{{GroupVersion: "gateway.networking.k8s.io/v1",
		APIResources: []metav1.APIResource{{Name: "httproutes", Kind: "HTTPRoute"}}}}
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	gateways := schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	_, err := client.Resource(gateways).Namespace("models").Create(w.t.Context(), &unstructured.Unstructured{
		Object: map[string]any{
			"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
			"metadata": map[string]any{"name": "front", "namespace": "models"},
			"spec": map[string]any{"listeners": []any{
				map[string]any{"name": "http", "port": int64(port), "protocol": "HTTP"}}},
			"status": map[string]any{"addresses": []any{map[string]any{"value": host}}},
		}}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	client.PrependReactor("get", "httproutes", func(k8stesting.Action) (bool, runtime.Object, error) {
		route := w.cluster.Object("HTTPRoute/diabetes")
		condition := func(kind string) any {
			return map[string]any{"type": kind, "status": status, "reason": "Because", "message": "it is so"}
		}
		return true, &unstructured.Unstructured{Object: map[string]any{
			"metadata": route.Object["metadata"], "spec": route.Object["spec"],
			"status": map[string]any{"parents": []any{map[string]any{
				"parentRef":  map[string]any{"name": "front"},
				"conditions": []any{condition("Accepted"), condition("ResolvedRefs")}}}},
		}}, nil
	})
	w.objects = client
}

// runs lets a version be ready.
func (w *world) runs(version string) {
	w.t.Helper()
	w.workload("diabetes-"+version, map[string]string{"kubectl-aml/version": version})
}

func TestDeployBehindAGateway(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "True")
	open := []string{"--deploy-config", "open.json"}
	w.mustDeploy("blue", append(open, "--gateway", "models/front")...)
	route := w.cluster.Object("HTTPRoute/diabetes")
	if route == nil || w.cluster.Object("Deployment/diabetes-router") != nil {
		t.Fatalf("the cluster has %v", w.cluster.Names())
	}
	w.runs("blue")
	w.mustDeploy("green", open...) // stays behind the gateway, without traffic
	if r := w.run("traffic", "set", "diabetes", "green=20", "--wait=false"); r.code != 3 || !strings.Contains(r.err, "version green") {
		t.Errorf("requests for a version that is not ready: exit code %d: %s%s", r.code, r.out, r.err)
	}
	w.runs("green")
	if r := w.run("traffic", "set", "diabetes", "green=20"); r.out != "endpoint/diabetes traffic set\n" || r.code != 0 {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	w.mustDeploy("green", append(open, "--accelerator", "fpga", "--wait=true")...)
	if r := w.run("status", "diabetes"); !strings.Contains(r.out, "route to gateway models/front") || strings.Contains(r.out, "router") {
		t.Errorf("the status is\n%s%s", r.out, r.err)
	}
	r := w.deploy("blue", append(open, "--gateway", "none")...)
	if r.code != 0 || w.cluster.Object("HTTPRoute/diabetes") != nil || w.cluster.Object("Deployment/diabetes-router") == nil {
		t.Errorf("exit code %d: %s; the cluster has %v", r.code, r.err, w.cluster.Names())
	}
	r = w.deploy("blue", append(open, "--gateway", "front")...)
	if r.code != 0 || !strings.Contains(r.err, "from now on the endpoint is reached at Gateway models/front; its Service diabetes goes") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestWhatAGatewayWouldLoseIsRefusedBeforeAnythingIsPushed(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "True")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	w.runs("blue")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"keys": {[]string{"--deploy-config", "keys.json"}, 1, "a gateway does not check the endpoint's keys"},
		"a new version with traffic": {[]string{"--traffic", "20"}, 1,
			"version green is new, and a gateway would lose its requests until it is ready: deploy it without traffic, then " +
				"set its share with kubectl aml traffic set diabetes"},
		"a new default":   {[]string{"--default"}, 1, "version green is new"},
		"another gateway": {[]string{"--gateway", "edge/back"}, 1, "there is no Gateway edge/back"},
		"not a name":      {[]string{"--gateway", "a/b/c"}, 2, `gateway "a/b/c": write NAME or NAMESPACE/NAME`},
		"a load balancer": {[]string{"--service-type", "LoadBalancer"}, 2, "--service-type is the router's"},
	} {
		args := append([]string{"deploy", "diabetes", "--version-name", "green", "--entry-script", "score.py",
			"--registry", "registry.invalid"}, c.args...)
		if r := w.run(args...); r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", name, r.code, c.code, c.want, r.err)
		}
	}
	w.cluster.Clientset.Resources = nil
	if r := w.deploy("blue"); r.code != 1 || !strings.Contains(r.err, "the cluster has no Gateway API") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestUndoBringsNoVersionBackTogetherWithItsRequests(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "True")
	open := []string{"--deploy-config", "open.json"}
	w.mustDeploy("blue", append(open, "--gateway", "front")...)
	w.mustDeploy("green", open...)
	w.runs("blue")
	w.runs("green")
	for _, args := range []string{"traffic set diabetes green=20", "delete version diabetes green"} {
		if r := w.run(strings.Fields(args)...); r.code != 0 {
			t.Fatalf("%s: exit code %d: %s%s", args, r.code, r.out, r.err)
		}
	}
	if r := w.run("undo", "diabetes"); r.code != 1 || !strings.Contains(r.err, "version green is new") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}

func TestStatusTellsWhatTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "False")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	w.runs("blue")
	const want = "Gateway models/front does not take the HTTPRoute: Accepted is False (Because): it is so"
	if r := w.run("status", "diabetes"); r.code != 0 || !strings.Contains(r.out, want) {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}

// The router's objects are there until the gateway has taken the route up: they
// say nothing of what the revision asks for.
func TestAGatewayThatRefusesTheRouteLeavesTheRouter(t *testing.T) {
	t.Parallel()
	w, _ := withPods(t)
	w.addGateway("10.0.0.1", 80, "False")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--wait")
	r := w.deploy("blue", "--deploy-config", "open.json", "--gateway", "front", "--wait")
	if want := "Gateway models/front does not take the HTTPRoute: Accepted is False"; r.code != 1 ||
		!strings.Contains(r.err, want) {
		t.Errorf("exit code %d, want 1 and %q\n%s%s", r.code, want, r.out, r.err)
	}
	if w.cluster.Object("Deployment/diabetes-router") == nil || w.cluster.Object("HTTPRoute/diabetes") != nil {
		t.Errorf("the cluster has %v", w.cluster.Names())
	}
}

func TestRestartOfRoutersThatAreNotThereIsRefused(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "True")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	const want = "error: endpoint diabetes has no routers to restart, a gateway splits its requests: leave out --routers\n"
	if r := w.run("restart", "diabetes", "--routers"); r.code != 1 || r.err != want {
		t.Errorf("exit code %d, want 1 and %q\n%s%s", r.code, want, r.out, r.err)
	}
}

// What the router did has to end before a gateway takes its place, and nothing is
// pushed for it.
func TestWhatOnlyARouterDoesIsEndedBeforeAGatewayComes(t *testing.T) {
	t.Parallel()
	w, _ := twoVersions(t)
	w.addGateway("10.0.0.1", 80, "True")
	w.fine(w.run("traffic", "set", "diabetes", "green=0", "--sticky-by", "header:x-user", "--wait=false"))
	w.fine(w.run("traffic", "mirror", "diabetes", "green=10", "--wait=false"))
	r := w.deploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	for _, want := range []string{"kubectl aml traffic set diabetes --sticky-by none", "kubectl aml traffic mirror diabetes --off"} {
		if r.code != 1 || !strings.Contains(r.err, want) || strings.Contains(r.err, "pushing") {
			t.Errorf("exit code %d, want 1 and %q\n%s%s", r.code, want, r.out, r.err)
		}
	}
}

func TestCreateVersionBehindAGatewayIsRefusedBeforeAnythingIsPushed(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "True")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	r := w.run("endpoint", "realtime", "create-version", "-n", "diabetes", "--version-name", "green", "--entry-script",
		"score.py", "--registry", "registry.invalid", "--traffic-percentile", "20")
	if want := "version green is new, and a gateway would lose its requests"; r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d, want 1 and %q\n%s%s", r.code, want, r.out, r.err)
	}
}

// Without a replica, what a gateway sends to a version is lost.
func TestAVersionBehindAGatewayRestsOnlyWithoutTraffic(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t, "10.0.0.1", 80, "True")
	open := []string{"--deploy-config", "open.json"}
	w.mustDeploy("blue", append(open, "--gateway", "front")...)
	w.mustDeploy("green", open...)
	w.runs("blue")
	w.runs("green")
	w.fine(w.run("traffic", "set", "diabetes", "green=20"))
	r := w.run("scale", "diabetes", "--version-name", "green", "--replicas", "0", "--wait=false")
	const want = "versions.green.replicas: a gateway loses what it sends to a version without a replica: " +
		"set its traffic to 0 first, or 1 or more replicas"
	if r.code != 1 || !strings.Contains(r.err, want) || strings.Contains(r.err, "go to the default version") {
		t.Errorf("exit code %d, want 1 and %q\n%s%s", r.code, want, r.out, r.err)
	}
	w.fine(w.run("traffic", "set", "diabetes", "green=0"))
	w.fine(w.run("scale", "diabetes", "--version-name", "green", "--replicas", "0", "--wait=false"))
}

func TestInvokeGoesToTheGatewaysAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("azureml-model-deployment", "blue")
		_, _ = out.Write([]byte(r.URL.Path))
	}))
	t.Cleanup(server.Close)
	host, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	w := newGatewayWorld(t, host, number, "True")
	w.mustDeploy("blue", "--deploy-config", "open.json", "--gateway", "front")
	if r := w.run("invoke", "diabetes", "-d", "{}"); r.out != "/api/v1/service/diabetes/score\n" || r.code != 0 {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}
