// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// waitTime is how long a command waits for what it did to be in force.
const waitTime = 20 * time.Minute

// rolloutFlags are the flags of every command that makes a revision.
type rolloutFlags struct {
	dryRun     string
	wait       bool
	timeout    time.Duration
	noRollback bool
	output     string
}

func (r *rolloutFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.dryRun, "dry-run", "none", `Must be "none", "client" (tell what would be done), or "server" `+
		"(ask the cluster whether it would take it)")
	f.BoolVar(&r.wait, "wait", true, "Wait until the change is ready and in force on every router")
	f.DurationVar(&r.timeout, "timeout", waitTime, "How long to wait at most")
	f.BoolVar(&r.noRollback, "no-rollback", false, "Keep a failed revision to look into it, instead of rolling back")
	f.StringVarP(&r.output, "output", "o", "", "Output format. One of: json, yaml, name")
}

// parse refuses flags that make no sense.
func (r *rolloutFlags) parse() (release.DryRun, printer.Format, error) {
	format, err := printer.ParseFormat(r.output, printer.JSON, printer.YAML, printer.Name)
	if err != nil {
		return "", "", usageError{err}
	}
	switch r.dryRun {
	case "none":
		return release.DryRunNone, format, nil
	case "client":
		return release.DryRunClient, format, nil
	case "server":
		return release.DryRunServer, format, nil
	}
	return "", "", usageError{fmt.Errorf("dry-run %q is not known: write none, client or server", r.dryRun)}
}

// edit is a change of an endpoint that is there.
type edit struct {
	// description goes into the history, done into the answer.
	description, done string
	// apply returns the new values. It is called more than once and changes
	// nothing of what it is given.
	apply func(deployed) (chart.Values, error)
	// allow refuses what is in force as a base; nil takes anything.
	allow func(context.Context, revision, deployed) error
	// ready returns when the change is; nil when every router runs it.
	ready func(context.Context, revision) error
	// deletes says that nothing but versions goes: that is done on a compute that
	// was detached, too.
	deletes bool
}

// values are those that e makes of d.
func (e edit) values(ctx context.Context, w revision, d deployed) (chart.Values, error) {
	if e.allow != nil {
		if err := e.allow(ctx, w, d); err != nil {
			return chart.Values{}, err
		}
	}
	return e.apply(d)
}

