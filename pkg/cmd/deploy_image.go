// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// build makes the image of the version, or finds the digest of a ready one. A
// dry run pushes nothing: it names the environment's image in place of the one
// that would be made.
func (o *options) build(ctx context.Context, p *plan, f *deployFlags, dryRun release.DryRun) error {
	opts := image.Options{Insecure: f.insecureRegistry, Log: func(line string) { o.tell("image: %s", line) }}
	if f.image != "" {
		pinned, err := image.Resolve(ctx, f.image, opts)
		p.version.Image = pinned
		return err
	}
	if dryRun != release.DryRunNone {
		return o.pretend(ctx, p, opts)
	}
	repository := strings.TrimSuffix(f.registry, "/") + "/" + p.endpoint
	made, err := image.Package(ctx, p.source, repository, opts)
	if err != nil {
		return err
	}
	if made.Ignored > 0 && made.IgnoreFile != "" {
		o.tell("image: %s keeps %d files and folders out", made.IgnoreFile, made.Ignored)
	}
	o.tell("image: %s (%d blobs sent, %d there already)", made.Reference, made.Uploaded, made.Skipped)
	p.version.Image = made.Reference
	p.version.EntryScript, p.version.SourceDirectory = made.EntryScript, made.SourceDirectory
	p.version.ModelDir, p.version.Models = made.ModelDir, append([]string{}, made.Models...)
	return nil
}

// pretend finds what the image would be made of.
func (o *options) pretend(ctx context.Context, p *plan, opts image.Options) error {
	o.tell("note: no image is made in a dry run: %s stands in its place", p.source.Environment)
	found, err := p.source.Resolve(ctx, opts)
	if err != nil {
		return err
	}
	p.version.Models = append([]string{}, found.Labels()...)
	p.version.Image, err = image.Resolve(ctx, p.source.Environment, opts)
	return err
}
