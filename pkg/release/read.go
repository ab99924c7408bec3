// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
)

// Get returns the revision of an endpoint that is in force. Errors: ErrNotFound
// if there is none, ErrForeign if the Helm release of this name is something else.
func (c *Client) Get(ctx context.Context, name string) (Release, error) {
	history, err := c.standing(ctx, name)
	if err != nil {
		return Release{}, err
	}
	at := determine(history)
	if err := c.foreign(name, at); err != nil {
		return Release{}, err
	}
	if at.inForce == nil {
		return Release{}, c.noneInForce(name, at)
	}
	return *previous(at), nil
}

// Newest returns the newest revision of an endpoint, also if it has failed or is in
// the making. Errors as of Get.
func (c *Client) Newest(ctx context.Context, name string) (Release, error) {
	history, err := c.standing(ctx, name)
	if err != nil {
		return Release{}, err
	}
	at := determine(history)
	if at.last == nil {
		return Release{}, c.notFound(name)
	}
	return typed(at.last), c.foreign(name, at)
}

func (c *Client) noneInForce(name string, at situation) error {
	if at.state == stateAbsent || at.state == stateUninstalled {
		return c.notFound(name)
	}
	return &explained{is: ErrNotFound, text: fmt.Sprintf(
		"endpoint %q has never been in force in namespace %q (%s): deploy it again, or delete it",
		name, c.opts.Namespace, at.reason)}
}

// History returns the kept revisions of an endpoint, oldest first. Errors as of Get.
func (c *Client) History(ctx context.Context, name string) ([]Release, error) {
	history, err := c.history(ctx, name)
	if err != nil {
		return nil, err
	}
	at := determine(history)
	if at.state == stateAbsent {
		return nil, c.notFound(name)
	}
	if err := c.foreign(name, at); err != nil {
		return nil, err
	}
	all := make([]Release, 0, len(history))
	for _, r := range history {
		all = append(all, typed(r))
	}
	slices.SortFunc(all, func(a, b Release) int { return a.Revision - b.Revision })
	return all, nil
}

