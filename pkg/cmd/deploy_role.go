// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"fmt"
	"reflect"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// run deploys in one revision, or in two if the version is to become the default
// and is not ready: until it is, the default's share stays where it is answered.
// The second is made also for who does not wait. When it does not come to it,
// the error says what does the rest.
func (w *deployment) run(ctx context.Context) (release.Result, error) {
	change := func(current *release.Release) (map[string]any, error) { return w.change(ctx, current) }
	first := w.revision
	first.flags.wait = true
	result, err := first.make(ctx, change, release.ApplyOptions{
		Description: cmp.Or(w.plan.description, "deploy "+w.plan.versionName), Gone: w.takeKeysBack,
		Ready: func(ctx context.Context) error {
			if !w.roleWaits && !w.flags.wait {
				return nil
			}
			return w.ready(ctx)
		},
		Step: func() bool { return w.roleWaits },
	})
	if err != nil || !w.roleWaits {
		return result, err
	}
	return w.takeOver(ctx, result)
}

// hasToWait tells whether the version would take the default's role over before
// its pods are ready.
func (w *deployment) hasToWait(ctx context.Context, now, next endpoint.Endpoint) bool {
	name := w.plan.versionName
	if w.dryRun != release.DryRunNone || now.Default == next.Default {
		return false
	}
	waits := now.Has(name) != nil || !samePods(now.Versions[name], next.Versions[name]) ||
		w.checkReady(ctx, name, reachLook) != nil
	if waits {
		w.tell("version %s becomes the default as soon as it is ready", name)
	}
	return waits
}

// samePods tells whether the pods of a version stay when it becomes another.
func samePods(a, b endpoint.Version) bool {
	a.About, a.Models, a.Traffic, a.Mirror, a.Scaling = b.About, b.Models, b.Traffic, b.Mirror, b.Scaling
	return reflect.DeepEqual(a, b)
}

// withoutRole is the plan of a version that takes nothing over from others yet.
func (p *plan) withoutRole() *plan {
	held := *p
	held.placement.Default = false
	if p.alone {
		// Beside the others there may be no room for its percentile.
		held.alone, held.placement.Traffic = false, nil
	}
	return &held
}

// takeOver makes the version the default, in a revision of its own.
func (w *deployment) takeOver(ctx context.Context, first release.Result) (release.Result, error) {
	name := w.plan.versionName
	err := w.awaitReady(ctx, name)
	if err != nil {
		return first, w.halfway(err)
	}
	result, err := w.make(ctx, func(current *release.Release) (map[string]any, error) {
		if current == nil {
			return nil, errGone(w.name)
		}
		d, err := read(*current)
		if err != nil {
			return nil, err
		}
		next, err := w.plan.takingOver(d.Endpoint)
		if err != nil {
			return nil, err
		}
		if err := w.checkReady(ctx, name, reachLook); err != nil {
			return nil, err
		}
		return d.with(next).Map()
	}, release.ApplyOptions{Description: fmt.Sprintf("make %s the default", name), Ready: w.inForce})
	if err != nil {
		return result, w.halfway(err)
	}
	result.Previous, result.Action = first.Previous, release.Upgraded
	return result, nil
}

// takingOver is e with the version in the role that withoutRole kept from it.
func (p *plan) takingOver(e endpoint.Endpoint) (endpoint.Endpoint, error) {
	if err := e.Has(p.versionName); err != nil {
		return e, err
	}
	version := e.Versions[p.versionName]
	if p.alone {
		e = alone(e, p.versionName)
	}
	return e.Put(p.versionName, version, endpoint.Placement{Traffic: p.placement.Traffic, Default: true})
}

func (w *deployment) halfway(err error) error {
	rest := fmt.Sprintf("kubectl aml traffic set %s --default %s", w.name, w.plan.versionName)
	if w.plan.alone {
		rest = "the same command"
	}
	return fmt.Errorf("version %s is deployed and not the default yet, %s does the rest: %w",
		w.plan.versionName, rest, err)
}
