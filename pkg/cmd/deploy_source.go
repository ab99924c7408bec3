// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// sourceFlags say what a version is made of.
type sourceFlags struct {
	models, modelMetadata         []string
	inferenceConfig, deployConfig string
	entryScript, sourceDirectory  string
	registry, environmentImage    string
	image                         string
	insecureRegistry              bool
}

func (s *sourceFlags) add(c *cobra.Command, getenv func(string) string) {
	f := c.Flags()
	f.StringArrayVarP(&s.models, "model", "m", nil, "Registered model, as NAME[:VERSION], or a file or folder, as "+
		"PATH or NAME[:VERSION]=PATH; repeatable")
	f.StringArrayVarP(&s.modelMetadata, "model-metadata-file", "f", nil, "File that model register wrote, in place of a "+
		"model; repeatable")
	f.StringVar(&s.inferenceConfig, "inference-config", "", "Azure ML's inferenceconfig.json (or YAML)")
	f.StringVar(&s.deployConfig, "deploy-config", "", "Azure ML's deploymentconfig.json (or YAML)")
	f.StringVar(&s.entryScript, "entry-script", "", "Script with init() and run(); goes before the inference config's")
	f.StringVar(&s.sourceDirectory, "source-directory", "", "Folder with the script and what it imports; goes before "+
		"the inference config's")
	f.StringVar(&s.registry, "registry", getenv("AML_REGISTRY"), "Where to push the image, as HOST[/PATH] "+
		"(default: $AML_REGISTRY)")
	f.StringVar(&s.environmentImage, "environment-image", getenv("AML_ENVIRONMENT_IMAGE"),
		"Image with Python, the packages and the scoring server (default: the inference config's base image if it "+
			"has everything, else $AML_ENVIRONMENT_IMAGE)")
	f.BoolVar(&s.insecureRegistry, "insecure-registry", false, "Speak to the registry without TLS; not needed for one "+
		"on this machine")
	f.StringVar(&s.image, "image", "", "Ready image to deploy as it is, instead of code and models")
}

// plan is a deployment as the files and flags describe it.
type plan struct {
	endpoint, versionName string
	version               endpoint.Version
	placement             endpoint.Placement
	// auth is nil to keep an existing endpoint's.
	auth *endpoint.Auth
	keys auth.Keys
	// deployment is what the deployment config asks for.
	deployment amlv1.Service
	// source is what the image is made of, unless one is given ready.
	source image.Source
}

// plan reads the files and flags and refuses what cannot be right, all
// findings at once. It asks no server.
func (o *options) plan(name string, f *deployFlags) (*plan, error) {
	p := &plan{endpoint: name, versionName: f.versionName}
	findings := []error{endpoint.ValidateName("endpoint", name), f.check()}
	if f.versionName != "" {
		findings = append(findings, endpoint.ValidateName("version", f.versionName))
	}
	findings = append(findings, p.service(o, f), p.code(o, f), p.modelsOf(o, f), p.flags(f))
	return p, errors.Join(findings...)
}

func (f *deployFlags) check() error {
	switch {
	case f.image != "" && len(f.models)+len(f.modelMetadata) > 0:
		return usageError{errors.New("--image brings its model with it: leave out --model, or the image")}
	case f.image == "" && f.registry == "":
		return usageError{errors.New("no registry to push the image to: name one with --registry or AML_REGISTRY, " +
			"or a ready image with --image")}
	case f.image == "" && f.inferenceConfig == "" && f.entryScript == "":
		return usageError{errors.New("nothing to deploy: give --inference-config, --entry-script or --image")}
	}
	return nil
}

// service takes over the deployment config. Without one a version has one
// replica and Azure ML's defaults for the rest.
func (p *plan) service(o *options, f *deployFlags) error {
	one := 1
	config := amlv1.DeploymentConfig{ComputeType: amlv1.AKSEndpoint, NumReplicas: &one}
	if f.deployConfig != "" {
		text, err := os.ReadFile(o.path(f.deployConfig))
		if err != nil {
			return fmt.Errorf("the deployment config cannot be read: %w", err)
		}
		read, findings := amlv1.ReadDeploymentConfig(f.deployConfig, text)
		o.warn(findings)
		if err := findings.Err(); err != nil {
			return err
		}
		if read.ComputeType == amlv1.Local {
			return cause(f.deployConfig, errors.New("computeType: deployments on this machine are not available yet: "+
				`write "AKS" for one version, "AKSENDPOINT" for several that share the traffic`))
		}
		config = read
	}
	s := config.Effective()
	version, mode, err := endpoint.FromService(s)
	if err != nil {
		return cause(f.deployConfig, err)
	}
	p.deployment = s
	p.version, p.versionName = version, cmp.Or(p.versionName, s.VersionName)
	if f.deployConfig != "" {
		p.auth = &mode
	}
	p.keys = auth.Keys{Primary: auth.NewKey(s.Keys.PrimaryKey), Secondary: auth.NewKey(s.Keys.SecondaryKey)}
	if s.TrafficGiven {
		p.placement.Traffic = &s.TrafficPercentile
	}
	if s.Namespace != "" && *o.flags.Namespace == "" {
		*o.flags.Namespace = s.Namespace
	}
	return nil
}

