// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// validateFlags are the flags of validate.
type validateFlags struct {
	sourceFlags
	output string
	doLoad bool
}

func newValidate(o *options) *cobra.Command {
	f := &validateFlags{}
	c := &cobra.Command{
		Use:   "validate [FOLDER]",
		Short: "Check Azure ML v1's files without a cluster",
		Long: "Check Azure ML v1's files as deploy would read them, without a cluster, and list everything that is\n" +
			"wrong with any of them: file, line and column, field, what is wrong, what to write. A FOLDER stands for the\n" +
			"inferenceconfig and all deploymentconfig files in it, and paths in them start there.\n\n" +
			"With a python3 on the PATH, the entry script is compiled, too; nothing of it is executed unless --import is\n" +
			"given. The registry and the environment image are looked up unless --offline is given.\n\n" +
			"The exit code is 1 if deploy would refuse the files, else 0.",
		Example: "  # A folder, on its own\n" +
			"  kubectl aml validate examples/diabetes --offline\n\n" +
			"  # What deploy would be given\n" +
			"  kubectl aml validate --inference-config inferenceconfig.json --deploy-config deploymentconfig.json -m model.pkl",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			format, err := printer.ParseFormat(f.output, printer.JSON, printer.YAML)
			if err != nil {
				return usageError{err}
			}
			v, err := o.validation(strings.Join(args, ""), f)
			if err != nil {
				return err
			}
			v.run(c.Context())
			return v.answer(o, format)
		},
	}
	f.add(c, o)
	f.addOwn(c)
	return c
}

// addOwn adds the flags that are validate's own.
func (f *validateFlags) addOwn(c *cobra.Command) {
	c.Flags().StringVarP(&f.output, "output", "o", "", "Output format. One of: json, yaml")
	c.Flags().BoolVar(&f.offline, "offline", false, "Ask no registry")
	c.Flags().BoolVar(&f.doLoad, "import", false, "Import the entry script with the python3 on the PATH, too: this "+
		"executes what stands at its top")
}

// validation is one look at a set of files.
type validation struct {
	options
	flags       *deployFlags
	validate    *validateFlags
	deployFiles []string
	// folder is put before the names of files in findings.
	folder   string
	plan     plan
	findings []problem
}

// problem is a finding of any of the files, for machines.
type problem struct {
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Field    string `json:"field,omitempty"`
	Message  string `json:"message"`
	text     string
}

// validation finds out which files are looked at.
func (o *options) validation(folder string, f *validateFlags) (*validation, error) {
	v := &validation{options: *o, validate: f, flags: &deployFlags{sourceFlags: f.sourceFlags}, folder: folder}
	if folder != "" {
		v.Dir = o.path(folder)
		if err := v.find(); err != nil {
			return nil, err
		}
	}
	if f.deployConfig != "" {
		v.deployFiles = []string{f.deployConfig}
	}
	if v.flags.inferenceConfig == "" && f.entryScript == "" && len(v.deployFiles)+len(f.models) == 0 {
		return nil, usageError{errors.New("nothing to check: name a folder, or files with --inference-config, " +
			"--deploy-config and --model")}
	}
	return v, nil
}

// find looks for files with the usual names.
func (v *validation) find() error {
	entries, err := os.ReadDir(v.Dir)
	if err != nil {
		return fmt.Errorf("the folder cannot be read: %w", err)
	}
	for _, e := range entries {
		name := plainName(e.Name())
		switch {
		case e.IsDir() || !slices.Contains([]string{".json", ".yml", ".yaml"}, filepath.Ext(name)):
		case strings.HasPrefix(name, "inferenceconfig"):
			v.flags.inferenceConfig = cmp.Or(v.flags.inferenceConfig, e.Name())
		case strings.HasPrefix(name, "deploymentconfig"):
			v.deployFiles = append(v.deployFiles, e.Name())
		}
	}
	if v.flags.inferenceConfig == "" && len(v.deployFiles) == 0 {
		return fmt.Errorf("%s has no inferenceconfig.json and no deploymentconfig.json: name the files with "+
			"--inference-config and --deploy-config", v.folder)
	}
	return nil
}

