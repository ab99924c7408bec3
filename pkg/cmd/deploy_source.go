// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// sourceFlags say what a version is made of.
type sourceFlags struct {
	registryFlags
	builderFlags
	models, modelMetadata         []string
	inferenceConfig, deployConfig string
	entryScript, sourceDirectory  string
	environmentImage              string
	image                         string
	modelMount                    string
	// relativeToFile takes paths in a file from the file's folder.
	relativeToFile bool
	// fields and environment go before the files, with the flags of Azure ML.
	fields      fieldFlags
	environment environmentFlags
	// offline says that no registry is asked, and unread that there is an environment
	// which would have to be.
	offline, unread bool
	computeType     amlv1.ComputeType
	// computeTarget goes before the deployment config's.
	computeTarget string
	// ofVersion says that the version is one of an endpoint that is there.
	ofVersion bool
	// baseImageRegistry is a flag of the old form.
	baseImageRegistry string
	// configFlag is the name of the flag for the inference config.
	configFlag string
}

func (s *sourceFlags) add(c *cobra.Command, o *options) {
	s.addModels(c)
	f := c.Flags()
	f.StringVar(&s.inferenceConfig, "inference-config", "", "Azure ML's inferenceconfig.json (or YAML)")
	f.StringVar(&s.deployConfig, "deploy-config", "", "Azure ML's deploymentconfig.json (or YAML)")
	f.StringVar(&s.entryScript, "entry-script", "", "Script with init() and run(); goes before the inference config's")
	f.StringVar(&s.sourceDirectory, "source-directory", "", "Folder with the script and what it imports; goes before "+
		"the inference config's")
	s.environment.add(c, o, &s.registryFlags)
	s.addImage(c, o.Getenv)
}

func (s *sourceFlags) addModels(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&s.models, "model", "m", nil, "Registered model, as NAME[:VERSION], or a file or folder, as "+
		"PATH or NAME[:VERSION]=PATH, or an artifact, as oci://REFERENCE; repeatable")
	f.StringArrayVarP(&s.modelMetadata, "model-metadata-file", "f", nil, "File that model register wrote, in place of a "+
		"model; repeatable")
}

func (s *sourceFlags) addImage(c *cobra.Command, getenv func(string) string) {
	s.registryFlags.add(c, getenv, "Where to push the image")
	f := c.Flags()
	f.StringVar(&s.environmentImage, "environment-image", getenv("AML_ENVIRONMENT_IMAGE"),
		"Image with Python, the packages and the scoring server (default: the inference config's base image if it "+
			"has everything, else $AML_ENVIRONMENT_IMAGE, else the environment that the inference config describes)")
	defaultTold(c, "environment-image")
	s.builderFlags.add(c, getenv)
	s.addModelMount(c)
	f.BoolVar(&s.relativeToFile, "relative-to-file", false, "Take the paths in a config file from the file's folder; "+
		"Azure ML took them from the working directory")
	f.StringVar(&s.image, "image", "", "Ready image to deploy as it is, instead of code and models")
}

// plan reads the files and flags and refuses what cannot be right, all
// findings at once. It asks no server but for an environment that is only named.
func (o *options) plan(ctx context.Context, name string, f *deployFlags) (*plan, error) {
	p := &plan{endpoint: name, versionName: f.versionName}
	about, err := f.read()
	p.about = about
	findings := []error{err, endpoint.ValidateName("endpoint", name), f.check(o), f.placeFlags.check()}
	if f.versionName != "" {
		findings = append(findings, endpoint.ValidateName("version", f.versionName))
	}
	config, err := o.deploymentConfig(f)
	if err == nil {
		err = p.service(o, f, config)
	}
	findings = append(findings, err, p.code(ctx, o, f), p.modelsOf(o, f), p.flags(f))
	return p, errors.Join(findings...)
}

// check refuses flags that do not go together, and those that cannot be right.
func (f *deployFlags) check(o *options) error {
	errs := []error{f.registryFlags.check(o), f.checkModelMount()}
	refuse := func(text string) { errs = append(errs, usageError{errors.New(text)}) }
	if f.image != "" && len(f.models)+len(f.modelMetadata) > 0 {
		refuse("--image brings its model with it: leave out --model, or the image")
	}
	switch {
	case f.hasParts() && !f.hasCode():
		errs = append(errs, f.partsError())
	case f.image == "" && !f.hasCode():
		refuse("nothing to deploy: give " + f.codeFlag() + ", --entry-script or --image")
	}
	if f.image == "" {
		errs = append(errs, f.builderFlags.check())
		if f.registry == "" {
			refuse("no registry to push the image to: name one with --registry or AML_REGISTRY, or a ready image with --image")
		}
	}
	return errors.Join(errs...)
}

// partsError is for what is packed only together with the code.
func (s *sourceFlags) partsError() error {
	return usageError{fmt.Errorf("folders, environments and models are packed together with the code: "+
		"give %s or --entry-script too", s.codeFlag())}
}

// codeFlag is the flag for the inference config.
func (s *sourceFlags) codeFlag() string { return cmp.Or(s.configFlag, "--inference-config") }

// path is file as seen from the working directory.
func (o *options) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(o.Dir, file)
}

// base is the folder that the paths in a config file start at.
func (s *sourceFlags) base(o *options, file string) string {
	if s.relativeToFile && file != "" {
		return filepath.Dir(o.path(file))
	}
	return o.Dir
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
