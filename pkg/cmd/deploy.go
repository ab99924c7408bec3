// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// deployFlags are the flags of deploy.
type deployFlags struct {
	rolloutFlags
	sourceFlags
	placeFlags
	aboutFlags
	versionName              string
	traffic                  float64
	trafficGiven             bool
	makeDefault, makeControl bool
	accelerator              string
	replicas                 int
	replicasGiven            bool
}

func newDeploy(o *options) *cobra.Command {
	d := &deployFlags{}
	c := &cobra.Command{
		Use:   "deploy ENDPOINT",
		Short: "Deploy a model as a version of an endpoint",
		Long: "Deploy a model as a version of an endpoint, from the files that Azure ML v1 used. The endpoint is made\n" +
			"if it is not there; a version that is there is replaced, pod by pod. The command returns when the\n" +
			"version serves. If it does not get ready, the reason is shown and everything is as it was.",
		Example: "  # The first version of an endpoint gets all requests\n" +
			"  kubectl aml deploy diabetes --version-name blue -m model.pkl \\\n" +
			"    --inference-config inferenceconfig.json --deploy-config deploymentconfig.json\n\n" +
			"  # A second version, with 20 % of the requests\n" +
			"  kubectl aml deploy diabetes --version-name green -m better/model.pkl --traffic 20 \\\n" +
			"    --inference-config inferenceconfig.json --deploy-config deploymentconfig.json",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			d.roleGiven(c)
			return o.deploy(c.Context(), args[0], d)
		},
	}
	d.rolloutFlags.add(c)
	d.addVersion(c, o)
	d.addGrace(c)
	return c
}

// addVersion gives c the flags that say what is deployed.
func (d *deployFlags) addVersion(c *cobra.Command, o *options) {
	d.sourceFlags.add(c, o)
	o.completeModelFlag(c, &d.registryFlags)
	d.placeFlags.add(c, o.Getenv, clusterIP)
	d.aboutFlags.add(c)
	c.Flags().StringVar(&d.versionName, "version-name", "",
		"Name of the version (default: the only one there is, or main)")
	o.completeVersionFlag(c)
	d.addRole(c)
}

// addRole gives c the flags that say which part a version plays and on what.
func (d *deployFlags) addRole(c *cobra.Command) {
	f := c.Flags()
	f.Float64Var(&d.traffic, "traffic", 0, "Percent of the requests for this version; kept if not given")
	f.BoolVar(&d.makeDefault, "default", false, "Make this the version that gets what no other claims, once it is ready")
	f.BoolVar(&d.makeControl, "control", false, "Mark this as the version that the others are treatments of")
	f.StringVar(&d.accelerator, "accelerator", "", "Devices for each replica: TYPE[:COUNT], of nvidia, amd, intel, fpga")
	f.IntVar(&d.replicas, "replicas", 0, "Fixed number of replicas; goes before the deployment config")
}

// roleGiven notes which of the numbers of addRole were given.
func (d *deployFlags) roleGiven(c *cobra.Command) {
	d.trafficGiven, d.replicasGiven = c.Flags().Changed("traffic"), c.Flags().Changed("replicas")
}

func (o *options) deploy(ctx context.Context, name string, f *deployFlags) error {
	dryRun, format, err := f.parse()
	if err != nil {
		return err
	}
	work, err := o.prepare(ctx, name, f, dryRun)
	if err != nil {
		return err
	}
	result, err := work.run(ctx)
	if err != nil {
		return o.failed(err)
	}
	return o.report(result, work.done(result), dryRun, format)
}

// prepare reads and checks everything before it touches anything: the files,
// then the cluster, then the registry.
func (o *options) prepare(
	ctx context.Context, name string, f *deployFlags, dryRun release.DryRun,
) (*deployment, error) {
	p, err := o.plan(ctx, name, f)
	if err != nil {
		return nil, err
	}
	if err := o.computeTarget(p.computeTarget); err != nil {
		return nil, err
	}
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	begun, err := o.revision(ctx, s, name, f.rolloutFlags, dryRun)
	if err != nil {
		return nil, err
	}
	if p.versionName, err = s.target(ctx, name, p.versionName); err != nil {
		return nil, err
	}
	if err := o.admitGateway(ctx, s, p, f); err != nil {
		return nil, err
	}
	work := &deployment{revision: begun, placeFlags: f.placeFlags, plan: p}
	return work, o.build(ctx, p, f, dryRun)
}

