// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// versionFlags are the flags of the commands that make or change a version.
type versionFlags struct {
	updateFlags
	version versionFlag
	// isDefault and isControl are only acted upon when true: false demotes
	// nothing, as in Azure ML.
	isDefault, isControl bool
}

func (v *versionFlags) add(c *cobra.Command, o *options) {
	v.noun = endpoints()
	v.computeType, v.ofVersion = amlv1.AKSEndpoint, true
	v.writeFlags.add(c, o, v.noun.noun)
	v.version.add(c)
	v.addSources(c, o)
	o.completeModelFlag(c, &v.registryFlags)
	v.describe(c)
	v.change(c, false)
	short(c, "description", "d")
	v.fields.add(c, ofVersion)
	f := c.Flags()
	f.BoolVar(&v.isDefault, "is-default", false, "Make this the version that gets what no other claims")
	f.BoolVar(&v.isControl, "is-control-version-type", false, "Mark this as the version that the others are treatments of")
	short(c, "is-control-version-type", "cvt")
	takesTruth(f.Lookup("is-default"))
	takesTruth(f.Lookup("is-control-version-type"))
}

// ofVersion picks the fields that a version has of its own.
func ofVersion(f amlv1.Field) bool {
	switch f.Path {
	case "entryScript", "sourceDirectory", "trafficPercentile", "numReplicas", "gpuCores", "dataCollection.storageEnabled",
		"scoringTimeoutMs", "maxConcurrentRequestsPerContainer", "maxQueueWaitMs":
		return true
	}
	block, _, _ := strings.Cut(f.Path, ".")
	return block == "autoScaler" || block == "containerResourceRequirements" || block == "livenessProbeRequirements"
}

func (v *versionFlags) place() {
	v.makeDefault, v.makeControl = v.isDefault, v.isControl
}

func newCreateVersion(o *options) *cobra.Command {
	v := &versionFlags{}
	c := &cobra.Command{
		Use:   "create-version",
		Short: "Add a version to an endpoint, as Azure ML v1 does",
		Long: "Add a version to an endpoint that is there. A name that is taken is refused: update-version changes a\n" +
			"version. Authentication is the endpoint's.",
		Example: "  kubectl aml endpoint realtime create-version -n diabetes --vn green -m diabetes:2 \\\n" +
			"    -ic inferenceconfig.json --tp 20",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.createVersion(c, v) },
	}
	v.add(c, o)
	return c
}

func (o *options) createVersion(c *cobra.Command, v *versionFlags) error {
	if err := v.version.check(); err != nil {
		return err
	}
	a, err := v.begin(o, v.noun.noun)
	if err != nil {
		return err
	}
	v.place()
	v.versionName, v.schedulingGrace = v.version.name, grace
	p, err := a.plan(c.Context(), v.name, &v.deployFlags)
	if err != nil {
		return err
	}
	p.description, p.auth = "create version "+v.version.name, nil
	p.admit = func(e endpoint.Endpoint, exists bool) error {
		if !exists {
			return errGone(v.name)
		}
		return refuseTaken(e, v.version.name)
	}
	s, err := a.connect()
	if err != nil {
		return err
	}
	begun, err := a.revision(c.Context(), s, v.name, v.rollout(), release.DryRunNone)
	if err != nil {
		return err
	}
	now, err := s.endpoint(c.Context(), v.name)
	if err != nil {
		return err
	}
	err = errors.Join(p.admits(now.Endpoint, true), a.admitGateway(c.Context(), s, p, &v.deployFlags))
	if err != nil {
		return err
	}
	if err := a.build(c.Context(), p, &v.deployFlags, release.DryRunNone); err != nil {
		return err
	}
	work := &deployment{revision: begun, placeFlags: v.placeFlags, plan: p}
	return a.carryOut(c.Context(), work, work.run, outcome{"AKSENDPOINT version creation", v.noun, v.full})
}

