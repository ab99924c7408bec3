// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// modelDeployFlags are the flags of model deploy, beside those of deploy that
// it shares.
type modelDeployFlags struct {
	writeFlags
	deployFlags
	compute   string
	overwrite bool
	profile   string
}

func newModelDeploy(o *options) *cobra.Command {
	d := &modelDeployFlags{}
	c := &cobra.Command{
		Use:   "deploy",
		Short: "Deploy models as a service or an endpoint, as Azure ML v1 does",
		Long: "Deploy models as a service or an endpoint, with the flags and files of Azure ML v1. A service is an\n" +
			"endpoint with one version, which is called main; the first version of an endpoint has the endpoint's\n" +
			"name, unless --version-name gives another. A flag goes before the file it stands for.",
		Example: "  kubectl aml model deploy -n diabetes -m diabetes:1 -ic inferenceconfig.json " +
			"-dc deploymentconfig.json -ct aks",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.modelDeploy(c, d) },
	}
	d.add(c, o, "service or endpoint")
	d.addSources(c, o)
	o.completeModelFlag(c, &d.registryFlags)
	d.addTarget(c)
	d.addOldForm(c)
	d.placeFlags.add(c, o.Getenv, loadBalancer+", as in Azure ML")
	d.addGrace(c)
	d.aboutFlags.add(c)
	d.fields.add(c, func(amlv1.Field) bool { return true })
	f := c.Flags()
	f.StringVar(&d.compute, "compute-type", "", "AKS, AKSENDPOINT or ACI; goes before the deployment config's")
	f.BoolVar(&d.overwrite, "overwrite", false, "Replace the service or endpoint if it is there")
	f.StringVar(&d.profile, "profile-input", "", "File with the result of a profile run, which gives CPU and memory")
	short(c, "compute-type", "cp")
	short(c, "profile-input", "pi")
	return c
}

// addSources gives c the flags of Azure ML that say what a version is made of.
func (s *sourceFlags) addSources(c *cobra.Command, o *options) {
	s.configFlag = "--inference-config-file"
	s.addModels(c)
	s.addImage(c, o.Getenv)
	s.environment.add(c, o, &s.registryFlags)
	f := c.Flags()
	f.StringVar(&s.inferenceConfig, "inference-config-file", "", "inferenceconfig.json (or YAML)")
	f.StringVar(&s.deployConfig, "deploy-config-file", "", "deploymentconfig.json (or YAML)")
	short(c, "inference-config-file", "ic")
	short(c, "deploy-config-file", "dc")
}

// addTarget gives c the flag for the compute target, which goes before the file's
// key and, unlike that, holds for endpoints too.
func (s *sourceFlags) addTarget(c *cobra.Command) {
	c.Flags().StringVar(&s.computeTarget, "compute-target", "", "Compute, or context of the kubeconfig, to deploy to; "+
		"if there is none of the name, the current context")
	short(c, "compute-target", "ct")
}

// addOldForm gives c the flag of the old form that no field stands behind.
func (s *sourceFlags) addOldForm(c *cobra.Command) {
	c.Flags().StringVar(&s.baseImageRegistry, "base-image-registry", "", "Registry that the base image is in")
	short(c, "base-image-registry", "ir")
}

func (o *options) modelDeploy(c *cobra.Command, d *modelDeployFlags) error {
	a, err := d.begin(o, "service")
	if err != nil {
		return err
	}
	plan, err := a.servicePlan(c.Context(), d)
	if err != nil {
		return err
	}
	s, err := a.connect()
	if err != nil {
		return err
	}
	begun, err := a.revision(c.Context(), s, d.name, d.rollout(), release.DryRunNone)
	if err != nil {
		return err
	}
	isNew, err := a.admitService(c.Context(), s, plan)
	if err != nil {
		return err
	}
	if err := a.admitGateway(c.Context(), s, plan, &d.deployFlags); err != nil {
		return err
	}
	if isNew && d.serviceType == "" && (d.gateway == "" || d.gateway == noGateway) {
		a.tell("note: the endpoint gets a load balancer, to be reached from outside as in Azure ML: " +
			"keep it inside with --service-type ClusterIP, or AML_SERVICE_TYPE")
	}
	if err := a.build(c.Context(), plan, &d.deployFlags, release.DryRunNone); err != nil {
		return err
	}
	work := &deployment{revision: begun, placeFlags: d.placeFlags, plan: plan}
	of := outcome{string(plan.computeType) + " service creation", services(), d.full}
	if plan.computeType == amlv1.AKSEndpoint {
		of.kind = endpoints()
	}
	return a.carryOut(c.Context(), work, work.run, of)
}

// servicePlan reads the files and flags, and refuses what cannot be right.
func (o *options) servicePlan(ctx context.Context, d *modelDeployFlags) (*plan, error) {
	if err := d.checkDeploy(); err != nil {
		return nil, err
	}
	if d.compute != "" {
		kind, err := amlv1.ParseComputeType(d.compute)
		if err != nil {
			return nil, usageError{err}
		}
		d.computeType = kind
	}
	if err := o.profiled(&d.deployFlags, d.profile); err != nil {
		return nil, err
	}
	plan, err := o.plan(ctx, d.name, &d.deployFlags)
	if err != nil {
		return nil, err
	}
	plan.about, plan.endpointAbout = endpoint.AboutChange{}, plan.about
	if err := o.computeTarget(plan.computeTarget); err != nil {
		return nil, err
	}
	plan.serviceType, plan.alone = loadBalancer, true
	plan.admit = func(_ endpoint.Endpoint, exists bool) error {
		if exists && !d.overwrite {
			return fmt.Errorf("service %q is there already: add --overwrite to replace it, or take another name", d.name)
		}
		return nil
	}
	return plan, nil
}

// checkDeploy refuses a command that lacks what Azure ML's asks for.
func (d *modelDeployFlags) checkDeploy() error {
	var missing []error
	if len(d.models)+len(d.modelMetadata) == 0 && d.image == "" {
		missing = append(missing, usageError{errors.New("no model: give --model as NAME:VERSION, or as a file with " +
			"NAME:VERSION=PATH")})
	}
	if d.deployConfig == "" && d.compute == "" {
		missing = append(missing, usageError{errors.New("no compute type: give --deploy-config-file, or --compute-type " +
			"with AKS, AKSENDPOINT or ACI")})
	}
	return errors.Join(missing...)
}

// admitService looks whether the name is free, and finds out how the version is
// called. One that replaces another has its name, so that pods change one by one.
func (o *options) admitService(ctx context.Context, s *Session, p *plan) (bool, error) {
	now, err := s.endpoint(ctx, p.endpoint)
	exists := err == nil
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return false, err
	}
	if err := p.admits(now.Endpoint, exists); err != nil {
		return false, err
	}
	standard := "main"
	if p.computeType == amlv1.AKSEndpoint {
		standard = p.endpoint
	}
	p.versionName = cmp.Or(p.versionName, now.Default, standard)
	for _, name := range now.VersionNames() {
		if name != p.versionName {
			o.tell("note: version %s is deleted: --overwrite replaces the whole endpoint", name)
		}
	}
	return !exists, nil
}
