// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	k8stesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// gatewayObjects is a cluster with these objects of the Gateway API, as YAML.
func gatewayObjects(t *testing.T, texts ...string) *fake.FakeDynamicClient {
	t.Helper()
	group := schema.GroupVersion{Group: "gateway.networking.k8s.io", Version: "v1"}
	kinds := map[string]string{"HTTPRoute": "httproutes", "Gateway": "gateways"}
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	for _, text := range texts {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		// The client's own guess at the plural of Gateway is not gateways.
		resource := client.Resource(group.WithResource(kinds[object.GetKind()])).Namespace(object.GetNamespace())
		if _, err := resource.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

// route is the HTTPRoute of endpoint ml/sentiment in its third generation.
func route(parents string) string {
	return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: sentiment, namespace: ml, generation: 3}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: public, namespace: gateways}]
  hostnames: [sentiment.example.com]
status:
  parents:` + parents
}

// said is what a controller says of the route to a Gateway.
func said(parent, accepted, resolved string) string {
	return "\n  - parentRef: " + parent + "\n    controllerName: example.com/c\n    conditions: [" + accepted + ", " + resolved + "]"
}

const (
	public   = "{name: public, namespace: gateways}"
	accepted = "{type: Accepted, status: 'True', reason: Accepted, observedGeneration: 3}"
	resolved = "{type: ResolvedRefs, status: 'True', reason: ResolvedRefs, observedGeneration: 3}"
	missing  = "{type: ResolvedRefs, status: 'False', reason: BackendNotFound, message: no Service x, observedGeneration: 3}"
)

func TestFindRoute(t *testing.T) {
	t.Parallel()
	const noController = "no controller has taken up the HTTPRoute for Gateway gateways/public"
	for name, test := range map[string]struct {
		parents         string
		inForce, refuse bool
		message         string
	}{
		"accepted and resolved": {parents: said(public, accepted, resolved), inForce: true},
		"nobody said anything":  {parents: " []", message: noController},
		"another gateway's":     {parents: said("{name: other, namespace: gateways}", accepted, resolved), message: noController},
		"the own namespace's":   {parents: said("{name: public}", accepted, resolved), message: noController},
		"an older change": {
			parents: said(public, strings.ReplaceAll(accepted, "3", "2"), resolved),
			message: "the controller of Gateway gateways/public has not taken up the newest change yet"},
		"not refused for what was wrong before": {
			parents: said(public, accepted, strings.ReplaceAll(missing, "3", "2")),
			message: "has not taken up the newest change yet"},
		"a service that is not there": {parents: said(public, accepted, missing), refuse: true,
			message: "Gateway gateways/public does not take the HTTPRoute: ResolvedRefs is False (BackendNotFound): no Service x"},
		"one of two controllers takes it": {
			parents: said(public, accepted, missing) + said(public, accepted, resolved), inForce: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := rollout.FindRoute(t.Context(), gatewayObjects(t, route(test.parents)), "ml", "sentiment")
			if err != nil {
				t.Fatal(err)
			}
			if r.InForce != test.inForce || r.Refused != test.refuse || !strings.Contains(r.Message, test.message) ||
				r.InForce != (r.Message == "") {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestConfirmRoute(t *testing.T) {
	t.Parallel()
	const second = time.Second
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "httproutes"}, "sentiment", errors.New("no"))
	for name, test := range map[string]struct {
		// parents are what is said from look to look, the last for ever.
		parents []string
		err     error
		took    time.Duration
		want    string
	}{
		"taken up later": {
			parents: []string{" []", said(public, accepted, missing), said(public, accepted, resolved)},
			took:    200 * time.Millisecond},
		"refused for 10 seconds": {parents: []string{said(public, accepted, missing)}, took: 10 * second,
			want: "Gateway gateways/public does not take the HTTPRoute: ResolvedRefs is False (BackendNotFound): no Service x"},
		"nobody says anything": {parents: []string{" []"}, took: rollout.DefaultConfirmTimeout,
			want: "no controller has taken up the HTTPRoute for Gateway gateways/public: see whether the Gateway is there " +
				"and a controller serves its class"},
		"no right to look": {parents: []string{" []"}, err: forbidden,
			want: "read the HTTPRoute of endpoint ml/sentiment: " + forbidden.Error()},
		"the cluster does not answer": {parents: []string{" []"}, err: errors.New("busy"), took: rollout.DefaultConfirmTimeout,
			want: "it is not known whether the gateway has taken the change up: read the HTTPRoute of endpoint ml/sentiment: busy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looks, client := 0, gatewayObjects(t)
			client.PrependReactor("get", "httproutes", func(k8stesting.Action) (bool, runtime.Object, error) {
				object := &unstructured.Unstructured{}
				if err := yaml.Unmarshal([]byte(route(test.parents[min(looks, len(test.parents)-1)])), &object.Object); err != nil {
					t.Error(err)
				}
				looks++
				return true, object, test.err
			})
			p := newPlay()
			start := p.Now()
			err := rollout.ConfirmRoute(t.Context(), rollout.ConfirmRouteOptions{
				Client: client, Namespace: "ml", Endpoint: "sentiment", Clock: p})
			if took := p.Since(start); took != test.took {
				t.Errorf("took %s, want %s", took, test.took)
			}
			if got := text(err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
