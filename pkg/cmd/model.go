// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// newModel is the parent of everything about models.
func newModel(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "model",
		Short: "Register models in a registry, see what is there, and deploy them",
		Long: "Azure ML v1's commands for models, as az ml has them: flags, answers, -o and --query. Registered models\n" +
			"are artifacts in the registry, REGISTRY/models/NAME.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newModelRegister(o), newModelList(o), newModelShow(o), newModelUpdate(o), newModelDelete(o),
		newModelDownload(o), newModelDeploy(o), newModelPackage(o))
	return c
}

// modelCommand is a command about registered models at work.
type modelCommand struct {
	azureCommand
	registryFlags
}

func (m *modelCommand) add(c *cobra.Command, o *options) {
	m.options = o
	m.azureFlags.add(c)
	m.addPrinting(c, o.Getenv)
	m.registryFlags.add(c, o.Getenv, "Where the models are")
}

// open checks the flags and returns the models in the registry that they name.
func (m *modelCommand) open() (image.Models, error) {
	if err := m.begin(""); err != nil {
		return image.Models{}, err
	}
	if m.registry == "" {
		return image.Models{}, usageError{errors.New("no registry to look into: name one with --registry or AML_REGISTRY")}
	}
	if err := m.check(m.options); err != nil {
		return image.Models{}, err
	}
	if inFolder(m.registry) {
		m.tell("model: no registry: models are in %s", m.imageFolder())
	}
	access, err := m.access(m.options, "model")
	return image.Models{Registry: m.registry, Options: access}, err
}

// named is open with the model that the arguments name.
func (m *modelCommand) named(c *cobra.Command, ref modelRef, args []string) (image.Models, image.Model, error) {
	model, err := ref.parse(c, args)
	if err != nil {
		return image.Models{}, model, err
	}
	models, err := m.open()
	return models, model, err
}

// modelRef is the model that an argument or --model-id names.
type modelRef struct{ id string }

func (r *modelRef) add(c *cobra.Command, m *modelCommand) {
	c.Flags().StringVarP(&r.id, "model-id", "i", "", "Model as NAME:VERSION, in place of the argument")
	models := m.completeModels(&m.registryFlags, cobra.ShellCompDirectiveNoFileComp)
	_ = c.RegisterFlagCompletionFunc("model-id", models) // the only error is a second one
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return models(c, args, typed)
	}
}

func (r *modelRef) parse(c *cobra.Command, args []string) (image.Model, error) {
	if r.id != "" {
		args = append(args, r.id)
	}
	if len(args) != 1 {
		return image.Model{}, usageError{fmt.Errorf("%d models named where 1 belongs: write %s", len(args), c.UseLine())}
	}
	m, err := image.ParseReference(args[0])
	if err != nil {
		return m, usageError{fmt.Errorf("model %q: %w", args[0], err)}
	}
	return m, nil
}

// pairs reads NAME=VALUE, as often as the flag was given.
func pairs(flag string, texts []string) (map[string]string, error) {
	out := map[string]string{}
	var errs []error
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			errs = append(errs, usageError{fmt.Errorf("--%s %q: write NAME=VALUE", flag, text)})
			continue
		}
		out[key] = value
	}
	return out, errors.Join(errs...)
}

// resourceFlags say what a model needs.
type resourceFlags struct {
	cpu, memory float64
	gpu         int
}

func (r *resourceFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.Float64Var(&r.cpu, "cpu-cores", 0, "Cores that the model needs")
	f.Float64Var(&r.memory, "memory-gb", 0, "Memory that the model needs, in GB")
	f.IntVar(&r.gpu, "gpu-cores", 0, "GPUs that the model needs")
	short(c, "cpu-cores", "cc")
	short(c, "memory-gb", "gb")
	short(c, "gpu-cores", "gc")
}

// resources are nil when no flag was given. now are those that others keep.
func (r *resourceFlags) resources(c *cobra.Command, now *image.Resources) *image.Resources {
	out := image.Resources{}
	if now != nil {
		out = *now
	}
	f := c.Flags()
	if !f.Changed("cpu-cores") && !f.Changed("memory-gb") && !f.Changed("gpu-cores") {
		return nil
	}
	if f.Changed("cpu-cores") {
		out.CPU = r.cpu
	}
	if f.Changed("memory-gb") {
		out.MemoryInGB = r.memory
	}
	if f.Changed("gpu-cores") {
		out.GPU = r.gpu
	}
	return &out
}