// change makes a revision of an existing endpoint and returns when every
// router runs it.
func (o *options) change(ctx context.Context, name string, r rolloutFlags, e edit) error {
	dryRun, format, err := r.parse()
	if err != nil {
		return err
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	w := revision{options: o, session: s, flags: r, name: name, dryRun: dryRun}
	if !e.deletes {
		if w, err = o.revision(ctx, s, name, r, dryRun); err != nil {
			return err
		}
	}
	result, err := w.revise(ctx, e)
	if err != nil {
		return o.failed(err)
	}
	return o.report(result, e.done, dryRun, format)
}

// revision is one new revision of an endpoint in the making.
type revision struct {
	*options
	session *Session
	flags   rolloutFlags
	name    string
	dryRun  release.DryRun
	// compute is the record of the compute that the endpoint is on; nil if the
	// context is of none.
	compute *compute.Record
}

// revision begins a change of an endpoint. Every command that makes one comes by
// here, before it touches anything: an error says that the compute which its
// context means is not what it was.
func (o *options) revision(
	ctx context.Context, s *Session, name string, flags rolloutFlags, dryRun release.DryRun,
) (revision, error) {
	record, err := o.attached(ctx, s)
	return revision{options: o, session: s, flags: flags, name: name, dryRun: dryRun, compute: record}, err
}

// revise makes a revision of an endpoint that is there. A version that takes the
// default's role over has to be ready first.
func (w revision) revise(ctx context.Context, e edit) (release.Result, error) {
	now, err := w.session.endpoint(ctx, w.name)
	if err != nil {
		return release.Result{}, err
	}
	proposed, err := e.values(ctx, w, now)
	if err != nil {
		return release.Result{}, err
	}
	if err := w.awaitDefault(ctx, now.Default, proposed.DefaultVersion); err != nil {
		return release.Result{}, err
	}
	opts := release.ApplyOptions{Description: e.description, Ready: w.inForce}
	if e.ready != nil {
		opts.Ready = func(ctx context.Context) error { return e.ready(ctx, w) }
	}
	return w.make(ctx, func(current *release.Release) (map[string]any, error) {
		if current == nil {
			return nil, errGone(w.name)
		}
		d, err := read(*current)
		if err != nil {
			return nil, err
		}
		values, err := e.values(ctx, w, d)
		if err != nil {
			return nil, err
		}
		if err := w.checkDefault(ctx, d.Default, values.DefaultVersion); err != nil {
			return nil, err
		}
		return values.Map()
	}, opts)
}

// make applies the change, waits with opts.Ready unless told not to, and sees to
// it that after a rollback the routers run the old configuration again.
func (w revision) make(
	ctx context.Context, change release.Change, opts release.ApplyOptions,
) (release.Result, error) {
	admitted := func(current *release.Release) (map[string]any, error) {
		values, err := change(current)
		if err != nil {
			return nil, err
		}
		return values, w.admitSplit(ctx, current, values)
	}
	result, err := w.session.Releases.Apply(ctx, w.name, admitted, w.given(opts))
	return w.settled(ctx, result, err)
}

// given puts what the flags say into opts.
func (w revision) given(opts release.ApplyOptions) release.ApplyOptions {
	opts.DryRun, opts.KeepFailed, opts.Timeout = w.dryRun, w.flags.noRollback, w.flags.timeout
	if !w.flags.wait {
		opts.Ready = nil
	}
	return opts
}

// settled sees to it that the routers run what is in force after a rollback.
func (w revision) settled(ctx context.Context, result release.Result, err error) (release.Result, error) {
	if err != nil && result.RolledBack && result.Previous != nil {
		// The caller may be gone already (Ctrl-C): what is undone must be undone
		// on the routers too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if confirmErr := w.inForce(ctx); confirmErr != nil {
			w.tell("warning: %v", confirmErr)
		}
	}
	if result.Recovered {
		w.tell("note: an earlier deployment of %s was cut off in the middle; its revision is marked as failed", w.name)
	}
	return result, err
}

// inForce returns when every router runs the configuration that the cluster
// holds, or the gateway the route.
func (w revision) inForce(ctx context.Context) error {
	byGateway, err := w.byGateway(ctx)
	if err != nil {
		return err
	}
	return w.confirmed(ctx, byGateway)
}

// confirmed is inForce for who knows what the endpoint is behind.
func (w revision) confirmed(ctx context.Context, byGateway bool) error {
	if byGateway {
		return rollout.ConfirmRoute(ctx, rollout.ConfirmRouteOptions{
			Client: w.session.Dynamic, Namespace: w.session.Namespace, Endpoint: w.name, Clock: w.Clock,
		})
	}
	cm, err := w.session.configMap(ctx, w.name)
	if err != nil {
		return err
	}
	return rollout.Confirm(ctx, rollout.ConfirmOptions{
		Routers: rollout.NewRouters(w.session.Kube, w.session.Namespace, w.name),
		Hash:    cm.Annotations[hashAnnotation], Clock: w.Clock,
		Report: func(line string) { w.tell("%s", line) },
	})
}

// hashAnnotation is where the chart writes the hash that the routers report.
const hashAnnotation = "kubectl-aml/config-hash"

// report answers what became of the endpoint.
func (o *options) report(r release.Result, done string, dryRun release.DryRun, format printer.Format) error {
	if r.Action == release.Unchanged {
		done = "unchanged"
	}
	switch dryRun {
	case release.DryRunClient:
		done += " (dry run)"
	case release.DryRunServer:
		done += " (server dry run)"
	case release.DryRunNone:
	}
	if format == printer.Table {
		o.answer("endpoint/%s %s", r.Release.Name, done)
		return nil
	}
	d, err := read(r.Release)
	if err != nil {
		return err
	}
	told := d.told(nil)
	l := printer.Listing{Object: told, Names: []string{"endpoint/" + told.Name}}
	return l.Print(o.Streams.Out, o.Streams.ErrOut, format)
}
