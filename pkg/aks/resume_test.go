// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"
)

func TestCreateGoesOn(t *testing.T) {
	t.Parallel()
	stopped := "cluster prod in resource group ml: stopped waiting (InProgress): Azure goes on with it: " +
		"wait for it with kubectl aml compute wait -n prod"
	for name, c := range map[string]struct {
		// stop ends the first run.
		stop    func(a *armServer, cancel func())
		message string // of the first run, the whole one
		again   func(ctx context.Context, c *Client) (Cluster, error)
	}{
		"after Ctrl-C, by create": {
			stop:    func(a *armServer, cancel func()) { a.answer("GET operation", stopping(a, cancel)) },
			message: stopped, again: createAgain,
		},
		"after Ctrl-C, by wait": {
			stop:    func(a *armServer, cancel func()) { a.answer("GET operation", stopping(a, cancel)) },
			message: stopped, again: waitFor,
		},
		"after a stop between request and answer": {
			stop: func(a *armServer, cancel func()) {
				a.answer("PUT cluster", func(w http.ResponseWriter, r *http.Request) {
					cancel()
					a.doesAndDrops(w, r)
				})
			},
			message: "cluster prod in resource group ml: it is not known whether Azure has begun with it: stopped: " +
				"the same command again goes on",
			again: createAgain,
		},
		"after a lost network": {
			stop: func(a *armServer, _ func()) {
				for range retries + 1 {
					a.answer("GET operation", drops, drops) // GETs are sent again by net/http too
				}
			},
			message: "cluster prod in resource group ml: Azure cannot be reached (EOF): " +
				"Azure goes on with it: wait for it with kubectl aml compute wait -n prod",
			again: waitFor,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			a.states = []string{"InProgress", "InProgress", "InProgress", "Succeeded"}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.stop(a, cancel)
			_, err := m.client(t, a).Create(ctx, target(), wanted(), true)
			if ReasonOf(err) != UnderWay || err.Error() != c.message {
				t.Fatalf("the first run ended with\n%v", err)
			}
			a.mu.Lock()
			a.answers = nil
			a.mu.Unlock()
			if got, err := c.again(t.Context(), m.client(t, a)); err != nil || got.State != StateSucceeded {
				t.Errorf("the second run: %s, %v", got.State, err)
			}
			if n := a.count("PUT cluster"); n != 1 {
				t.Errorf("%d PUTs", n)
			}
			if strings.Contains(m.String(), "secret") {
				t.Errorf("an address of an operation was told:\n%s", m)
			}
		})
	}
}

func stopping(a *armServer, cancel func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.usual(w, r)
		underWay := says(200, `{"status":"InProgress"}`)
		// The state of the first looks is known by the time of the next.
		a.answer("GET operation", underWay, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			underWay(w, r)
		})
	}
}

func createAgain(ctx context.Context, c *Client) (Cluster, error) {
	return c.Create(ctx, target(), wanted(), true)
}

func waitFor(ctx context.Context, c *Client) (Cluster, error) { return c.Wait(ctx, target()) }

func TestCreateAgainWithOtherSettings(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	now, err := m.client(t, a).Create(t.Context(), target(), wanted(), false)
	if err != nil || now.State != "Creating" || a.count("GET operation") != 0 {
		t.Fatalf("without a wait: %s, %v", now.State, err)
	}
	other := wanted()
	other.Location = ptr.To("eastus")
	_, err = m.client(t, a).Create(t.Context(), target(), other, true)
	if ReasonOf(err) != Conflict || !strings.Contains(err.Error(), "with other settings") {
		t.Errorf("got %v", err)
	}
	if n := a.count("PUT cluster"); n != 1 {
		t.Errorf("%d PUTs", n)
	}
}

func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	const runs = 8
	errs := make(chan error, runs)
	for range runs {
		c := m.client(t, a)
		go func() {
			_, err := c.Create(t.Context(), target(), wanted(), true)
			errs <- err
		}()
	}
	for range runs {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := a.count("PUT cluster"); n != 1 {
		t.Errorf("%d PUTs", n)
	}
}

func TestCreateOfASlowServer(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	for _, k := range []string{"GET cluster", "PUT cluster"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		a.answer(k, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		_, err := m.client(t, a).Create(ctx, target(), wanted(), true)
		cancel()
		if ReasonOf(err) != UnderWay || strings.Contains(err.Error(), "deadline exceeded") {
			t.Errorf("%s is slow: %v", k, err)
		}
	}
	if _, err := m.client(t, a).Create(t.Context(), target(), wanted(), true); err != nil {
		t.Error(err)
	}
}

func TestCreateWithoutItsToken(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	a.answer("PUT cluster", a.doesAndDrops)
	c := m.client(t, a)
	a.states = []string{"Creating", "Failed"}
	_, err := c.Create(t.Context(), target(), wanted(), false)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	p, _ := a.cluster["properties"].(map[string]any)
	p["status"] = map[string]any{"provisioningError": map[string]any{
		"code": "Outer", "message": "It failed.",
		"details": []any{map[string]any{"code": "QuotaExceeded", "message": "No more cores."}},
	}}
	a.mu.Unlock()
	_, err = c.Wait(t.Context(), target())
	if e := (*Error)(nil); !errors.As(err, &e) || e.Reason != Quota || e.Code != "QuotaExceeded" {
		t.Errorf("got %v", err)
	}
}