// plainName is a file's name without the signs that people write in it.
func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// run reads everything, as deploy does, and keeps what is found.
func (v *validation) run(ctx context.Context) {
	var warned amlv1.Findings
	v.warned = &warned
	for _, file := range v.deployFiles {
		v.flags.deployConfig = file
		config, err := v.deploymentConfig(v.flags)
		if err == nil {
			err = v.plan.service(&v.options, v.flags, config)
		}
		v.failed(err)
	}
	if v.flags.inferenceConfig != "" || v.flags.entryScript != "" {
		v.failed(v.plan.code(ctx, &v.options, v.flags))
	}
	v.failed(v.plan.modelsOf(&v.options, v.flags))
	v.script(ctx)
	if !v.validate.offline {
		v.registries(ctx)
	} else if v.registered() {
		v.tell("note: models without a path are taken for registered ones: they were not looked up")
	}
	for _, w := range warned {
		v.found(w)
	}
	slices.SortStableFunc(v.findings, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// script has Python look at the entry script.
func (v *validation) script(ctx context.Context) {
	code := v.plan.source.Code
	if code.Script == "" {
		return
	}
	python := ""
	if v.Python != nil {
		python = v.Python()
	}
	if python == "" {
		v.tell("note: there is no python3 on the PATH: the script was not compiled")
		return
	}
	shown, err := filepath.Rel(v.Dir, code.Script)
	if err != nil {
		shown = code.Script
	}
	s := script{python: python, code: code, shown: shown}
	findings, err := s.check(ctx)
	v.failed(err)
	if v.validate.doLoad && findings.Err() == nil && err == nil {
		loaded, err := s.load(ctx)
		v.failed(err)
		findings = append(findings.Warnings(), loaded...)
	}
	for _, f := range findings {
		v.found(f)
	}
}

// registries are asked whether they are there and have the environment image.
func (v *validation) registries(ctx context.Context) {
	opts, err := v.flags.access(&v.options, "image")
	if err != nil {
		v.failed(err)
		return
	}
	switch {
	case v.flags.image != "":
		_, err := image.Resolve(ctx, v.flags.image, opts)
		v.failed(err)
		return
	case v.plan.environment != nil:
		v.environment(ctx)
	case v.plan.source.Environment != "":
		_, err := image.Resolve(ctx, v.plan.source.Environment, opts)
		v.failed(err)
	}
	if v.flags.registry == "" {
		v.tell("note: no registry is named with --registry or AML_REGISTRY: none was looked up")
		return
	}
	v.failed(image.Reach(ctx, v.flags.path("endpoint"), opts))
	if v.registered() {
		_, err := v.plan.source.Resolve(ctx, opts)
		v.failed(err)
	}
}

// environment looks up what the environment starts from and, if a registry is named,
// whether the environment is there.
func (v *validation) environment(ctx context.Context) {
	s, err := v.site(&v.flags.sourceFlags, *v.plan.environment)
	if err != nil {
		v.failed(err)
		return
	}
	pinned, err := s.pin(ctx, *v.plan.environment)
	if err != nil || v.flags.registry == "" {
		v.failed(err)
		return
	}
	found, err := s.find(ctx, pinned)
	v.failed(err)
	if err == nil && found == "" {
		v.tell("note: the environment is in no registry: deploy builds it")
	}
}

// registered tells whether there are models in registries.
func (v *validation) registered() bool {
	return slices.ContainsFunc(v.plan.source.Models, func(m image.Model) bool {
		_, artifact := m.Artifact()
		return artifact || m.Path == ""
	})
}

// failed keeps every error that err is made of.
func (v *validation) failed(err error) {
	var finding amlv1.Finding
	many, joined := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
	case joined:
		for _, e := range many.Unwrap() {
			v.failed(e)
		}
	case errors.As(err, &finding):
		v.found(finding)
	default:
		v.findings = append(v.findings, problem{Severity: "error", Message: err.Error(), text: err.Error()})
	}
}

func (v *validation) found(f amlv1.Finding) {
	if f.File != "" && !filepath.IsAbs(f.File) {
		f.File = filepath.Join(v.folder, f.File)
	}
	p := problem{Severity: "error", File: f.File, Line: f.Line, Column: f.Column, Field: f.Field, Message: f.Message,
		text: f.String()}
	if f.Warning {
		p.Severity = "warning"
	}
	v.findings = append(v.findings, p)
}

// answer lists what was found, and is an error if deploy would refuse it.
func (v *validation) answer(o *options, format printer.Format) error {
	bad := 0
	for _, p := range v.findings {
		if p.Severity == "error" {
			bad++
		}
		if format == printer.Table {
			o.answer("%s: %s", p.Severity, p.text)
		}
	}
	if format != printer.Table {
		list := printer.Listing{Object: append([]problem{}, v.findings...)}
		if err := list.Print(o.Streams.Out, o.Streams.ErrOut, format); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%s, %s: correct the errors and validate again", counted(bad, "error"),
			counted(len(v.findings)-bad, "warning"))
	}
	o.tell("%s, %s: deploy takes these files", counted(bad, "error"), counted(len(v.findings), "warning"))
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
