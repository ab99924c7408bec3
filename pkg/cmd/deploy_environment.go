// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// environmentFlags name an environment, as Azure ML's command line did.
type environmentFlags struct {
	name, version, directory string
}

func (e *environmentFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&e.name, "environment-name", "e", "", "Environment of a workspace; the environment image stands for it")
	f.StringVar(&e.version, "environment-version", "", "Version of that environment")
	f.StringVar(&e.directory, "environment-directory", "", "Folder with azureml_environment.json")
	short(c, "environment-version", "ev")
	short(c, "environment-directory", "ed")
}

// environment is the one of the file, else that of the folder that a flag names.
// One that is only named is not to be had: the environment image stands for it.
func (o *options) environment(config *amlv1.InferenceConfig, f *deployFlags) amlv1.Findings {
	e := f.environment
	switch {
	case e == environmentFlags{}:
		return nil
	case e.directory != "":
		read, findings := amlv1.ReadEnvironmentDirectory(e.directory, os.DirFS(o.path(e.directory)))
		return append(findings, config.UseEnvironment(read)...)
	case config.Environment != nil:
		o.tell("note: the environment in %s goes before the one that flags name, as in Azure ML", f.inferenceConfig)
		return nil
	case f.environmentImage == "" && f.image == "":
		return amlv1.Findings{amlv1.ReferencedEnvironment(e.name, e.version)}
	case f.image == "":
		o.tell("note: there is no workspace to look environment %q up in: image %s is used", e.name, f.environmentImage)
	}
	return nil
}
