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
	ready := f.image
	if ready == "" && dryRun != release.DryRunNone {
		o.tell("note: no image is made in a dry run: %s stands in its place", p.source.Environment)
		ready = p.source.Environment
	}
	opts := image.Options{Insecure: f.insecureRegistry, Log: func(line string) { o.tell("image: %s", line) }}
	if ready != "" {
		pinned, err := image.Resolve(ctx, ready, opts)
		p.version.Image = pinned
		return err
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
	p.version.ModelDir = made.ModelDir
	return nil
}