// target is the version to deploy: the one named, else the only one there is.
func (s *Session) target(ctx context.Context, name, versionName string) (string, error) {
	d, err := s.endpoint(ctx, name)
	switch {
	case errors.Is(err, release.ErrNotFound) && versionName == "":
		return "main", nil
	case errors.Is(err, release.ErrNotFound):
		return versionName, nil
	case err != nil:
		return "", err
	case versionName != "":
		return versionName, nil
	case len(d.Versions) == 1:
		return d.VersionNames()[0], nil
	}
	return "", usageError{fmt.Errorf("endpoint %q has versions %v: name one with --version-name, or a new one",
		name, d.VersionNames())}
}

// deployment is one deploy at work.
type deployment struct {
	revision
	placeFlags
	plan *plan
	// madeKeys says that the Secret with the keys is ours to take back.
	madeKeys bool
	// roleWaits says that the version becomes the default in a second revision.
	roleWaits bool
}

// takeKeysBack deletes keys that were made for a version that never came.
func (w *deployment) takeKeysBack(ctx context.Context) error {
	if !w.madeKeys {
		return nil
	}
	return auth.Delete(ctx, w.session.Kube, w.session.Namespace, w.name)
}

// change puts the version into what is in force.
func (w *deployment) change(ctx context.Context, current *release.Release) (map[string]any, error) {
	base, err := w.base(current)
	if err != nil {
		return nil, err
	}
	if err := w.plan.admits(base.Endpoint, current != nil); err != nil {
		return nil, err
	}
	base.Purpose = w.purposeOf(base.Purpose, current == nil)
	fresh, err := chart.FreshVersion()
	if err != nil {
		return nil, err
	}
	next, err := w.plan.apply(base.Endpoint, fresh)
	if err != nil {
		return nil, err
	}
	if w.roleWaits = current != nil && w.hasToWait(ctx, base.Endpoint, next); w.roleWaits {
		if next, err = w.plan.withoutRole().apply(base.Endpoint, fresh); err != nil {
			return nil, err
		}
	}
	if next.Auth, err = w.keys(ctx, base.Auth, next.Auth.Mode, current == nil); err != nil {
		return nil, err
	}
	values := w.set(base.values.With(next, fresh))
	byGateway := values.Routing.Mode == chart.GatewayMode
	if current == nil && !byGateway && w.serviceType == "" && w.plan.serviceType != "" {
		values.Router.Service.Type = w.plan.serviceType
	}
	if values, err = w.onCompute(ctx, base.values, values, current == nil); err != nil {
		return nil, err
	}
	return values.Map()
}

// base is the endpoint to start from: the one in force or an empty one.
func (w *deployment) base(current *release.Release) (deployed, error) {
	if current != nil {
		return read(*current)
	}
	values, err := chart.ParseValues(nil)
	if err != nil {
		return deployed{}, err
	}
	return deployed{Endpoint: values.Endpoint(w.name), values: values}, nil
}

// keys sees to the Secret with the endpoint's keys before there is a revision
// that mounts it, and mends it if somebody took it away.
func (w *deployment) keys(
	ctx context.Context, now endpoint.Auth, mode endpoint.AuthMode, isNew bool,
) (endpoint.Auth, error) {
	own := auth.SecretName(w.name)
	switch {
	case mode == endpoint.AuthNone:
		return endpoint.Auth{Mode: mode}, nil
	case !isNew && now.Mode == endpoint.AuthKey && now.ExistingSecret != own:
		return now, nil // somebody else's, or made by the chart
	case w.dryRun != release.DryRunNone:
		return endpoint.Auth{Mode: mode, ExistingSecret: own}, nil
	}
	made, err := w.ensureKeys(ctx, w.plan.keys)
	if err != nil {
		return endpoint.Auth{}, err
	}
	if made.KeysDiffer {
		w.tell("warning: the endpoint keeps the keys it has, those given are others: " +
			"change them with kubectl aml service regen-key")
	}
	w.madeKeys = made.Created
	return endpoint.Auth{Mode: mode, ExistingSecret: made.Name}, nil
}

// ready returns when the version serves and every router, or the gateway, knows
// of it.
func (w *deployment) ready(ctx context.Context) error {
	return w.served(ctx, w.schedulingGrace, w.plan.versionName)
}

// failed shows the last lines of the container that failed, above the error.
func (o *options) failed(err error) error {
	var f *status.FailedError
	if errors.As(err, &f) && len(f.Logs) > 0 {
		o.tell("last lines of container %s in pod %s:", f.Container, f.Pod)
		for _, line := range f.Logs {
			o.tell("  %s", line)
		}
	}
	return err
}

func (w *deployment) done(r release.Result) string {
	if r.Action == release.Installed {
		return "created"
	}
	return "configured"
}
