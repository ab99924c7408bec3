// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// modelsOf reads which models the version has.
func (p *plan) modelsOf(o *options, f *deployFlags) error {
	findings := []error{p.metadata(o, f)}
	for _, arg := range f.models {
		m, err := image.ParseModel(arg, o.exists)
		if err != nil {
			findings = append(findings, fmt.Errorf("model %q: %w", arg, err))
			continue
		}
		m.Path = o.modelPath(m)
		p.source.Models = append(p.source.Models, m)
	}
	p.source.Registry = f.registry
	findings = append(findings, p.mountModels(f))
	if f.image == "" {
		findings = append(findings, image.Check(p.source))
	}
	return errors.Join(findings...)
}

// modelPath is the path of a model as seen from the working directory. Artifacts and
// registered models have none.
func (o *options) modelPath(m image.Model) string {
	if _, artifact := m.Artifact(); artifact || m.Path == "" {
		return m.Path
	}
	return o.path(m.Path)
}

// metadata reads the models that files name.
func (p *plan) metadata(o *options, f *deployFlags) error {
	var errs []error
	for _, file := range f.modelMetadata {
		text, err := os.ReadFile(o.path(file))
		if err != nil {
			errs = append(errs, fmt.Errorf("the model metadata file cannot be read: %w: correct its path", err))
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