func newUpdateVersion(o *options) *cobra.Command {
	v := &versionFlags{}
	v.fields.kept = true
	c := &cobra.Command{
		Use:   "update-version",
		Short: "Change what is given of a version, as Azure ML v1 does",
		Long: "Change what is given of a version and nothing else. New code or models make a new image. false for\n" +
			"--is-default or --is-control-version-type demotes nothing: promote another version.",
		Example: "  kubectl aml endpoint realtime update-version -n diabetes --vn green --tp 40 --is-default",
		Args:    exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := v.version.check(); err != nil {
				return err
			}
			v.place()
			return o.update(c, &v.updateFlags, func(deployed) (string, error) { return v.version.name, nil })
		},
	}
	v.add(c, o)
	return c
}

// endpointUpdateFlags are the flags of endpoint realtime update.
type endpointUpdateFlags struct {
	writeFlags
	aboutFlags
	fields fieldFlags
}

func newEndpointUpdate(o *options) *cobra.Command {
	u := &endpointUpdateFlags{}
	c := &cobra.Command{
		Use:   "update",
		Short: "Change the authentication, tags and properties of an endpoint, as Azure ML v1 does",
		Args:  exactArgs(0),
		RunE:  func(c *cobra.Command, _ []string) error { return o.updateEndpoint(c, u) },
	}
	u.writeFlags.add(c, o, "endpoint")
	u.describe(c)
	u.change(c, true)
	short(c, "description", "d")
	u.fields.kept = true
	u.fields.add(c, func(f amlv1.Field) bool {
		return f.Path == "authEnabled" || f.Path == "tokenAuthEnabled" || f.Path == "appInsightsEnabled"
	})
	return c
}

func (o *options) updateEndpoint(c *cobra.Command, u *endpointUpdateFlags) error {
	a, err := u.begin(o, "endpoint")
	if err != nil {
		return err
	}
	if !changes(c) {
		return errNothing
	}
	about, err := u.read()
	if err != nil {
		return err
	}
	delta, findings := amlv1.NewDeploymentConfig(amlv1.AKSEndpoint)
	findings = append(findings, set(&delta, u.fields.deployment)...)
	if err := findings.Err(); err != nil {
		return err
	}
	s, err := a.connect()
	if err != nil {
		return err
	}
	begun, err := a.revision(c.Context(), s, u.name, u.rollout(), release.DryRunNone)
	if err != nil {
		return err
	}
	if _, err := s.endpoint(c.Context(), u.name); err != nil {
		return err
	}
	work := &deployment{revision: begun, plan: &plan{}}
	var changed []string
	change := func(current *release.Release) (values map[string]any, err error) {
		if current == nil {
			return nil, errGone(u.name)
		}
		values, changed, err = work.changeEndpoint(c.Context(), *current, about, delta)
		return values, err
	}
	return a.carryOut(c.Context(), work, func(ctx context.Context) (release.Result, error) {
		return work.make(ctx, change, release.ApplyOptions{Description: "update endpoint",
			Ready: func(ctx context.Context) error { return work.served(ctx, grace, changed...) }})
	}, outcome{"AKSENDPOINT update", endpoints(), u.full})
}

// changeEndpoint changes what all versions share. It returns also the versions
// that get new pods by it.
func (w *deployment) changeEndpoint(
	ctx context.Context, current release.Release, about endpoint.AboutChange, delta amlv1.DeploymentConfig,
) (values map[string]any, changed []string, err error) {
	d, err := read(current)
	if err != nil {
		return nil, nil, err
	}
	next, told := d.Clone(), amlv1.Findings(nil)
	if next.About, err = d.Change(about); err != nil {
		return nil, nil, err
	}
	for name, version := range d.Versions {
		updated, mode, findings, err := version.Update(d.Auth, delta)
		if err := errors.Join(err, findings.Err()); err != nil {
			return nil, nil, err
		}
		next.Versions[name], next.Auth, told = updated, mode, fresh(told, findings)
		if !samePods(version, updated) {
			changed = append(changed, name)
		}
	}
	w.warn(told)
	if next.Auth, err = w.keys(ctx, d.Auth, next.Auth.Mode, false); err != nil {
		return nil, nil, err
	}
	values, err = d.with(next).Map()
	return values, changed, err
}

// refuseTaken says that a version is there already.
func refuseTaken(e endpoint.Endpoint, version string) error {
	if e.Has(version) != nil {
		return nil
	}
	return fmt.Errorf("endpoint %q has a version %q already: change it with kubectl aml endpoint realtime "+
		"update-version, or take another name", e.Name, version)
}
