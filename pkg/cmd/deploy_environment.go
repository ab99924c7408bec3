// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// environmentFlags name an environment, as Azure ML's command line did.
type environmentFlags struct {
	name, version, directory string
}

func (e *environmentFlags) add(c *cobra.Command, o *options, r *registryFlags) {
	f := c.Flags()
	f.StringVarP(&e.name, "environment-name", "e", "", "Registered environment, unless the inference config has one")
	f.StringVar(&e.version, "environment-version", "", "Version of that environment (default: the highest)")
	f.StringVar(&e.directory, "environment-directory", "", "Folder with azureml_environment.json, unless the "+
		"inference config has an environment")
	short(c, "environment-version", "ev")
	short(c, "environment-directory", "ed")
	// The only errors are of flags that are not there, or have a function already.
	_ = c.RegisterFlagCompletionFunc("environment-name", o.completeEnvironments(r))
	_ = c.RegisterFlagCompletionFunc("environment-version", o.completeEnvironmentVersions(r, &e.name))
	_ = c.MarkFlagDirname("environment-directory")
}

// environment is the one of the file, else that of the folder or of the name that
// flags give. One that is only named is looked up. found is what is said of the file
// so far; the answer is all that is to be said.
func (o *options) environment(
	ctx context.Context, config *amlv1.InferenceConfig, f *sourceFlags, found amlv1.Findings,
) amlv1.Findings {
	name, version, referenced := config.Reference()
	if referenced {
		found = o.registeredEnvironment(ctx, config, f, name, version, found)
	}
	e := f.environment
	switch {
	case found.Err() != nil || e == environmentFlags{}:
		return found
	case e.directory != "":
		if e.name+e.version != "" {
			o.tell("note: --environment-directory goes before --environment-name and --environment-version")
		}
		read, findings := amlv1.ReadEnvironmentDirectory(e.directory, os.DirFS(o.path(e.directory)))
		return slices.Concat(found, findings, config.UseEnvironment(read))
	case referenced || config.Environment != nil:
		o.tell("note: the environment in %s goes before the one that flags name, as in Azure ML", f.inferenceConfig)
		return found
	case e.name == "":
		return append(found, amlv1.Finding{Field: "--environment-version", Message: "is of an environment that has no " +
			"name: give that with --environment-name"})
	}
	return append(o.registeredEnvironment(ctx, config, f, e.name, e.version, found), config.CheckForms()...)
}

// registeredEnvironment gives the config the environment of a name and version. An
// image or a folder that stands for it needs none, but it is taken if it is there: an
// image gets its variables. So a registry that does not answer is no reason to go on.
func (o *options) registeredEnvironment(
	ctx context.Context, config *amlv1.InferenceConfig, f *sourceFlags, name, version string, found amlv1.Findings,
) amlv1.Findings {
	if f.offline {
		o.tell("note: environment %q was not looked up", name)
		f.unread = true
		return config.UseRegistered(nil, found)
	}
	read, told, err := o.readRegistered(ctx, f, name, version)
	stand := cmp.Or(f.image, f.environmentImage)
	switch absent := !unanswered(err); {
	case err == nil:
		if used := cmp.Or(f.image, o.standsFor(&read, f)); used != "" {
			o.tell("note: image %s is used, and of environment %q the variables", used, name)
		}
		found = config.UseRegistered(&read, found)
		return append(found, told...)
	case absent && stand != "":
		o.tell("note: %v: image %s is used", err, stand)
		return config.UseRegistered(nil, found)
	case absent && f.environment.directory != "":
		o.tell("note: %v: folder %s is used", err, f.environment.directory)
		return config.UseRegistered(nil, found)
	}
	if errors.As(err, new(*image.NoEnvironmentError)) {
		err = fmt.Errorf("%w: register it with kubectl aml environment register, give its folder with "+
			"--environment-directory, or deploy with --environment-image and an image that has everything", err)
	}
	if _, _, file := config.Reference(); file {
		wrong := config.Places().Finding("environment", err.Error())
		return append(config.UseRegistered(nil, found), wrong)
	}
	return append(found, amlv1.Finding{Field: "--environment-name", Message: err.Error()})
}

// standsFor is the image that is taken in place of an environment; empty is none. One
// that has everything goes before the variable's, and is looked up as what others are
// built upon. A flag goes before both.
func (o *options) standsFor(e *amlv1.Environment, f *sourceFlags) string {
	if e == nil || f.environmentImage != o.Getenv("AML_ENVIRONMENT_IMAGE") {
		return f.environmentImage
	}
	if owned := e.Python.UserManagedDependencies; owned != nil && *owned && e.Docker.BaseImage != "" {
		return ""
	}
	return f.environmentImage
}

// unanswered tells of an error that leaves open whether an environment is there. Some
// registries answer that somebody has no right to what is not there.
func unanswered(err error) bool {
	var told *image.RegistryError
	if errors.As(err, &told) {
		return told.Status != http.StatusUnauthorized && told.Status != http.StatusForbidden
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// readRegistered looks for an environment in the registry and then in the global
// ones.
func (o *options) readRegistered(
	ctx context.Context, f *sourceFlags, name, version string,
) (amlv1.Environment, amlv1.Findings, error) {
	number, err := environmentVersion(name, version)
	if err != nil {
		return amlv1.Environment{}, nil, err
	}
	access, err := f.access(o, "environment")
	if err != nil {
		return amlv1.Environment{}, nil, err
	}
	var none *image.NoEnvironmentError
	for _, registry := range slices.Concat([]string{f.registry}, f.global) {
		definitions := image.Definitions{Registry: registry, Options: access}
		made, err := definitions.Find(ctx, name, number)
		var here *image.NoEnvironmentError
		switch {
		case errors.As(err, &here):
			none = here.Beside(none)
			continue
		case err != nil:
			return amlv1.Environment{}, nil, err
		}
		o.tell("environment: %s is registered in %s", made.ID, registry)
		files, err := definitions.Files(ctx, made)
		if err != nil {
			return amlv1.Environment{}, nil, err
		}
		read, findings := amlv1.EnvironmentFiles(files).Environment(made.ID)
		return read, findings, nil
	}
	return amlv1.Environment{}, nil, none
}
