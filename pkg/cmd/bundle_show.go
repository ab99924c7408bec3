// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/bundle"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// bundleShown is what is told of a bundle.
type bundleShown struct {
	Endpoint string `json:"endpoint"`
	// Chart is the version of the chart.
	Chart string `json:"chart"`
	// Size is that of the file, in bytes.
	Size     int64            `json:"size"`
	Versions []bundledVersion `json:"versions"`
	Images   []bundledImage   `json:"images"`
}

// bundledVersion is a version in a bundle.
type bundledVersion struct {
	Name    string   `json:"name"`
	Default bool     `json:"default"`
	Models  []string `json:"models"`
	Image   string   `json:"image"`
	// ModelImage is the image with the models, if they are not in Image.
	ModelImage string `json:"modelImage,omitempty"`
}

// bundledImage is an image in a bundle and what it is for.
type bundledImage struct {
	bundle.Image
	// For are "router", "limiter" and the names of versions.
	For []string `json:"for"`
}

func newBundleShow(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Tell what is in a bundle",
		Long: "Tell what is in a bundle: the endpoint, its versions and their models, the images with digest, size and\n" +
			"platform, and the lists of packages that are attached to them. Everything that there is to be is there;\n" +
			"only bundle load reads the layers of images and checks their digests. No cluster is needed.",
		Example: "  kubectl aml bundle show diabetes.aml.tar\n\n" +
			"  # The images by digest, a line each\n" +
			"  kubectl aml bundle show diabetes.aml.tar -o name",
		Args: exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.bundleShow(args[0], output) },
	}
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: wide, json, yaml, name")
	return c
}

func (o *options) bundleShow(file, output string) (err error) {
	format, err := printer.ParseFormat(output, printer.Wide, printer.JSON, printer.YAML, printer.Name)
	if err != nil {
		return usageError{err}
	}
	b, err := bundle.Open(o.path(file))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	values, err := bundled(b)
	if err != nil {
		return err
	}
	shown := shownOf(b, values)
	if format == printer.Table || format == printer.Wide {
		o.answer("Endpoint %s, chart %s, %s\n", b.Endpoint, b.Chart, megabytes(b.Size))
	}
	l := printer.Listing{Object: shown, Columns: []printer.Column{{Name: "Image"}, {Name: "For"}, {Name: "Models"},
		{Name: "Platform"}, {Name: "Size"}, {Name: "SBOM"}, {Name: "Source", Wide: true}}}
	for _, i := range shown.Images {
		l.Rows = append(l.Rows, []any{shortDigest(i.Reference, format), strings.Join(i.For, ","), shown.modelsFor(i),
			cmp.Or(i.Platform, "<none>"), megabytes(i.Size), sbomsOf(i, format), i.Source})
		l.Names = append(l.Names, i.Reference)
	}
	return l.Print(o.Streams.Out, o.Streams.ErrOut, format)
}

// shortDigest leaves out most of a digest unless there is room for it.
func shortDigest(ref string, format printer.Format) string {
	name, digest, _ := strings.Cut(ref, "@sha256:")
	if format == printer.Wide || len(digest) < 12 {
		return ref
	}
	return name + "@" + digest[:12]
}

// sbomsOf are the lists of packages of an image, by digest.
func sbomsOf(i bundledImage, format printer.Format) string {
	var all []string
	for _, s := range i.SBOMs {
		_, digest, _ := strings.Cut(shortDigest(s.Reference, format), "@")
		all = append(all, digest)
	}
	return cmp.Or(strings.Join(all, ","), "<none>")
}

func shownOf(b *bundle.Bundle, values chart.Values) bundleShown {
	s := bundleShown{Endpoint: b.Endpoint, Chart: b.Chart, Size: b.Size}
	uses := map[string][]string{values.Router.Image: {"router"}}
	uses[values.Limiter.Image] = append(uses[values.Limiter.Image], "limiter")
	for _, name := range slices.Sorted(maps.Keys(values.Versions)) {
		v := values.Versions[name]
		uses[v.Image] = append(uses[v.Image], name)
		if v.ModelImage != "" {
			uses[v.ModelImage] = append(uses[v.ModelImage], name)
		}
		s.Versions = append(s.Versions, bundledVersion{Name: name, Default: name == values.DefaultVersion,
			Models: append([]string{}, v.Models...), Image: v.Image, ModelImage: v.ModelImage})
	}
	for _, i := range b.Images {
		s.Images = append(s.Images, bundledImage{Image: i, For: append([]string{}, uses[i.Reference]...)})
	}
	return s
}

// modelsFor are the models in an image.
func (s bundleShown) modelsFor(i bundledImage) string {
	var models []string
	for _, v := range s.Versions {
		if cmp.Or(v.ModelImage, v.Image) == i.Reference {
			models = append(models, v.Models...)
		}
	}
	slices.Sort(models)
	if models = slices.Compact(models); len(models) == 0 {
		return "<none>"
	}
	return strings.Join(models, ",")
}
