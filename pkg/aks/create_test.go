// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	c := m.client(t, a)
	got, err := c.Create(t.Context(), target(), wanted(), true)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != StateSucceeded || got.Location != "westeurope" || got.Target != target() {
		t.Errorf("the cluster is %+v", got)
	}
	if n := a.count("PUT cluster"); n != 1 {
		t.Errorf("%d PUTs", n)
	}
	if h := a.headers["PUT cluster"].Get("If-None-Match"); h != "*" {
		t.Errorf("If-None-Match is %q", h)
	}
	var body struct{ Tags map[string]string }
	if err := json.Unmarshal([]byte(a.bodies["PUT cluster"]), &body); err != nil {
		t.Fatal(err)
	}
	o, known, err := c.Operation(target())
	if err != nil || !known {
		t.Fatalf("the operation is forgotten: %v, %v", known, err)
	}
	if body.Tags["aml-operation"] != o.Tag || body.Tags["team"] != "ml" {
		t.Errorf("tags are %v, the operation is %s", body.Tags, o.Tag)
	}
	if want := "cluster prod: InProgress, 0s so far\ncluster prod: Succeeded, 0s so far"; m.String() != want {
		t.Errorf("told\n%s\nwant\n%s", m, want)
	}
	if err := c.Forget(target()); err != nil {
		t.Error(err)
	}
	if _, known, _ := c.Operation(target()); known {
		t.Error("the operation is still known")
	}
	_, err = c.Create(t.Context(), target(), wanted(), true)
	want := "cluster prod in resource group ml exists already (Succeeded): " +
		"use kubectl aml compute attach aks, or another name"
	if ReasonOf(err) != Conflict || err.Error() != want {
		t.Errorf("a second create ends with %v", err)
	}
}

// Real texts of the services, shortened.
const (
	notAllowed = `{"code":"OperationNotAllowed","details":null,"message":"Operation is not allowed: another operation\n` +
		`(Updating) is in progress.","subcode":""}`
	etag      = `{"code":"EtagMismatch","details":null,"message":"Operation is not allowed due to etag mismatch.","subcode":""}`
	forbidden = `{"error":{"code":"AuthorizationFailed","message":"The client 'a@b.c' with object id 'x' does not have ` +
		`authorization to perform action 'Microsoft.ContainerService/managedClusters/write' over scope '/subscriptions/1' ` +
		`or the scope is invalid. If access was recently granted, please refresh your credentials."}}`
	vcpus = `{"code":"ErrCode_InsufficientVCPUQuota","details":null,"message":"Insufficient vcpu quota requested 12, ` +
		`remaining 4 for family standardDSv5Family for region westeurope.","subcode":""}`
	cores = `{"error":{"code":"OperationNotAllowed","message":"Operation could not be completed as it results in ` +
		`exceeding approved Total Regional Cores quota."}}`
	invalid    = `{"code":"InvalidParameter","message":"The value of parameter dnsPrefix is invalid."}`
	throttled  = `{"error":{"code":"Throttled","message":"The request is throttled."}}`
	unknownRP  = `{"error":{"code":"MissingSubscriptionRegistration","message":"The subscription is not registered."}}`
	noGroup    = `{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'ml' could not be found."}}`
	badToken   = `{"error":{"code":"InvalidAuthenticationToken","message":"The access token is invalid."}}`
	proxyPage  = "<html>\n<body>Bad gateway</body>\n</html>"
	challenged = `Bearer authorization_uri="https://login.windows.net/", error="invalid_token"`
)

