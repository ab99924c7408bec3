// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// registration is model register at work.
type registration struct {
	modelCommand
	resourceFlags
	model, path      string
	info             image.ModelInfo
	tags, properties []string
	metadataFile     string
	assetPath        string
	runMetadataFile  string
}

func newModelRegister(o *options) *cobra.Command {
	r := &registration{}
	c := &cobra.Command{
		Use:   "register --name NAME --model-path PATH",
		Short: "Register a file or folder as the next version of a model",
		Long: "Register a file or folder as the next version of a model. Versions count from 1; two registrations at\n" +
			"the same time get two numbers. The model is an artifact in the registry, REGISTRY/models/NAME, and is\n" +
			"deployed by its name and version, without being read or sent again.",
		Example: "  # Register a file, and deploy it\n" +
			"  kubectl aml model register --name diabetes --model-path model.pkl --tag stage=test\n" +
			"  kubectl aml deploy diabetes -m diabetes:1 --inference-config inferenceconfig.json",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error { return r.register(c.Context(), c) },
	}
	r.modelCommand.add(c, o)
	f := c.Flags()
	f.StringVar(&r.model, "name", "", "Name of the model")
	short(c, "name", "n")
	f.StringVarP(&r.path, "model-path", "p", "", "File or folder to register, or an artifact as oci://REFERENCE")
	f.StringVarP(&r.info.Description, "description", "d", "", "What the model is for")
	f.StringArrayVar(&r.tags, "tag", nil, "NAME=VALUE, can be changed later; repeatable")
	f.StringArrayVar(&r.properties, "property", nil, "NAME=VALUE, can never be changed; repeatable")
	f.StringVar(&r.info.Framework, "model-framework", "", "One of "+strings.Join(image.Frameworks(), ", "))
	_ = c.RegisterFlagCompletionFunc("model-framework", // the only error is a second one
		cobra.FixedCompletions(image.Frameworks(), cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&r.info.FrameworkVersion, "model-framework-version", "", "Version of the framework")
	f.StringVar(&r.info.SampleInputDatasetID, "sample-input-dataset-id", "", "Kept with the model as it is given")
	f.StringVar(&r.info.SampleOutputDatasetID, "sample-output-dataset-id", "", "Kept with the model as it is given")
	f.StringVar(&r.info.ExperimentName, "experiment-name", "", "Kept with the model as it is given")
	f.StringVarP(&r.info.RunID, "run-id", "r", "", "Kept with the model as it is given")
	f.StringVarP(&r.metadataFile, "output-metadata-file", "t", "", "File to write the name and version to, as deploy "+
		"--model-metadata-file reads it")
	f.StringVar(&r.assetPath, "asset-path", "", "Refused: files of a run are in a workspace")
	f.StringVarP(&r.runMetadataFile, "run-metadata-file", "f", "", "Refused: runs are in a workspace")
	r.resourceFlags.add(c)
	return c
}

// check refuses what cannot be done, all of it at once.
func (r *registration) check() error {
	var errs []error
	refuse := func(text string) { errs = append(errs, usageError{errors.New(text)}) }
	if r.model == "" {
		refuse("the model has no name: give it one with --name")
	}
	switch {
	case r.assetPath != "":
		refuse("--asset-path is in a run of a workspace, and there is no workspace: " +
			"download the files and name them with --model-path")
	case r.path == "":
		refuse("there is nothing to register: name a file or folder with --model-path")
	}
	if r.runMetadataFile != "" {
		refuse("--run-metadata-file is of a run in a workspace, and there is no workspace: " +
			"name the run with --run-id and --experiment-name")
	}
	var err error
	r.info.Tags, err = pairs("tag", r.tags)
	errs = append(errs, err)
	r.info.Properties, err = pairs("property", r.properties)
	errs = append(errs, err)
	if err := r.info.Check(); err != nil {
		errs = append(errs, usageError{err})
	}
	return errors.Join(errs...)
}

func (r *registration) register(ctx context.Context, c *cobra.Command) error {
	r.info.Resources = r.resources(c, nil)
	if err := r.check(); err != nil {
		return err
	}
	models, err := r.open()
	if err != nil {
		return err
	}
	made, err := models.Register(ctx, r.model, r.modelPath(image.Model{Path: r.path}), r.info)
	if err != nil {
		return err
	}
	if err := r.writeMetadata(made); err != nil {
		return fmt.Errorf("model %s is registered, but %w", made.ID, err)
	}
	return r.print(made)
}

// writeMetadata writes what deploy reads in place of a model's name.
func (r *registration) writeMetadata(made image.Registered) error {
	if r.metadataFile == "" {
		return nil
	}
	f, err := os.Create(r.options.path(r.metadataFile))
	if err != nil {
		return fmt.Errorf("the metadata file cannot be written: %w", err)
	}
	err = printer.WriteJSON(f, struct {
		ModelID       string `json:"modelId"`
		Workspace     string `json:"workspaceName"`
		ResourceGroup string `json:"resourceGroupName"`
	}{made.ID, r.workspace, r.group})
	return errors.Join(err, f.Close())
}
