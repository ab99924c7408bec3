// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// served returns when the routers are ready and run what the cluster holds, or
// the gateway has taken it up, and when these versions serve and every router
// knows of them.
func (w revision) served(ctx context.Context, schedulingGrace time.Duration, versions ...string) error {
	byGateway, err := w.byGateway(ctx)
	if err != nil {
		return err
	}
	err = status.Wait(ctx, status.WaitOptions{
		Client: w.session.Kube, Clock: w.Clock, Namespace: w.session.Namespace, Endpoint: w.name,
		Router: !byGateway, Versions: versions, SchedulingGrace: schedulingGrace,
		Report: func(line string) { w.tell("%s", line) },
	})
	if err != nil {
		return err
	}
	if err := w.inForce(ctx); err != nil || byGateway {
		return err
	}
	for _, version := range versions {
		if err := rollout.Reach(ctx, rollout.ReachOptions{
			Backends: rollout.NewBackends(w.session.Kube, w.session.Namespace, w.name), Version: version, Clock: w.Clock,
		}); err != nil {
			return err
		}
	}
	return nil
}
