// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// updateFlags are the flags of the commands that change a version.
type updateFlags struct {
	writeFlags
	deployFlags
	noun kind
	// ofEndpoint says that what is said of it is the endpoint's.
	ofEndpoint bool
}

func newUpdate(o *options) *cobra.Command {
	u := &updateFlags{}
	c := &cobra.Command{
		Use:   "update ENDPOINT",
		Short: "Change what is given of a version, and nothing else",
		Long: "Change what is given of a version and nothing else. A deployment config may hold only what is to change;\n" +
			"what it does not name stays. New code or models make a new image. What is given is held against what\n" +
			"the version has: a limit may not be below what is requested.",
		Example: "  # More memory, pod by pod\n" +
			"  kubectl aml update diabetes --version-name green --memory-gb 2\n\n" +
			"  # Tags of the endpoint\n" +
			"  kubectl aml update diabetes --of-endpoint --add-tag stage=production",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			u.name = args[0]
			u.roleGiven(c)
			return o.updateVersion(c, u)
		},
	}
	u.rolloutFlags.add(c)
	u.sourceFlags.add(c, o)
	o.completeModelFlag(c, &u.registryFlags)
	u.aboutFlags.add(c)
	u.change(c, true)
	u.fields.kept = true
	u.fields.add(c, modern)
	u.addRole(c)
	f := c.Flags()
	f.StringVar(&u.versionName, "version-name", "", "Name of the version (default: the only one there is)")
	f.BoolVar(&u.ofEndpoint, "of-endpoint", false, "Take the description, tags and properties for the endpoint's, not "+
		"the version's")
	o.completeVersionFlag(c)
	return c
}

// modern picks the fields that a version has of its own and that have no flag of
// the same meaning.
func modern(f amlv1.Field) bool {
	switch f.Path {
	case "entryScript", "sourceDirectory", "trafficPercentile", "numReplicas", "gpuCores", "dataCollection.storageEnabled":
		return false
	}
	return ofVersion(f)
}

// updateVersion changes a version with the flags of deploy.
func (o *options) updateVersion(c *cobra.Command, u *updateFlags) error {
	dryRun, format, err := u.parse()
	if err != nil {
		return err
	}
	u.ofVersion = true
	if u.deployConfig == "" {
		u.computeType = amlv1.AKSEndpoint
	}
	work, err := o.updating(c, u, u.rolloutFlags, dryRun, func(d deployed) (string, error) {
		return d.only(u.versionName)
	})
	if err != nil {
		return err
	}
	result, err := work.run(c.Context())
	if err != nil {
		return o.failed(err)
	}
	return o.report(result, "version/"+work.plan.versionName+" updated", dryRun, format)
}

// update changes what the flags give of the version that pick names, and nothing
// else.
func (o *options) update(c *cobra.Command, u *updateFlags, pick func(deployed) (string, error)) error {
	a, err := u.begin(o, u.noun.noun)
	if err != nil {
		return err
	}
	work, err := a.updating(c, u, u.rollout(), release.DryRunNone, pick)
	if err != nil {
		return err
	}
	return a.carryOut(c.Context(), work, work.run, outcome{string(u.computeType) + " service update", u.noun, u.full})
}

// updating prepares an update: what is wrong with it is told before an image is
// made.
func (o *options) updating(
	c *cobra.Command, u *updateFlags, r rolloutFlags, dryRun release.DryRun, pick func(deployed) (string, error),
) (*deployment, error) {
	if err := u.checkUpdate(o, c); err != nil {
		return nil, err
	}
	p, err := o.updatePlan(u)
	if err != nil {
		return nil, err
	}
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	begun, err := o.revision(c.Context(), s, u.name, r, dryRun)
	if err != nil {
		return nil, err
	}
	now, err := s.endpoint(c.Context(), u.name)
	if err != nil {
		return nil, err
	}
	if p.versionName, err = pick(now); err != nil {
		return nil, err
	}
	p.description = "update " + p.versionName
	if err := o.checkDelta(p, now.Endpoint); err != nil {
		return nil, err
	}
	if err := o.rebuild(c, u, p, now.Versions[p.versionName], dryRun); err != nil {
		return nil, err
	}
	u.schedulingGrace = grace
	return &deployment{revision: begun, placeFlags: u.placeFlags, plan: p}, nil
}

func (u *updateFlags) checkUpdate(o *options, c *cobra.Command) error {
	switch {
	case !changes(c):
		return errNothing
	case u.image != "" || u.hasCode():
		return u.check(o)
	case len(u.models)+len(u.modelMetadata) > 0 || u.modelMount != "" || u.hasParts():
		return u.partsError()
	}
	return nil
}

