// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// build makes the image of the version, or finds the digest of a ready one. A
// dry run pushes nothing, but names the image that would be pushed by its digest.
func (o *options) build(ctx context.Context, p *plan, f *deployFlags, dryRun release.DryRun) error {
	opts, err := f.access(o, "image")
	if err != nil {
		return err
	}
	var nodes *nodes
	if dryRun == release.DryRunNone {
		if nodes, err = o.nodesFor(cmp.Or(f.image, f.registry)); err != nil {
			return err
		}
	}
	if f.image != "" {
		pinned, err := image.Resolve(ctx, f.image, opts)
		if err != nil {
			return err
		}
		p.version.Image = pinned
		return nodes.load(ctx, o, pinned, opts)
	}
	p.source.Environment, err = o.environmentImage(ctx, p, &f.sourceFlags, dryRun != release.DryRunNone)
	if err != nil {
		return err
	}
	if p.source.Environment == "" {
		p.version.Image = unbuilt(f.path(p.endpoint))
		o.tell("image: the environment is in no registry and is not built in a dry run: zeros stand for the image's digest")
		return nil
	}
	pack := image.Package
	if dryRun != release.DryRunNone {
		pack = image.Describe
	}
	made, err := pack(ctx, p.source, f.path(p.endpoint), opts)
	if err != nil {
		return err
	}
	if made.Ignored > 0 && made.IgnoreFile != "" {
		o.tell("image: %s keeps %d files and folders out", made.IgnoreFile, made.Ignored)
	}
	if dryRun == release.DryRunNone {
		o.tell("image: %s (%d blobs sent, %d there already)", made.Reference, made.Uploaded, made.Skipped)
	} else {
		o.tell("image: %s, which is not pushed in a dry run", made.Reference)
	}
	p.version.Image = made.Reference
	p.version.EntryScript, p.version.SourceDirectory = made.EntryScript, made.SourceDirectory
	p.version.ModelDir, p.version.Models = made.ModelDir, append([]string{}, made.Models...)
	return nodes.load(ctx, o, made.Reference, opts)
}