// code finds the entry script and its folder.
func (p *plan) code(o *options, f *deployFlags) error {
	if f.image != "" && f.inferenceConfig == "" && f.entryScript == "" {
		return p.variables(o, amlv1.InferenceConfig{})
	}
	var config amlv1.InferenceConfig
	var findings amlv1.Findings
	if f.inferenceConfig != "" {
		text, err := os.ReadFile(o.path(f.inferenceConfig))
		if err != nil {
			return fmt.Errorf("the inference config cannot be read: %w", err)
		}
		config, findings = amlv1.ReadInferenceConfig(f.inferenceConfig, text)
	}
	config.EntryScript = cmp.Or(f.entryScript, config.EntryScript)
	config.SourceDirectory = cmp.Or(f.sourceDirectory, config.SourceDirectory)
	code := config.InImage()
	if f.image == "" {
		var unresolved amlv1.Findings
		code, unresolved = config.Resolve(amlv1.Disk{}, o.Dir)
		findings = append(findings, unresolved...)
	}
	o.warn(findings)
	if err := findings.Err(); err != nil {
		return err
	}
	p.version.EntryScript, p.version.SourceDirectory = code.EntryScript, code.SourceDirectory
	p.source.Code, p.source.Environment = code, f.environmentImage
	if err := p.variables(o, config); err != nil {
		return cause(f.inferenceConfig, err)
	}
	if e := config.Environment; e != nil {
		if owned := e.Python.UserManagedDependencies; owned != nil && *owned && e.Docker.BaseImage != "" {
			p.source.Environment = e.Docker.BaseImage
		}
	}
	if f.image == "" && p.source.Environment == "" {
		return usageError{errors.New("no environment to run in: name an image that has the packages with " +
			"--environment-image or AML_ENVIRONMENT_IMAGE")}
	}
	return nil
}

// variables are those of the environment, as far as they are its to set.
func (p *plan) variables(o *options, config amlv1.InferenceConfig) error {
	var given map[string]string
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

func (p *plan) modelsOf(o *options, f *deployFlags) error {
	findings := []error{p.metadata(o, f)}
	for _, arg := range f.models {
		m, err := image.ParseModel(arg, o.exists)
		if err != nil {
			findings = append(findings, fmt.Errorf("model %q: %w", arg, err))
			continue
		}
		if m.Path != "" {
			m.Path = o.path(m.Path)
		}
		p.source.Models = append(p.source.Models, m)
	}
	p.source.Registry = f.registry
	if f.image == "" {
		findings = append(findings, image.Check(p.source))
	}
	return errors.Join(findings...)
}

// metadata reads the models that files name.
func (p *plan) metadata(o *options, f *deployFlags) error {
	var errs []error
	for _, file := range f.modelMetadata {
		text, err := os.ReadFile(o.path(file))
		if err != nil {
			errs = append(errs, fmt.Errorf("the model metadata file cannot be read: %w", err))
			continue
		}
		read, findings := amlv1.ReadModelMetadata(file, text)
		o.warn(findings)
		if err := findings.Err(); err != nil {
			errs = append(errs, err)
			continue
		}
		m, err := image.ParseReference(read.ModelID)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: model %q %w", file, read.ModelID, err))
			continue
		}
		p.source.Models = append(p.source.Models, m)
	}
	return errors.Join(errs...)
}

// exists tells whether there is such a path, from the working directory.
func (o *options) exists(file string) bool {
	_, err := os.Lstat(o.path(file))
	return err == nil
}

// flags take over what goes before the files.
func (p *plan) flags(f *deployFlags) error {
	if f.trafficGiven {
		p.placement.Traffic = &f.traffic
	}
	p.placement.Default, p.placement.Control = f.makeDefault, f.makeControl
	if f.replicas > 0 {
		p.version.Scaling = endpoint.Scaling{Replicas: f.replicas}
	}
	if f.accelerator == "" {
		return nil
	}
	kind, count, counted := strings.Cut(f.accelerator, ":")
	p.version.Accelerator = endpoint.Accelerator{Type: kind, Count: 1}
	if counted {
		n, err := strconv.Atoi(count)
		if err != nil {
			return usageError{fmt.Errorf("accelerator %q: write TYPE[:COUNT], such as nvidia:2", f.accelerator)}
		}
		p.version.Accelerator.Count = n
	}
	return nil
}

// path is file as seen from the working directory.
func (o *options) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(o.Dir, file)
}

func (o *options) warn(findings amlv1.Findings) {
	if o.warned != nil {
		*o.warned = append(*o.warned, findings.Warnings()...)
		return
	}
	for _, f := range findings.Warnings() {
		o.tell("warning: %s", f)
	}
}

// cause puts the file that an error is about before it.
func cause(file string, err error) error {
	if file == "" {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}
