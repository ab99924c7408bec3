// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package chart_test

import (
	"strings"
	"testing"
)

func TestAGatewayIsAskedForNothingItDoesNotDo(t *testing.T) {
	t.Parallel()
	const (
		head   = "render endpoint sentiment: the values cannot be used:\n- "
		open   = "auth: {mode: none}, routing: {mode: gateway, gateway: {name: public}}"
		blue   = "defaultVersion: blue, versions: {blue: {image: i}}"
		router = ": there is no router with routing.mode gateway: leave out what is set, the gateway has settings of its own"
	)
	for name, test := range map[string]struct{ values, want string }{
		"an open endpoint":   {open + ", " + blue, ""},
		"without a version":  {open, ""},
		"image of a router":  {open + ", router: {image: e, resources: {}}, " + blue, ""},
		"a gateway is named": {"auth: {mode: none}, routing: {mode: gateway}, " + blue, "routing.gateway.name: name the Gateway that the endpoint's HTTPRoute belongs to"},
		"keys": {"routing: {mode: gateway, gateway: {name: public}}, " + blue,
			"auth.mode: a gateway does not check the endpoint's keys: set auth.mode to none and let a policy of the gateway " +
				"ask for credentials, or set routing.mode to router"},
		"a certificate": {open + ", tls: {existingSecret: s, host: a.io}, " + blue,
			"tls: with routing.mode gateway TLS ends at the Gateway: name the Secret in a listener of the Gateway and leave " +
				"tls empty, or set routing.mode to router"},
		"stickiness": {open + ", stickiness: {header: x-user}, " + blue,
			"stickiness.header: a gateway draws a version for each request: leave it empty, or set routing.mode to router"},
		"mirrors": {open + ", defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, mirror: 0.5}}",
			"versions.green.mirror: a gateway mirrors nothing here: leave it 0, or set routing.mode to router"},
		"a version at rest": {open + ", defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, replicas: 0}}", ""},
		"a share for a version at rest": {
			open + ", defaultVersion: blue, versions: {blue: {image: i}, green: {image: i, replicas: 0, traffic: 10}}",
			"versions.green.replicas: a gateway loses what it sends to a version without a replica: set its traffic to 0 " +
				"first, or 1 or more replicas"},
		"settings of a router": {
			open + ", router: {replicas: 2, restartOnChange: true, maxRequestBytes: 1048576, " +
				"service: {type: NodePort, port: 8080, annotations: {a: b}}}, " + blue,
			"router.replicas" + router + "\n- router.restartOnChange" + router + "\n- router.service.type" + router +
				"\n- router.service.port" + router + "\n- router.service.annotations" + router +
				"\n- router.maxRequestBytes" + router},
		"settings of a gateway for a router": {
			"routing: {gateway: {name: public, hostnames: [a.io]}}, " + blue,
			"routing.gateway.hostnames: the router belongs to no gateway: leave it empty, or set routing.mode to gateway\n" +
				"- routing.gateway.name: the router belongs to no gateway: leave it empty, or set routing.mode to gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := test.want
			if want != "" {
				want = head + want
			}
			if got := refusal(t, "sentiment", "{"+test.values+"}"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A Gateway API of any maker takes at most 16 rules in a route.
func TestSixVersionsFitIntoOneRoute(t *testing.T) {
	t.Parallel()
	text := renderCase(t, "gateway-six-versions").String()
	if rules := strings.Count(text, "- matches:"); rules != 15 {
		t.Errorf("%d rules", rules)
	}
	for _, kind := range []string{"Deployment\nmetadata:\n  name: sentiment-router", "kind: ConfigMap\nmetadata:\n  name: sentiment-router"} {
		if strings.Contains(text, kind) {
			t.Errorf("there is a %s", kind)
		}
	}
}
