// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// What --model-mount is given: where the models of a version are.
const (
	mountImage  = "image"
	mountVolume = "volume"
)

// addModelMount gives c the flag for where models are.
func (s *sourceFlags) addModelMount(c *cobra.Command) {
	c.Flags().StringVar(&s.modelMount, "model-mount", "", "Where the models are: image, as layers of the version's "+
		"image, or volume, in an image of their own that is mounted; needs Kubernetes 1.35 (default: image; an update "+
		"keeps what the version has)")
	_ = c.RegisterFlagCompletionFunc("model-mount",
		cobra.FixedCompletions([]string{mountImage, mountVolume}, cobra.ShellCompDirectiveNoFileComp))
}

// checkModelMount refuses what --model-mount cannot be.
func (s *sourceFlags) checkModelMount() error {
	switch {
	case s.modelMount == "":
		return nil
	case s.modelMount != mountImage && s.modelMount != mountVolume:
		return usageError{fmt.Errorf("--model-mount %q: write %s or %s", s.modelMount, mountImage, mountVolume)}
	case s.image != "":
		return usageError{errors.New("--image brings its model with it: leave out --model-mount, or the image")}
	}
	return nil
}

// mountModels puts the models where --model-mount says.
func (p *plan) mountModels(f *deployFlags) error {
	if f.modelMount != mountVolume {
		return nil
	}
	p.source.ModelVolume = true
	if len(p.source.Models) == 0 && f.image == "" {
		return usageError{errors.New("--model-mount volume mounts models: give them with --model")}
	}
	return nil
}

// admitModelVolume refuses, before anything is built or pushed, models as a
// volume on a cluster that does not mount them.
func (o *options) admitModelVolume(ctx context.Context, p *plan, f *deployFlags) error {
	if !p.source.ModelVolume {
		return nil
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	return o.mountsImages(ctx, s, unbuilt(f.path(p.endpoint)))
}

// mountsImages refuses a cluster that cannot mount an image as a volume.
func (o *options) mountsImages(ctx context.Context, s *Session, ref string) error {
	err := compute.CheckImageVolumes(ctx, s.Kube, s.Namespace, ref)
	var unsure *compute.UnsureError
	if errors.As(err, &unsure) {
		o.tell("warning: whether the cluster can mount models as a volume is not known: %v", err)
		return nil
	}
	return err
}

// keepModels decides what becomes of the models of a version that gets new code.
// Without new ones, those of a volume stay as they are, also if they came from a
// file; those in the image are put into the new one.
func (p *plan) keepModels(f *deployFlags, now endpoint.Version) error {
	given := len(f.models)+len(f.modelMetadata) > 0
	switch {
	case f.image != "":
		return nil
	case !given && now.ModelImage != "" && f.modelMount != mountImage:
		p.kept, f.modelMount = &now, ""
		return nil
	case !given:
		if err := registered(p.versionName, now.Models); err != nil {
			return err
		}
		f.models = now.Models
	}
	if now.ModelImage != "" {
		f.modelMount = cmp.Or(f.modelMount, mountVolume)
	}
	return nil
}

// made takes over what was packed, and the models that stay as they are.
func (p *plan) made(i image.Image) {
	v := &p.version
	v.Image, v.ModelImage, v.ModelDir = i.Reference, i.ModelImage, i.ModelDir
	v.EntryScript, v.SourceDirectory = i.EntryScript, i.SourceDirectory
	v.Models = append([]string{}, i.Models...)
	if p.kept != nil {
		v.ModelImage, v.ModelDir, v.Models = p.kept.ModelImage, p.kept.ModelDir, p.kept.Models
	}
}

// unmade stands for what a dry run cannot know.
func (p *plan) unmade(repository string) {
	p.version.Image = unbuilt(repository)
	switch {
	case p.kept != nil:
		p.version.ModelImage, p.version.ModelDir, p.version.Models = p.kept.ModelImage, p.kept.ModelDir, p.kept.Models
	case p.source.ModelVolume:
		p.version.ModelImage, p.version.ModelDir = p.version.Image, endpoint.ModelsRoot
	}
}