func TestCreateThroughFaults(t *testing.T) {
	t.Parallel()
	put := func(next ...http.HandlerFunc) func(*armServer) {
		return func(a *armServer) { a.answer("PUT cluster", next...) }
	}
	poll := func(next ...http.HandlerFunc) func(*armServer) {
		return func(a *armServer) { a.answer("GET operation", next...) }
	}
	failing := func(text string) func(*armServer) {
		return func(a *armServer) {
			a.states = []string{"InProgress", "Failed"}
			_ = json.Unmarshal([]byte(text), &a.failure)
		}
	}
	const at = "cluster prod in resource group ml: "
	for name, c := range map[string]struct {
		fault   func(*armServer)
		timeout time.Duration
		reason  Reason // empty for success
		message string // the whole one
		told    string // a part
		puts    int    // 1 if 0
		kept    bool   // the operation
	}{
		"throttled twice": {
			fault: put(says(429, throttled, "Retry-After", "1"), says(429, throttled, "Retry-After-Ms", "3")),
			told:  "throttled by Azure, waiting 1 s\nthrottled by Azure, waiting 0.003 s", puts: 3, kept: true,
		},
		"throttled for longer than the command may take": {
			fault: put(says(429, throttled, "Retry-After", "117")), timeout: 20 * time.Second, reason: Throttled,
			message: at + "Azure is throttling and asks to wait 117 s, which is longer than the time left: " +
				"run the command again then",
		},
		"throttled for longer than anybody waits": {
			fault: put(says(429, throttled, "Retry-After", "400")), reason: Throttled,
			message: at + "The request is throttled (Throttled): Azure asks to wait 400 s: run the command again then",
		},
		"throttled at a poll": {
			fault: poll(says(429, throttled, "Retry-After-Ms", "2"), says(503, "")), told: "waiting 0.002 s", kept: true,
		},
		"another operation": {
			fault: put(says(409, notAllowed)), reason: Conflict,
			message: at + "Operation is not allowed: another operation (Updating) is in progress (OperationNotAllowed)",
		},
		"etag": {
			fault: put(says(409, etag)), reason: Conflict,
			message: at + "Operation is not allowed due to etag mismatch (EtagMismatch)",
		},
		"no right": {
			fault: put(says(403, forbidden)), reason: Denied,
			message: at + "The client 'a@b.c' with object id 'x' does not have authorization to perform action " +
				"'Microsoft.ContainerService/managedClusters/write' over scope '/subscriptions/1' or the scope is " +
				"invalid. If access was recently granted, please refresh your credentials (AuthorizationFailed): " +
				"ask for the role Contributor on the resource group, " +
				"which has the action Microsoft.ContainerService/managedClusters/write",
		},
		"quota of AKS": {
			fault: put(says(400, vcpus)), reason: Quota,
			message: at + "Insufficient vcpu quota requested 12, remaining 4 for family standardDSv5Family " +
				"for region westeurope (ErrCode_InsufficientVCPUQuota)",
		},
		"quota of Azure Compute": {
			fault: put(says(409, cores)), reason: Quota,
			message: at + "Operation could not be completed as it results in exceeding approved Total Regional " +
				"Cores quota (OperationNotAllowed)",
		},
		"invalid": {
			fault: put(says(400, invalid)), reason: Invalid,
			message: at + "The value of parameter dnsPrefix is invalid (InvalidParameter)",
		},
		"no resource group": {
			fault: put(says(404, noGroup)), reason: NotFound,
			message: at + "Resource group 'ml' could not be found (ResourceGroupNotFound)",
		},
		"token not taken": {
			fault: put(says(401, badToken, "WWW-Authenticate", challenged)), reason: Denied,
			message: at + "The access token is invalid (InvalidAuthenticationToken): " +
				"the token of aks.static was not taken: sign in again, such as with az login",
		},
		"failed with the reason deep inside": {
			fault: failing(`{"code":"CreateVMSSAgentPoolFailed","message":"Pool failed.","details":[{"code":"Deployment",` +
				`"message":"It failed.","details":[{"code":"AllocationFailed","message":"No capacity\nin zone 1."}]}]}`),
			reason: Quota, kept: true,
			message: at + "it failed: No capacity in zone 1 (AllocationFailed): what there is of it stays: " +
				"remove it with kubectl aml compute delete -n prod, then create it again",
		},
		"failed": {
			fault: failing(`{"code":"InternalOperationError","message":"Internal server error"}`), reason: Failed, kept: true,
			message: at + "it failed: Internal server error (InternalOperationError): what there is of it stays: " +
				"remove it with kubectl aml compute delete -n prod, then create it again",
		},
		"a poll is dropped":      {fault: poll(drops), kept: true},
		"a state of AKS's own":   {fault: poll(says(200, `{"status":"ProvisionControlPlane"}`)), told: "ProvisionControlPlane", kept: true},
		"operation is not known": {fault: poll(says(404, noGroup)), kept: true},
		"the answer is dropped": {
			fault: func(a *armServer) { a.answer("PUT cluster", a.doesAndDrops) }, kept: true,
		},
		"the request is dropped": {fault: put(drops), puts: 2, kept: true},
		"dropped, and then refused": {
			fault: put(drops, says(400, invalid)), reason: Invalid, puts: 2, kept: true,
			message: at + "The value of parameter dnsPrefix is invalid (InvalidParameter)",
		},
		"bad gateway before": {fault: put(says(502, proxyPage)), puts: 2, kept: true},
		"bad gateway after": {
			fault: func(a *armServer) {
				a.answer("PUT cluster", func(w http.ResponseWriter, r *http.Request) {
					a.usual(httptest.NewRecorder(), r)
					say(w, 502, proxyPage)
				})
			}, kept: true,
		},
		"bad gateway for ever": {
			fault:  put(says(502, proxyPage), says(502, proxyPage), says(502, proxyPage)),
			reason: Failed, puts: 3, kept: true, message: at + "<html> <body>Bad gateway</body> </html>",
		},
		"somebody else was first": {
			fault: func(a *armServer) {
				a.answer("PUT cluster", func(w http.ResponseWriter, r *http.Request) {
					a.theirs()
					a.usual(w, r)
				})
			}, reason: Conflict,
			message: "cluster prod in resource group ml exists already (Succeeded): " +
				"use kubectl aml compute attach aks, or another name",
		},
		"subscription is new to AKS": {
			fault: put(says(409, unknownRP)), puts: 2, kept: true,
			told: "the subscription has not used Microsoft.ContainerService before: registered it",
		},
		"operation on another host": {
			fault: put(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Azure-AsyncOperation", "https://elsewhere.example/subscriptions/x/operations/1")
				say(w, 201, `{"properties":{"provisioningState":"Creating"}}`)
			}), reason: NotFound, kept: true,
			message: at + "The Resource is not there (ResourceNotFound)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			c.fault(a)
			ctx := t.Context()
			if c.timeout > 0 {
				limited, cancel := context.WithTimeout(ctx, c.timeout)
				defer cancel()
				ctx = limited
			}
			client := m.client(t, a)
			got, err := client.Create(ctx, target(), wanted(), true)
			if c.reason == "" && (err != nil || got.State != StateSucceeded) {
				t.Errorf("got %s, %v", got.State, err)
			}
			if c.reason != "" && (ReasonOf(err) != c.reason || err.Error() != c.message) {
				t.Errorf("got %s\n%v\nwant %s\n%s", ReasonOf(err), err, c.reason, c.message)
			}
			if n := a.count("PUT cluster"); n != max(1, c.puts) {
				t.Errorf("%d PUTs", n)
			}
			if _, known, err := client.Operation(target()); known != c.kept || err != nil {
				t.Errorf("the operation is known: %v, %v", known, err)
			}
			if !strings.Contains(m.String(), c.told) {
				t.Errorf("told\n%s", m)
			}
		})
	}
}

// theirs puts a cluster there that somebody else has made.
func (a *armServer) theirs() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cluster = map[string]any{
		"location": "westeurope", "tags": map[string]any{"aml-operation": "another"},
		"properties": map[string]any{"provisioningState": "Succeeded"},
	}
	a.states = []string{"Succeeded"}
}