// List returns the endpoints of the namespace, or of all, sorted by namespace and
// name: for each the revision in force, or the last one if none is.
func (c *Client) List(ctx context.Context, allNamespaces bool) ([]Release, error) {
	namespace := c.opts.Namespace
	if allNamespaces {
		namespace = ""
	}
	log := &lines{}
	// Superseded revisions are most of what is stored, and never listed.
	store, err := c.driver(ctx, namespace, "status!=superseded", log.add)
	if err != nil {
		return nil, c.explain(err)
	}
	stored, err := store.List(isEndpoint)
	if err != nil {
		return nil, c.explain(err)
	}
	type key struct{ namespace, name string }
	histories := map[key][]*helmrelease.Release{}
	for _, r := range stored {
		k := key{r.Namespace, r.Name}
		histories[k] = append(histories[k], r)
	}
	all := make([]Release, 0, len(histories))
	for _, history := range histories {
		switch at := determine(history); {
		case at.inForce != nil:
			all = append(all, typed(at.inForce))
		case at.state != stateUninstalled:
			all = append(all, typed(at.last))
		}
	}
	slices.SortFunc(all, func(a, b Release) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// Revisions returns all kept revisions of the endpoints of all namespaces, in no
// order. Helm leaves out what it cannot read; here that is an error, since what
// such a revision has would be taken for unused.
func (c *Client) Revisions(ctx context.Context) ([]Release, error) {
	var broken error
	store, err := c.driver(ctx, "", "", func(_ string, args ...any) { broken = unreadable(args) })
	if err != nil {
		return nil, c.explain(err)
	}
	stored, err := store.List(isEndpoint)
	switch {
	case err != nil && isMissingPermission(err):
		return nil, &explained{fmt.Sprintf("missing permission for all namespaces: %s: have somebody do it who may list "+
			"secrets in all of them", oneLine(statusMessage(err))), ErrForbidden, err}
	case err != nil:
		return nil, c.explain(err)
	case broken != nil:
		return nil, broken
	}
	all := make([]Release, 0, len(stored))
	for _, r := range stored {
		all = append(all, typed(r))
	}
	return all, nil
}

// unreadable is what Helm's driver logs of a record that it leaves out of a list:
// the Secret, which is not to be shown, and why.
func unreadable(logged []any) error {
	at, why := "a secret of Helm's", "it is broken"
	for _, arg := range logged {
		switch v := arg.(type) {
		case corev1.Secret:
			at = "secret " + v.Namespace + "/" + v.Name
		case error:
			why = oneLine(v.Error())
		}
	}
	return fmt.Errorf("%s cannot be read as a revision of Helm's: %s: delete it if nothing needs it", at, why)
}

// standing are the revisions of an endpoint that tell what is in force and what came
// after it. Most of what is kept is superseded, and is read only if none is marked as
// deployed: then it is one of those.
func (c *Client) standing(ctx context.Context, name string) ([]*helmrelease.Release, error) {
	history, err := c.stored(ctx, name, "status!=superseded")
	if err != nil || slices.ContainsFunc(history, isDeployed) {
		return history, err
	}
	return c.history(ctx, name)
}

func isDeployed(r *helmrelease.Release) bool { return r.Info.Status == helmrelease.StatusDeployed }

func (c *Client) history(ctx context.Context, name string) ([]*helmrelease.Release, error) {
	return c.stored(ctx, name, "")
}

// stored reads the revisions of an endpoint that the selector selects; "": all.
func (c *Client) stored(ctx context.Context, name, selector string) ([]*helmrelease.Release, error) {
	log := &lines{}
	store, err := c.driver(ctx, c.opts.Namespace, selector, log.add)
	if err != nil {
		return nil, c.explain(err)
	}
	history, err := storage.Init(store).History(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	return history, c.explain(err)
}

func (c *Client) notFound(name string) error {
	return &explained{is: ErrNotFound, text: fmt.Sprintf("endpoint %q not found in namespace %q", name, c.opts.Namespace)}
}

// foreign refuses to touch or show a release that is not an endpoint.
func (c *Client) foreign(name string, at situation) error {
	if at.last == nil || isEndpoint(at.last) {
		return nil
	}
	chart := "unknown"
	if at.last.Chart != nil {
		chart = at.last.Chart.Name()
	}
	return &explained{is: ErrForeign, text: fmt.Sprintf(
		"%q in namespace %q is a Helm release of chart %q, not an endpoint: choose another name",
		name, c.opts.Namespace, chart)}
}

func isEndpoint(r *helmrelease.Release) bool {
	return r.Chart != nil && r.Chart.Metadata != nil && r.Chart.Name() == chartName
}

// typed is a revision in our words. It shares nothing with r.
func typed(r *helmrelease.Release) Release {
	values, err := normal(r.Config)
	if err != nil { // it was read from JSON, or is about to be written as such
		values = map[string]any{}
	}
	version := ""
	if r.Chart != nil && r.Chart.Metadata != nil {
		version = r.Chart.Metadata.Version
	}
	return Release{
		Name: r.Name, Namespace: r.Namespace, Revision: r.Version,
		Status: r.Info.Status.String(), Description: r.Info.Description, Updated: r.Info.LastDeployed.Time,
		Created: r.Info.FirstDeployed.Time, By: by(r), InForce: wasInForce(r),
		Values: values, ChartVersion: version, Manifest: r.Manifest,
	}
}

// normal returns values as they are after being stored: what JSON makes of them.
func normal(values map[string]any) (map[string]any, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("values cannot be stored as JSON: %w", err)
	}
	copied := map[string]any{}
	if err := json.Unmarshal(raw, &copied); err != nil {
		return nil, err
	}
	if copied == nil { // null
		copied = map[string]any{}
	}
	return copied, nil
}
