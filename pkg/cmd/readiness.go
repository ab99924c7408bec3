// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// reachLook bounds how long the routers may take to say that they reach a
// version which was ready before.
const reachLook = 5 * time.Second

// awaitDefault returns when the version next can take the default's role over
// from now, if it is another. Without waiting, checkDefault is left to refuse.
func (w revision) awaitDefault(ctx context.Context, now, next string) error {
	if now == next || !w.flags.wait || w.dryRun != release.DryRunNone {
		return nil
	}
	return notDefault(next, w.awaitReady(ctx, next))
}

// checkDefault looks once whether the version next can take the default's role
// over from now, if it is another. What a version without a ready pod is sent
// goes to the default, so a default without one loses requests.
func (w revision) checkDefault(ctx context.Context, now, next string) error {
	if now == next || w.dryRun == release.DryRunClient {
		return nil
	}
	return notDefault(next, w.checkReady(ctx, next, reachLook))
}

func notDefault(version string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("version %s does not become the default, nothing is changed: %w", version, err)
}

// awaitReady returns nil when all replicas that the version should have are
// ready and every router reaches it. The error says what it lacks.
func (w revision) awaitReady(ctx context.Context, version string) error {
	err := status.Wait(ctx, status.WaitOptions{
		Client: w.session.Kube, Clock: w.Clock, Namespace: w.session.Namespace, Endpoint: w.name,
		Versions: []string{version}, SchedulingGrace: grace, Timeout: w.flags.timeout,
		Report: func(line string) { w.tell("%s", line) },
	})
	if err != nil {
		return err
	}
	return w.checkReady(ctx, version, rollout.DefaultConfirmTimeout)
}

// checkReady is awaitReady for a version that has to be ready already.
func (w revision) checkReady(ctx context.Context, version string, reach time.Duration) error {
	at, err := w.look(ctx, version)
	switch {
	case err != nil:
		return err
	case at.Verdict.State != status.Ready || at.Desired == 0:
		return fmt.Errorf("%s: %s", status.VersionObject(version), at.Verdict.Message)
	}
	return w.reach(ctx, version, reach)
}

// look is the version as the cluster has it.
func (w revision) look(ctx context.Context, version string) (status.Workload, error) {
	snapshot, err := status.Collect(ctx, w.session.Kube, w.session.Namespace, w.name)
	if err != nil {
		return status.Workload{}, err
	}
	return snapshot.Version(version, w.Clock.Now(), status.Options{}), nil
}

func (w revision) reach(ctx context.Context, version string, timeout time.Duration) error {
	return rollout.Reach(ctx, rollout.ReachOptions{
		Backends: rollout.NewBackends(w.session.Kube, w.session.Namespace, w.name), Version: version,
		Timeout: timeout, Clock: w.Clock,
	})
}

// served returns when the router and the versions are ready, the routers run
// what the cluster holds, and send to the newest replicas of all the versions
// that have any; or when the versions are ready and the gateway has taken the
// route up.
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
	if err := w.confirmed(ctx, byGateway); err != nil || byGateway {
		return err
	}
	return w.taken(ctx, versions)
}

// taken returns when every router reaches those of the versions that have
// replicas, and sends what is new to those of their newest revisions only.
func (w revision) taken(ctx context.Context, versions []string) error {
	snapshot, err := status.Collect(ctx, w.session.Kube, w.session.Namespace, w.name)
	if err != nil {
		return err
	}
	var serving []string
	for _, version := range versions {
		if snapshot.Version(version, w.Clock.Now(), status.Options{}).Desired > 0 {
			serving = append(serving, version)
		}
	}
	for _, version := range serving {
		if err := w.reach(ctx, version, rollout.DefaultConfirmTimeout); err != nil {
			return err
		}
	}
	if len(serving) > 0 {
		w.forget(ctx, serving)
	}
	return nil
}

// forget returns when no router sends requests to replicas of the versions that
// are not of their newest revisions. The versions serve as they are, so what keeps
// routers from that is told and fails nothing. It comes last, once for all: it may
// use up what is left of the time.
func (w revision) forget(ctx context.Context, versions []string) {
	err := rollout.Forget(ctx, rollout.ForgetOptions{
		Senders: rollout.NewSenders(w.session.Kube, w.session.Namespace, w.name), Versions: versions, Clock: w.Clock,
		Current: func(ctx context.Context) (map[string][]netip.Addr, error) {
			return status.Addresses(ctx, w.session.Kube, w.session.Namespace, w.name, versions)
		},
		Report: func(line string) { w.tell("%s", line) },
	})
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		w.tell("note: %v", err)
	}
}
