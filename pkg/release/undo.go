// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	helmaction "helm.sh/helm/v3/pkg/action"
	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// Undo makes a new revision that is an earlier one again, with its chart, its
// values and its objects byte for byte, under the endpoint's Lease. toRevision
// names it; 0 is the last one that was in force before and is not the same as
// what is in force now. Failures, and what is cleared up first, are as of Apply.
//
// It refuses a revision that does not exist or never was in force, and to go
// back when there is nothing to go back to. Going to what is in force already is
// Unchanged. Errors are those of Apply; ErrNotFound if nothing is in force.
func (c *Client) Undo(ctx context.Context, name string, toRevision int, o ApplyOptions) (Result, error) {
	return c.make(ctx, name, func(at situation) (wanted, error) {
		if at.inForce == nil {
			return wanted{}, c.noneInForce(name, at)
		}
		earlier, err := at.earlier(name, toRevision)
		if err != nil {
			return wanted{}, err
		}
		if err := c.refuse(name, situation{last: earlier}); err != nil {
			return wanted{}, fmt.Errorf("revision %d: %w", earlier.Version, err)
		}
		values, err := normal(earlier.Config)
		return wanted{
			values: values, earlier: earlier,
			description: cmp.Or(o.Description, fmt.Sprintf("undo to revision %d", earlier.Version)),
		}, err
	}, o)
}

// earlier finds the revision to go back to: number, or for 0 the newest that was
// in force before the one in force, is not the same and was not only a step.
func (at situation) earlier(name string, number int) (*helmrelease.Release, error) {
	var good []string
	var before *helmrelease.Release
	for _, r := range at.all {
		switch {
		case r.Version == number && !wasInForce(r):
			return nil, fmt.Errorf("revision %d of endpoint %q never was in force (%s): choose one of those that "+
				"were, see kubectl aml history %s", number, name, r.Info.Status, name)
		case r.Version == number:
			return r, nil
		case !wasInForce(r):
			continue
		case r.Version < at.inForce.Version && !isStep(r) && !same(r, at.inForce):
			before = r
		}
		good = append(good, strconv.Itoa(r.Version))
	}
	switch {
	case number != 0:
		return nil, fmt.Errorf("endpoint %q has no revision %d: those that were in force are %s; "+
			"the last %d revisions are kept", name, number, strings.Join(good, ", "), maxHistory)
	case before == nil:
		return nil, fmt.Errorf("endpoint %q has nothing to go back to: no kept revision before %d, which is in force, "+
			"was in force and is another", name, at.inForce.Version)
	}
	return before, nil
}

// same tells whether two revisions hold the same.
func same(a, b *helmrelease.Release) bool {
	return a.Manifest == b.Manifest && reflect.DeepEqual(typed(a).Values, typed(b).Values) &&
		digest(a.Chart) == digest(b.Chart)
}

// goBack has Helm make the revision w.earlier again. Its rollback takes what is
// stored: nothing is rendered.
func (s *session) goBack(config *helmaction.Configuration, g *gate, at situation, w wanted,
	o ApplyOptions) (*helmrelease.Release, error) {
	var err error
	if g.adopted, err = s.existing(g, at, w.earlier.Manifest); err != nil {
		return nil, err
	}
	g.description, g.installing = w.description, true
	rollback := helmaction.NewRollback(config)
	rollback.Version = w.earlier.Version
	rollback.MaxHistory = maxHistory
	rollback.Wait, rollback.Timeout = true, cmp.Or(o.Timeout, hookTimeout)
	if err := rollback.Run(s.name); err != nil {
		return nil, err
	}
	return config.Releases.Last(s.name)
}

// existing returns the objects of a manifest that are in the cluster, are the
// endpoint's by what is written on them, and are of none of the revisions since
// the one in force. It refuses objects of others. An upgrade of Helm does the
// same, a rollback does not.
func (s *session) existing(g *gate, at situation, manifest string) (helmkube.ResourceList, error) {
	objects, err := g.Build(strings.NewReader(manifest), false)
	if err != nil {
		return nil, err
	}
	var known, found helmkube.ResourceList
	for _, text := range manifests(at.since) {
		list, err := g.Build(strings.NewReader(text), false)
		if err != nil {
			return nil, err
		}
		known = append(known, list...)
	}
	for _, object := range objects.Difference(known) {
		there, err := live(g.ctx, object)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !s.owns(there) {
			return nil, fmt.Errorf("%s %q in namespace %q exists and is not part of this endpoint: delete it first",
				object.Mapping.GroupVersionKind.Kind, object.Name, object.Namespace)
		}
		found.Append(object)
	}
	return found, nil
}

// owns tells whether Helm made an object for the endpoint.
func (s *session) owns(object runtime.Object) bool {
	read, err := meta.Accessor(object)
	return err == nil && read.GetAnnotations()["meta.helm.sh/release-name"] == s.name &&
		read.GetAnnotations()["meta.helm.sh/release-namespace"] == s.opts.Namespace
}
