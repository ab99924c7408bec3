// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// build makes the image of the version, or finds the digest of a ready one. A
// dry run pushes nothing, but names the image that would be pushed by its digest.
func (o *options) build(ctx context.Context, p *plan, f *deployFlags, dryRun release.DryRun) error {
	opts, err := o.imageAccess(p, &f.sourceFlags)
	if err != nil {
		return err
	}
	if err := o.admitModelVolume(ctx, p, f); err != nil {
		return err
	}
	var nodes *nodes
	if dryRun == release.DryRunNone {
		if err := o.admitNamespace(ctx); err != nil {
			return err
		}
		if nodes, err = o.nodesOf(ctx, p, f); err != nil {
			return err
		}
	}
	if f.image != "" {
		pinned, err := image.Resolve(ctx, f.image, opts)
		if err != nil {
			return err
		}
		p.version.Image = pinned
		if p.version.ModelImage != "" {
			o.tell("note: the models stay mounted, over what the image has in %s: to have its own, give it with kubectl aml "+
				"deploy", endpoint.ModelsRoot)
		}
		return nodes.loadFor(ctx, o, p, opts)
	}
	if err := o.pack(ctx, p, f, opts, dryRun != release.DryRunNone); err != nil {
		return err
	}
	return nodes.loadFor(ctx, o, p, opts)
}

// admitNamespace refuses a namespace that is not there before anybody waits for an
// image. Who may not look is told by the deployment.
func (o *options) admitNamespace(ctx context.Context) error {
	s, err := o.connect()
	if err != nil {
		return err
	}
	_, err = s.Kube.CoreV1().Namespaces().Get(ctx, s.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace %[1]q does not exist: create it with: kubectl create namespace %[1]s", s.Namespace)
	}
	return nil
}

// pack makes the image of code and models, with the environment if that is
// nowhere. In a dry run nothing is built or pushed.
func (o *options) pack(ctx context.Context, p *plan, f *deployFlags, opts image.Options, dry bool) error {
	var err error
	p.source.Environment, err = o.environmentImage(ctx, p, &f.sourceFlags, dry)
	if err != nil {
		return err
	}
	if p.source.Environment == "" {
		p.unmade(f.path(p.endpoint))
		o.tell("image: the environment is in no registry and is not built in a dry run: zeros stand for the image's digest")
		return nil
	}
	pack, start := image.Package, o.Clock.Now()
	if dry {
		pack = image.Describe
	}
	made, err := pack(ctx, p.source, f.path(p.endpoint), opts)
	if err != nil {
		return o.noModel(err)
	}
	if made.Ignored > 0 && made.IgnoreFile != "" {
		o.tell("image: %s keeps %d files and folders out", made.IgnoreFile, made.Ignored)
	}
	for _, m := range p.source.Models {
		if m.Path == "" && m.Version == 0 {
			o.tell("image: model %s is %s, its highest version", m.Name, highest(made.Models, m.Name))
		}
	}
	if made.ModelImage != "" {
		o.tell("image: the models are mounted from %s", made.ModelImage)
	}
	if dry {
		o.tell("image: %s, which is not pushed in a dry run", made.Reference)
	} else {
		o.tell("image: %s (%d blobs sent, %d there already, %.1f s)", made.Reference, made.Uploaded, made.Skipped,
			o.Clock.Since(start).Seconds())
	}
	p.made(made)
	return nil
}

// highest is the last NAME:VERSION of those in order that has the name.
func highest(labels []string, name string) string {
	for _, label := range slices.Backward(labels) {
		if strings.HasPrefix(label, name+":") {
			return label
		}
	}
	return name
}

// noModel says of a model without a version that it might have been a path.
func (o *options) noModel(err error) error {
	var none *image.NoModelError
	if errors.As(err, &none) && len(none.Versions) == 0 && !strings.Contains(none.Model, ":") {
		return fmt.Errorf("%w; nor is there a file or folder %s", err, o.path(none.Model))
	}
	return err
}
