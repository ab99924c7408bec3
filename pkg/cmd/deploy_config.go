// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// deploymentConfig reads the deployment config and the flags that go before it.
// Without either a version has one replica and Azure ML's defaults for the rest.
func (o *options) deploymentConfig(f *deployFlags) (amlv1.DeploymentConfig, error) {
	config, findings, err := o.readDeploymentConfig(f)
	if err != nil {
		return config, err
	}
	if findings.Err() == nil && len(f.fields.deployment) > 0 {
		findings = append(findings, set(&config, f.fields.deployment)...)
		findings = append(findings, o.namespaceFlag(&config)...)
		findings = fresh(findings, config.Validate())
	}
	findings = append(findings, config.Resolve(amlv1.Disk{}, f.base(o, f.deployConfig))...)
	o.warn(findings)
	if err := findings.Err(); err != nil {
		return config, err
	}
	if config.ComputeType == amlv1.Local {
		return config, cause(f.deployConfig, errors.New("computeType: deployments on this machine are not available yet: "+
			`write "AKS" for one version, "AKSENDPOINT" for several that share the traffic`))
	}
	if f.ofVersion {
		o.ofTheEndpoint(&config)
	}
	o.note(config.Remarks())
	o.warnOfSecrets(f)
	return config, nil
}

func (o *options) readDeploymentConfig(f *deployFlags) (amlv1.DeploymentConfig, amlv1.Findings, error) {
	if f.deployConfig == "" && f.computeType == "" {
		one := 1
		return amlv1.DeploymentConfig{ComputeType: amlv1.AKSEndpoint, NumReplicas: &one}, nil, nil
	}
	if f.deployConfig == "" {
		config, findings := amlv1.NewDeploymentConfig(f.computeType)
		return config, findings, nil
	}
	text, err := os.ReadFile(o.path(f.deployConfig))
	if err != nil {
		return amlv1.DeploymentConfig{}, nil, fmt.Errorf("the deployment config cannot be read: %w: correct its path", err)
	}
	if f.computeType != "" {
		config, findings := amlv1.ReadDeploymentConfigAs(f.computeType, f.deployConfig, text)
		return config, findings, nil
	}
	config, findings := amlv1.ReadDeploymentConfig(f.deployConfig, text)
	return config, findings, nil
}

// namespaceFlag holds kubectl's --namespace against Azure ML's rule for one. It
// holds for those too whose files have no namespace.
func (o *options) namespaceFlag(config *amlv1.DeploymentConfig) amlv1.Findings {
	hasNamespace := config.ComputeType == amlv1.AKS || config.ComputeType == amlv1.AKSEndpoint
	if *o.flags.Namespace == "" || !hasNamespace {
		return nil
	}
	return config.Set("namespace", *o.flags.Namespace)
}

