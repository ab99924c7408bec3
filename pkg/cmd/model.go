// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// newModel is the parent of everything about models.
func newModel(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "model",
		Short: "Register models in a registry, see what is there, and deploy them",
		Args:  exactArgs(0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newModelRegister(o), newModelList(o), newModelShow(o), newModelUpdate(o), newModelDelete(o),
		newModelDownload(o), newModelDeploy(o))
	return c
}

// modelFlags are the flags of every command about registered models.
type modelFlags struct {
	workspaceFlags
	registry string
	insecure bool
	output   string
}

func (m *modelFlags) add(c *cobra.Command, getenv func(string) string) {
	m.workspaceFlags.add(c)
	f := c.Flags()
	f.StringVar(&m.registry, "registry", getenv("AML_REGISTRY"), "Where the models are, as HOST[/PATH] "+
		"(default: $AML_REGISTRY)")
	f.BoolVar(&m.insecure, "insecure-registry", false, "Speak to the registry without TLS; not needed for one "+
		"on this machine")
	f.StringVarP(&m.output, "output", "o", "", "Output format. One of: table, json, yaml, name")
}

// open returns the models in the registry that the flags name, and the format of
// the answer.
func (m *modelFlags) open(o *options) (image.Models, printer.Format, error) {
	output := m.output
	if output == "table" {
		output = string(printer.Table)
	}
	format, err := printer.ParseFormat(output, printer.JSON, printer.YAML, printer.Name)
	if err != nil {
		return image.Models{}, format, usageError{err}
	}
	if m.registry == "" {
		return image.Models{}, format, usageError{errors.New("no registry to look into: " +
			"name one with --registry or AML_REGISTRY")}
	}
	m.remark(o)
	return image.Models{Registry: m.registry, Options: image.Options{Insecure: m.insecure, Clock: o.Clock,
		Log: func(line string) { o.tell("model: %s", line) }}}, format, nil
}

// modelRef is the model that an argument or --model-id names.
type modelRef struct{ id string }

func (r *modelRef) add(c *cobra.Command) {
	c.Flags().StringVarP(&r.id, "model-id", "i", "", "Model as NAME:VERSION, in place of the argument")
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

// printModels writes models in the format asked for. A single one is an object
// in JSON, several are a list, as in Azure ML.
func (o *options) printModels(models []image.Registered, single bool, f printer.Format) error {
	l := printer.Listing{Object: models, Empty: "No models found.", Columns: []printer.Column{
		{Name: "Name"}, {Name: "Version"}, {Name: "Framework"}, {Name: "Created"}, {Name: "Description"}}}
	if single {
		l.Object = models[0]
	}
	if models == nil {
		l.Object = []image.Registered{}
	}
	for _, m := range models {
		framework := strings.TrimSpace(m.Framework + " " + m.FrameworkVersion)
		l.Rows = append(l.Rows, []any{m.Name, m.Version, orNone(framework),
			m.CreatedTime.Format("2006-01-02T15:04:05Z"), orNone(m.Description)})
		l.Names = append(l.Names, m.ID)
	}
	return l.Print(o.Streams.Out, o.Streams.ErrOut, f)
}

func orNone(text string) string {
	if text == "" {
		return "<none>"
	}
	return text
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
