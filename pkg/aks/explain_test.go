// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"net/http/httptest"
	"testing"
)

func TestWhatIsRefusedOfARegionNamesTheSubscription(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(context.Context, *Client) error{
		"sizes":    func(ctx context.Context, c *Client) error { _, err := c.SKUs(ctx, "westeurope"); return err },
		"quotas":   func(ctx context.Context, c *Client) error { _, err := c.Quotas(ctx, "westeurope"); return err },
		"versions": func(ctx context.Context, c *Client) error { _, err := c.Versions(ctx, "westeurope"); return err },
	} {
		a := &armServer{Server: httptest.NewTLSServer(
			says(403, `{"error":{"code":"AuthorizationFailed","message":"You may not."}}`))}
		t.Cleanup(a.Close)
		err := ask(t.Context(), newMachine(t).client(t, a, func(o *Options) { o.CacheDir = t.TempDir() }))
		if want := "subscription " + subscription + ": You may not (AuthorizationFailed)"; ReasonOf(err) != Denied ||
			err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