// fresh is found together with what more has that found does not.
func fresh(found, more amlv1.Findings) amlv1.Findings {
	for _, f := range more {
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	return found
}

// service takes over the deployment config.
func (p *plan) service(o *options, f *deployFlags, config amlv1.DeploymentConfig) error {
	s := config.Effective()
	version, mode, err := endpoint.FromService(s)
	if err != nil {
		return cause(f.deployConfig, err)
	}
	p.deployment = s
	p.computeType, p.computeTarget = config.ComputeType, cmp.Or(f.computeTarget, config.ComputeTargetName)
	p.version, p.versionName = version, cmp.Or(p.versionName, s.VersionName)
	if f.deployConfig != "" || f.computeType != "" {
		p.auth = &mode
	}
	if p.keys, err = f.keys(s.Keys, mode); err != nil {
		return err
	}
	if s.TrafficGiven {
		p.placement.Traffic = &s.TrafficPercentile
	}
	o.namespaceOf(s.Namespace)
	return nil
}

// keys are those of the deployment config or its flags. One that no caller could
// send is refused, if callers need one.
func (f *deployFlags) keys(given amlv1.Keys, mode endpoint.Auth) (auth.Keys, error) {
	keys := auth.Keys{Primary: auth.NewKey(given.PrimaryKey), Secondary: auth.NewKey(given.SecondaryKey)}
	if mode.Mode == endpoint.AuthNone {
		return keys, nil
	}
	err := keys.ValidateGiven()
	if err == nil || f.fields.secrets() {
		return keys, err
	}
	return keys, cause(f.deployConfig, err)
}

// inferenceConfig reads the inference config and the flags that go before it.
func (o *options) inferenceConfig(
	ctx context.Context, f *deployFlags,
) (amlv1.InferenceConfig, amlv1.Findings, error) {
	var config amlv1.InferenceConfig
	var findings amlv1.Findings
	if f.inferenceConfig != "" {
		text, err := os.ReadFile(o.path(f.inferenceConfig))
		if err != nil {
			return config, nil, fmt.Errorf("the inference config cannot be read: %w: correct its path", err)
		}
		config, findings = amlv1.ReadInferenceConfig(f.inferenceConfig, text)
	}
	config.EntryScript = cmp.Or(f.entryScript, config.EntryScript)
	config.SourceDirectory = cmp.Or(f.sourceDirectory, config.SourceDirectory)
	if given(f.fields.inference, "entryScript") {
		findings = slices.DeleteFunc(findings, func(f amlv1.Finding) bool { return f.Field == "entryScript" })
	}
	findings = append(findings, set(&config, f.fields.inference)...)
	config.Old.BaseImageRegistry.Address = cmp.Or(f.baseImageRegistry, config.Old.BaseImageRegistry.Address)
	return config, o.environment(ctx, &config, &f.sourceFlags, findings), nil
}

// code finds the entry script and its folder.
func (p *plan) code(ctx context.Context, o *options, f *deployFlags) error {
	if !f.hasCode() { // a ready image, or nothing, which check refuses
		return p.setVariables(o, amlv1.InferenceConfig{})
	}
	config, findings, err := o.inferenceConfig(ctx, f)
	if err != nil {
		return err
	}
	code := config.InImage()
	if f.image == "" {
		var unresolved amlv1.Findings
		code, unresolved = o.resolve(config, f)
		findings = append(findings, unresolved...)
	}
	o.warn(findings)
	if err := findings.Err(); err != nil {
		return err
	}
	p.version.EntryScript, p.version.SourceDirectory = code.EntryScript, code.SourceDirectory
	p.source.Code, p.source.Environment = code, o.standsFor(config.Environment, &f.sourceFlags)
	if err := p.setVariables(o, config); err != nil {
		return cause(f.inferenceConfig, err)
	}
	if f.image == "" && p.source.Environment == "" && !f.unread {
		made, findings := environmentOf(config, code)
		o.warn(findings)
		if err := findings.Err(); err != nil {
			return err
		}
		p.environment = &made
	}
	if f.image == "" && p.environment == nil {
		o.note(config.Remarks())
	}
	return nil
}

// resolve finds the files that a config names.
func (o *options) resolve(config amlv1.InferenceConfig, f *deployFlags) (amlv1.Code, amlv1.Findings) {
	return config.Resolve(amlv1.Disk{}, f.base(o, f.inferenceConfig))
}

// setVariables sets those of the environment, as far as they are its to set.
func (p *plan) setVariables(o *options, config amlv1.InferenceConfig) error {
	given := p.variables
	if config.Environment != nil {
		given = config.Environment.Variables
	}
	version, told, err := p.version.WithVariables(given, p.deployment)
	if err != nil {
		return err
	}
	p.version = version
	for _, line := range told {
		o.warn(amlv1.Findings{{Message: line, Warning: true}})
	}
	return nil
}

// hasCode tells whether a flag brings code.
func (s *sourceFlags) hasCode() bool {
	if s.inferenceConfig != "" || s.entryScript != "" {
		return true
	}
	return given(s.fields.inference, "entryScript")
}

// hasParts tells whether a flag was given that means nothing without code.
func (s *sourceFlags) hasParts() bool {
	parts := s.environment != environmentFlags{} || s.baseImageRegistry != "" || s.sourceDirectory != ""
	for _, f := range s.fields.inference {
		parts = parts || f.value.given
	}
	return parts
}

// remark says what means something else here.
func (o *options) note(findings amlv1.Findings) {
	for _, f := range findings {
		o.tell("note: %s", f)
	}
}
