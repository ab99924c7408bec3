// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

const subscription = "11111111-2222-3333-4444-555555555555"

func target() Target { return Target{subscription, "ml", "prod"} }

func wanted() acs.ManagedCluster {
	return acs.ManagedCluster{
		Location: ptr.To("westeurope"), Tags: map[string]*string{"team": ptr.To("ml")},
		Properties: &acs.ManagedClusterProperties{DNSPrefix: ptr.To("prod")},
	}
}

// armServer answers as Azure's resource manager does for one cluster. What is
// in answers comes first, each once.
type armServer struct {
	*httptest.Server

	mu      sync.Mutex
	cluster map[string]any // nil for none
	// states are what the operation says, one after the other; the last one stays.
	states []string
	// polled is set when the operation was asked for its state.
	polled bool
	// failure is the error of an operation that fails.
	failure any
	// answers by "PUT cluster", "GET operation" and so on.
	answers map[string][]http.HandlerFunc
	seen    []string
	headers map[string]http.Header
	bodies  map[string]string
}

func newARM(t *testing.T) *armServer {
	t.Helper()
	a := &armServer{
		states: []string{"InProgress", "Succeeded"}, answers: map[string][]http.HandlerFunc{},
		headers: map[string]http.Header{}, bodies: map[string]string{},
	}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.Config.ErrorLog = nil
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func kind(r *http.Request) string {
	path := strings.ToLower(r.URL.Path)
	switch {
	case strings.Contains(path, "/locations/westeurope/operations/"):
		return r.Method + " operation"
	case strings.HasSuffix(path, "/managedclusters/prod"):
		return r.Method + " cluster"
	case strings.HasSuffix(path, "/register"):
		return r.Method + " register"
	case strings.HasSuffix(path, "/providers/microsoft.containerservice"):
		return r.Method + " provider"
	}
	return r.Method + " " + path
}

func (a *armServer) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	k := kind(r)
	a.mu.Lock()
	a.seen = append(a.seen, k)
	a.headers[k], a.bodies[k] = r.Header, string(body)
	var answer http.HandlerFunc
	if next := a.answers[k]; len(next) > 0 {
		answer, a.answers[k] = next[0], next[1:]
	}
	a.mu.Unlock()
	if answer == nil {
		answer = a.usual
	}
	answer(w, r)
}

// usual is what happens where nothing goes wrong.
func (a *armServer) usual(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch k := kind(r); {
	case k == "PUT cluster" && a.cluster != nil:
		say(w, 412, `{"code":"PreconditionFailed","message":"It exists.","details":null,"subcode":""}`)
	case k == "PUT cluster":
		_ = json.Unmarshal([]byte(a.bodies[k]), &a.cluster)
		a.set("Creating")
		w.Header().Set("Azure-AsyncOperation", a.operation())
		sayJSON(w, 201, a.cluster)
	case k == "GET cluster" && a.cluster == nil:
		say(w, 404, `{"error":{"code":"ResourceNotFound","message":"The Resource is not there."}}`)
	case k == "GET cluster":
		if !a.polled {
			a.step() // the cluster itself is all that is asked
		}
		if a.cluster == nil {
			say(w, 404, `{"error":{"code":"ResourceNotFound","message":"The Resource is not there."}}`)
			return
		}
		sayJSON(w, 200, a.cluster)
	case k == "DELETE cluster" && a.cluster == nil:
		w.WriteHeader(204)
	case k == "DELETE cluster":
		a.set("Deleting")
		w.Header().Set("Azure-AsyncOperation", a.operation())
		w.Header().Set("Location", strings.Replace(a.operation(), "/operations/", "/operationresults/", 1))
		w.WriteHeader(202)
	case k == "GET operation":
		a.polled = true
		state := a.step()
		sayJSON(w, 200, map[string]any{"name": "op", "status": state, "error": a.failure})
	case k == "POST register", k == "GET provider":
		say(w, 200, `{"registrationState":"Registered"}`)
	default:
		say(w, 400, `{"error":{"code":"BadRequest","message":"`+k+`"}}`)
	}
}

func (a *armServer) operation() string {
	return a.URL + "/subscriptions/" + subscription +
		"/providers/Microsoft.ContainerService/locations/westeurope/operations/op?api-version=2016-03-30&sig=secret"
}

func (a *armServer) set(state string) {
	p, _ := a.cluster["properties"].(map[string]any)
	p["provisioningState"] = state
}

func (a *armServer) step() string {
	state := a.states[0]
	if len(a.states) > 1 {
		a.states = a.states[1:]
		return state
	}
	if p, _ := a.cluster["properties"].(map[string]any); p["provisioningState"] == "Deleting" && state != StateFailed {
		a.cluster = nil
	} else if a.cluster != nil {
		a.set(state)
	}
	return state
}

func (a *armServer) count(k string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, s := range a.seen {
		if s == k {
			n++
		}
	}
	return n
}

// answer has the next request of kind k answered by all of next in turn.
func (a *armServer) answer(k string, next ...http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[k] = append(a.answers[k], next...)
}

func say(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func sayJSON(w http.ResponseWriter, status int, v any) {
	text, _ := json.Marshal(v)
	say(w, status, string(text))
}

// says answers with status and body; headers are pairs.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		say(w, status, body)
	}
}

// drops closes the connection without an answer.
func drops(w http.ResponseWriter, _ *http.Request) {
	if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = c.Close()
	}
}

// doesAndDrops does what was asked for, and closes the connection.
func (a *armServer) doesAndDrops(w http.ResponseWriter, r *http.Request) {
	a.usual(httptest.NewRecorder(), r)
	drops(w, r)
}

// static is a credential whose token is always the same.
type static struct{}

func (static) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

// guarded refuses to leave this machine.
type guarded struct{ http.RoundTripper }

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !loopback(r.URL.Hostname()) {
		return nil, fmt.Errorf("a test wanted to ask %s", r.URL.Host)
	}
	return g.RoundTripper.RoundTrip(r)
}

// told is what was said to people.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (t *told) tell(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

func (t *told) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// machine is where commands run: several clients on it share their files.
type machine struct {
	*told
	dir string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	return machine{&told{}, t.TempDir()}
}

func (m machine) client(t *testing.T, a *armServer, change ...func(*Options)) *Client {
	t.Helper()
	c, err := CloudNamed("", a.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Subscription: subscription, Credential: static{}, Cloud: c, Tell: m.tell, StateDir: m.dir,
		Transport: &http.Client{Transport: guarded{a.Client().Transport}},
		Interval:  time.Millisecond, RetryDelay: time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
