// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// packageFlags are the flags of model package, beside those of model deploy that
// it shares.
type packageFlags struct {
	azureFlags
	deployFlags
	imageName, imageLabel, outputPath string
	noWait                            bool
}

// packaged is the answer of model package.
type packaged struct {
	// Location is the image by digest, or the folder.
	Location string `json:"location"`
	// Tag is the image by the label that was asked for.
	Tag         string   `json:"tag,omitempty"`
	Environment string   `json:"environment"`
	Models      []string `json:"models"`
}

func newModelPackage(o *options) *cobra.Command {
	p := &packageFlags{}
	c := &cobra.Command{
		Use:   "package",
		Short: "Make the image of models and code, or the folder of a build, and deploy nothing",
		Long: "Make the image of models and code and push it, or with --output-path write what a build of it needs\n" +
			"into a folder: a Dockerfile, azureml-app with the code and azureml-models with the models. Either image\n" +
			"stands alone: it has the variables of the environment, and when it is run it serves on port 5001. Without\n" +
			"a registry the image is in the folder on this machine. No cluster is asked, and nothing is deployed.",
		Example: "  # An image, by digest, and how it is run\n" +
			"  image=$(kubectl aml model package -m diabetes:1 -ic inferenceconfig.json --query location -o tsv)\n" +
			"  docker run -p 5001:5001 $image\n\n" +
			"  # A folder to build elsewhere\n" +
			"  kubectl aml model package -m diabetes:1 -ic inferenceconfig.json --output-path context\n" +
			"  docker build -t diabetes context",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.modelPackage(c.Context(), p) },
	}
	p.add(c)
	p.addPrinting(c, o.Getenv)
	p.addPackageSources(c, o)
	o.completeModelFlag(c, &p.registryFlags)
	f := c.Flags()
	f.StringVar(&p.imageName, "image-name", "", "Name of the image in the registry (default: that of the first model)")
	f.StringVar(&p.imageLabel, "image-label", "", "Tag that the image gets too")
	f.StringVar(&p.outputPath, "output-path", "", "Folder to write a Dockerfile, the code and models into, "+
		"in place of an image")
	f.BoolVar(&p.noWait, "no-wait", false, "Taken and not used: there is nothing that goes on elsewhere")
	short(c, "image-name", "in")
	short(c, "image-label", "il")
	return c
}

// addPackageSources gives c the flags of model deploy that say what the image is
// made of.
func (p *packageFlags) addPackageSources(c *cobra.Command, o *options) {
	p.addSources(c, o)
	p.addOldForm(c)
	p.fields.inference = p.fields.addAll(c, amlv1.InferenceFields(), func(amlv1.Field) bool { return true })
	for _, other := range []string{"image", "deploy-config-file", "model-mount"} { // of deployments
		_ = c.Flags().MarkHidden(other) // the only error is a flag that is not there
	}
}

func (p *packageFlags) checkPackage(o *options) error {
	errs := []error{p.registryFlags.check(o), p.builderFlags.check()}
	refuse := func(text string) { errs = append(errs, usageError{errors.New(text)}) }
	if p.image != "" || p.deployConfig != "" || p.modelMount != "" {
		refuse("--image, --deploy-config-file and --model-mount are of a deployment, and nothing is deployed: leave them out")
	}
	if len(p.models)+len(p.modelMetadata) == 0 {
		refuse("no model: give --model as NAME:VERSION, or as a file with NAME:VERSION=PATH")
	}
	if !p.hasCode() {
		refuse("no code: give --inference-config-file or --entry-script")
	}
	switch {
	case p.outputPath != "" && p.imageName+p.imageLabel != "":
		refuse("--image-name and --image-label are of an image, and --output-path writes a folder: leave one out")
	case p.outputPath == "" && p.registry == "":
		refuse("no registry to push the image to: name one with --registry or AML_REGISTRY, or a folder with --output-path")
	case p.outputPath == "" && image.CheckRegistry(p.registry) == nil:
		if err := image.CheckName(p.registryFlags.path(cmp.Or(p.imageName, "name")), p.imageLabel); err != nil {
			errs = append(errs, usageError{err})
		}
	}
	return errors.Join(errs...)
}

func (o *options) modelPackage(ctx context.Context, p *packageFlags) error {
	a := &azureCommand{options: o, azureFlags: p.azureFlags}
	if err := a.begin(""); err != nil {
		return err
	}
	if err := p.checkPackage(o); err != nil {
		return err
	}
	if p.noWait {
		a.tell("note: --no-wait is not used: nothing goes on elsewhere")
	}
	work := &plan{}
	err := errors.Join(work.code(ctx, a.options, &p.deployFlags), work.modelsOf(a.options, &p.deployFlags))
	if err != nil {
		return err
	}
	work.source.Variables = work.standalone()
	if keys := slices.Sorted(maps.Keys(work.source.Variables)); len(keys) > 0 {
		a.tell("note: who can read the image can read the variables of the environment: %s", strings.Join(keys, ", "))
	}
	made, err := a.packageOf(ctx, work, p)
	if err != nil {
		return err
	}
	return a.print(made)
}

// standalone are the variables that a deployment would set.
func (p *plan) standalone() map[string]string {
	variables := maps.Clone(p.version.Env)
	if p.version.Workers > 0 {
		if variables == nil {
			variables = map[string]string{}
		}
		variables["WORKER_COUNT"] = strconv.Itoa(p.version.Workers)
	}
	return variables
}

// packageOf writes the folder, or pushes the image.
func (o *options) packageOf(ctx context.Context, work *plan, p *packageFlags) (packaged, error) {
	opts, err := o.imageAccess(work, &p.sourceFlags)
	if err != nil {
		return packaged{}, err
	}
	if p.outputPath != "" {
		if work.source.Environment, err = o.environmentImage(ctx, work, &p.sourceFlags, false); err != nil {
			return packaged{}, err
		}
		made, err := image.WriteContext(ctx, work.source, o.path(p.outputPath), opts)
		if err == nil && inFolder(made.Environment) {
			o.tell("note: the Dockerfile begins with an image in %s, which docker build does not find: name a registry with "+
				"--registry or AML_REGISTRY", o.imageFolder())
		}
		return packaged{Location: o.path(p.outputPath), Environment: made.Environment, Models: made.Models}, o.noModel(err)
	}
	if inFolder(p.registry) {
		o.tell("image: no registry: images are in %s", o.imageFolder())
	}
	name := cmp.Or(p.imageName, strings.ToLower(work.source.Models[0].Name))
	work.endpoint = name
	if err := o.pack(ctx, work, &p.deployFlags, opts, false); err != nil {
		return packaged{}, err
	}
	made := packaged{Location: work.version.Image, Environment: work.source.Environment, Models: work.version.Models}
	if p.imageLabel == "" {
		return made, nil
	}
	tag, err := image.Tag(ctx, made.Location, p.imageLabel, opts)
	if err != nil {
		return made, fmt.Errorf("image %s is pushed, but %w", made.Location, err)
	}
	made.Tag = tag
	return made, nil
}