// updatePlan reads what is to change.
func (o *options) updatePlan(u *updateFlags) (*plan, error) {
	p := &plan{endpoint: u.name, computeType: u.computeType, keepImage: u.image == "" && !u.hasCode()}
	about, err := u.read()
	if err != nil {
		return p, err
	}
	if u.ofEndpoint || u.computeType == amlv1.AKS {
		p.endpointAbout = about
	} else {
		p.about = about
	}
	delta, err := o.delta(u)
	if err != nil {
		return p, err
	}
	p.delta = &delta
	p.placement.Traffic = delta.TrafficPercentile
	if err := p.flags(&u.deployFlags); err != nil {
		return p, err
	}
	if p.keys, err = u.keys(delta.Keys, endpoint.Auth{Mode: endpoint.AuthKey}); err != nil {
		return p, err
	}
	p.admit = func(e endpoint.Endpoint, exists bool) error {
		if !exists {
			return errGone(u.name)
		}
		return e.Has(p.versionName)
	}
	return p, o.computeTarget(cmp.Or(u.computeTarget, delta.ComputeTargetName))
}

// delta is the deployment config with what is to change and nothing else. It is
// held against the rules together with what is in force.
func (o *options) delta(u *updateFlags) (amlv1.DeploymentConfig, error) {
	config, findings, err := o.readDeploymentConfig(&u.deployFlags)
	if err != nil {
		return config, err
	}
	findings = append(findings, set(&config, u.fields.deployment)...)
	if u.replicas > 0 {
		config.NumReplicas = &u.replicas
	}
	o.warn(findings)
	if err := findings.Err(); err != nil {
		return config, err
	}
	if u.ofVersion {
		o.ofTheEndpoint(&config)
	}
	o.note(config.Remarks())
	o.warnOfSecrets(&u.deployFlags)
	o.namespaceOf(config.Namespace)
	return config, nil
}

// ofTheEndpoint drops what a version cannot have of its own.
func (o *options) ofTheEndpoint(c *amlv1.DeploymentConfig) {
	if c.AuthEnabled == nil && c.TokenAuthEnabled == nil && c.Keys == (amlv1.Keys{}) {
		return
	}
	c.AuthEnabled, c.TokenAuthEnabled, c.Keys = nil, nil, amlv1.Keys{}
	o.tell("note: authentication and keys are the endpoint's and stay as they are: " +
		"see kubectl aml endpoint realtime update")
}

// checkDelta tells early what would be wrong; see plan.apply.
func (o *options) checkDelta(p *plan, now endpoint.Endpoint) error {
	if err := p.admits(now, true); err != nil {
		return err
	}
	old := now.Versions[p.versionName]
	_, _, findings, err := old.Update(now.Auth, *p.delta)
	o.warn(findings)
	_, aboutErr := old.Change(p.about)
	_, endpointErr := now.Change(p.endpointAbout)
	return errors.Join(err, findings.Err(), aboutErr, endpointErr)
}

// rebuild makes the new image, if there is new code. Models that are not given
// are those of the version in force.
func (o *options) rebuild(
	c *cobra.Command, u *updateFlags, p *plan, now endpoint.Version, dryRun release.DryRun,
) error {
	if p.keepImage {
		return nil
	}
	if err := p.keepModels(&u.deployFlags, now); err != nil {
		return err
	}
	p.version.Workers, p.variables = now.Workers, now.Env
	if u.image != "" {
		p.version = now
	}
	p.deployment = endpoint.ToDeploymentConfig(now, endpoint.Auth{}).Effective()
	if err := errors.Join(p.code(c.Context(), o, &u.deployFlags), p.modelsOf(o, &u.deployFlags)); err != nil {
		return err
	}
	return o.build(c.Context(), p, &u.deployFlags, dryRun)
}

// registered refuses models that came from somebody's machine: they are not to
// be had again, and a registered one of the name may be another.
func registered(version string, models []string) error {
	for _, m := range models {
		if name, local := strings.CutPrefix(m, endpoint.FromFile); local {
			return usageError{fmt.Errorf("version %s has the model %s from a file, which is needed again: "+
				"give it with --model %s=PATH", version, name, name)}
		}
	}
	return nil
}

// warnOfSecrets says who can read a key that was given as a flag.
func (o *options) warnOfSecrets(f *deployFlags) {
	if f.fields.secrets() {
		o.tell("warning: a key on a command line can be read by others on this machine: " +
			"write it into the deployment config")
	}
}

// namespaceOf makes the namespace of a file the one to work in, unless a flag
// gives another.
func (o *options) namespaceOf(file string) {
	if *o.flags.Namespace == "" {
		*o.flags.Namespace = file
	}
}

// versionFlag names the version that a command of an endpoint is about.
type versionFlag struct{ name string }

func (v *versionFlag) add(c *cobra.Command) {
	c.Flags().StringVar(&v.name, "version-name", "", "Name of the version")
	short(c, "version-name", "vn")
}

func (v *versionFlag) check() error {
	if v.name == "" {
		return usageError{errors.New("the name of the version is missing: write --version-name NAME")}
	}
	return nil
}
