// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ours puts a cluster there in a state.
func (a *armServer) ours(state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cluster = map[string]any{
		"location": "westeurope", "properties": map[string]any{"provisioningState": state},
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	const at = "cluster prod in resource group ml: "
	remove := func(next ...http.HandlerFunc) func(*armServer) {
		return func(a *armServer) { a.answer("DELETE cluster", next...) }
	}
	for name, c := range map[string]struct {
		none    bool // no cluster is there
		fault   func(*armServer)
		reason  Reason // empty for success
		message string // the whole one
		told    string // a part
		deletes int    // 1 if 0
		kept    bool   // the operation
	}{
		"accepted, then done": {told: "cluster prod: InProgress, 0s so far\ncluster prod: Succeeded, 0s so far"},
		"no content":          {none: true},
		"not found": {
			none:  true,
			fault: remove(says(404, `{"error":{"code":"ResourceNotFound","message":"It is not there."}}`)),
		},
		"its group is not found": {none: true, fault: remove(says(404, noGroup))},
		"its subscription is not found": {
			none:    true,
			fault:   remove(says(404, `{"error":{"code":"SubscriptionNotFound","message":"No such subscription."}}`)),
			reason:  NotFound,
			message: at + "No such subscription (SubscriptionNotFound)",
		},
		"another operation": {
			fault: remove(says(409, notAllowed)), reason: Conflict,
			message: at + "Operation is not allowed: another operation (Updating) is in progress (OperationNotAllowed)",
		},
		"no right": {
			fault: remove(says(403, strings.ReplaceAll(forbidden, "/write", "/delete"))), reason: Denied,
			message: at + "The client 'a@b.c' with object id 'x' does not have authorization to perform action " +
				"'Microsoft.ContainerService/managedClusters/delete' over scope '/subscriptions/1' or the scope is " +
				"invalid. If access was recently granted, please refresh your credentials (AuthorizationFailed): " +
				"ask for the role Contributor on the resource group, " +
				"which has the action Microsoft.ContainerService/managedClusters/delete",
		},
		"throttled": {
			fault: remove(says(429, throttled, "Retry-After-Ms", "2")),
			told:  "throttled by Azure, waiting 0.002 s", deletes: 2,
		},
		"the answer is dropped": {
			fault:   func(a *armServer) { a.answer("DELETE cluster", a.doesAndDrops) },
			deletes: 2,
		},
		"the answer is dropped, and it is at work on the delete": {
			fault: func(a *armServer) {
				a.answer("DELETE cluster", func(w http.ResponseWriter, r *http.Request) {
					a.usual(httptest.NewRecorder(), r)
					say(w, 409, notAllowed)
				})
			},
		},
		"a poll is dropped":      {fault: func(a *armServer) { a.answer("GET operation", drops) }},
		"operation is not known": {fault: func(a *armServer) { a.answer("GET operation", says(404, noGroup)) }},
		"nothing says where to ask": {
			fault: remove(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusAccepted)
			}), reason: Failed, kept: true,
			message: "cluster prod in resource group ml is there and Succeeded: the delete did not happen: " +
				"run kubectl aml compute delete -n prod again",
		},
		"failed": {
			fault: func(a *armServer) {
				a.states = []string{"InProgress", "Failed"}
				a.failure = map[string]any{"code": "InUseSubnetCannotBeDeleted", "message": "The subnet is in use."}
			}, reason: Failed, kept: true,
			message: at + "the delete failed: The subnet is in use (InUseSubnetCannotBeDeleted): " +
				"what is left of it stays: run kubectl aml compute delete -n prod again",
		},
		"failed, as the cluster tells": {
			fault: func(a *armServer) {
				a.states = []string{"Failed"}
				a.answer("GET operation", says(404, noGroup))
			}, reason: Failed, kept: true,
			message: at + "the delete failed: Azure gives no reason (Failed): " +
				"what is left of it stays: run kubectl aml compute delete -n prod again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			if !c.none {
				a.ours(StateSucceeded)
			}
			if c.fault != nil {
				c.fault(a)
			}
			client := m.client(t, a)
			err := client.Delete(t.Context(), target(), true)
			if c.reason == "" && (err != nil || a.cluster != nil) {
				t.Errorf("the cluster is %v, %v", a.cluster, err)
			}
			if c.reason != "" && (ReasonOf(err) != c.reason || err.Error() != c.message) {
				t.Errorf("got %s\n%v\nwant %s\n%s", ReasonOf(err), err, c.reason, c.message)
			}
			if n := a.count("DELETE cluster"); n != max(1, c.deletes) {
				t.Errorf("%d DELETEs", n)
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

func TestDeleteGoesOn(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(ctx context.Context, c *Client) error{
		"by delete": func(ctx context.Context, c *Client) error { return c.Delete(ctx, target(), true) },
		"by wait": func(ctx context.Context, c *Client) error {
			now, err := c.Wait(ctx, target())
			if now.State != StateDeleted {
				t.Errorf("wait says %s", now.State)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			a.ours(StateSucceeded)
			a.states = []string{"InProgress", "InProgress", "InProgress", "Succeeded"}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a.answer("GET operation", stopping(a, cancel))
			err := m.client(t, a).Delete(ctx, target(), true)
			want := "cluster prod in resource group ml: stopped waiting (InProgress): Azure goes on with it: " +
				"wait for it with kubectl aml compute wait -n prod"
			if ReasonOf(err) != UnderWay || err.Error() != want {
				t.Fatalf("the first run ended with\n%v", err)
			}
			a.mu.Lock()
			a.answers = nil
			a.mu.Unlock()
			c := m.client(t, a)
			if _, err := c.Create(t.Context(), target(), wanted(), true); ReasonOf(err) != Conflict ||
				!strings.Contains(err.Error(), "is being deleted") {
				t.Errorf("a create meanwhile: %v", err)
			}
			if err := again(t.Context(), c); err != nil || a.cluster != nil {
				t.Errorf("the second run: %v, the cluster is %v", err, a.cluster)
			}
			if n := a.count("DELETE cluster"); n != 1 {
				t.Errorf("%d DELETEs", n)
			}
			if _, known, _ := c.Operation(target()); known {
				t.Error("the operation is still known")
			}
		})
	}
}

func TestDeleteWithoutAWait(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	a.ours(StateSucceeded)
	c := m.client(t, a)
	if err := c.Delete(t.Context(), target(), false); err != nil {
		t.Fatal(err)
	}
	if a.count("GET operation") != 0 || a.cluster == nil {
		t.Errorf("it was waited for: %v", a.seen)
	}
	o, known, err := c.Operation(target())
	if err != nil || !known || o.Kind != OperationDelete || o.resumeToken == "" {
		t.Errorf("the operation is %+v, %v, %v", o, known, err)
	}
}

func TestWaitForWhatWasNotBegunHere(t *testing.T) {
	t.Parallel()
	const at = "cluster prod in resource group ml: "
	for name, c := range map[string]struct {
		state, then string
		none        bool
		want        string // the state
		reason      Reason
		message     string
	}{
		"nothing is there":   {none: true, reason: NotFound, message: at + "The Resource is not there (ResourceNotFound)"},
		"nothing to do":      {state: StateSucceeded, then: StateSucceeded, want: StateSucceeded},
		"being updated":      {state: "Updating", then: StateSucceeded, want: StateSucceeded},
		"deleted by another": {state: "Deleting", then: "Deleting", want: StateDeleted},
		"an update failed": {
			state: "Updating", then: StateFailed, reason: Failed,
			message: at + "the last operation on it failed: Azure gives no reason (Failed): " +
				"see it with kubectl aml compute show -n prod",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			if !c.none {
				a.ours(c.state)
				a.states = []string{c.state, c.then}
			}
			got, err := m.client(t, a).Wait(t.Context(), target())
			if c.reason == "" && (err != nil || got.State != c.want) {
				t.Errorf("got %s, %v", got.State, err)
			}
			if c.reason != "" && (ReasonOf(err) != c.reason || err.Error() != c.message) {
				t.Errorf("got %s\n%v\nwant %s\n%s", ReasonOf(err), err, c.reason, c.message)
			}
		})
	}
}

func TestDeleteLeavesAClusterThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	c := m.client(t, a)
	a.answer("PUT cluster", drops, drops, drops)
	if _, err := c.Create(t.Context(), target(), wanted(), true); ReasonOf(err) != UnderWay {
		t.Fatalf("the create ended with %v", err)
	}
	a.ours(StateSucceeded) // by somebody else, meanwhile
	err := c.Delete(t.Context(), target(), true)
	if ReasonOf(err) != Conflict || !strings.Contains(err.Error(), "not the one whose create was begun here") {
		t.Errorf("got %v", err)
	}
	if n := a.count("DELETE cluster"); n != 0 || a.cluster == nil {
		t.Errorf("%d DELETEs, the cluster is %v", n, a.cluster)
	}
}

func TestADeleteThatIsOverDoesNotGoOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state  string // of what is there after it; empty for nothing
		goesOn bool
	}{
		"nothing is there":             {"", true},
		"it is being deleted":          {"Deleting", true},
		"it failed":                    {StateFailed, true},
		"one of the same name is used": {StateSucceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			a.ours(StateSucceeded)
			client := m.client(t, a)
			if err := client.Delete(t.Context(), target(), false); err != nil {
				t.Fatal(err)
			}
			a.mu.Lock()
			a.polled, a.cluster = true, nil
			a.mu.Unlock()
			if c.state != "" {
				a.ours(c.state)
			}
			got, err := client.DeleteGoesOn(t.Context(), target())
			if err != nil || got != c.goesOn {
				t.Errorf("got %v, %v", got, err)
			}
			if _, known, err := client.Operation(target()); err != nil || known != c.goesOn {
				t.Errorf("the operation is known: %v, %v", known, err)
			}
		})
	}
}
