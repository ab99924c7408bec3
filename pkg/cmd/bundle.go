// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/bundle"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

func newBundle(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Carry an endpoint to a cluster with no way out, in one file",
		Long: "Carry an endpoint to a cluster with no way out, in one file: the chart, its values, and all images by\n" +
			"digest, with the models in them and the lists of packages that are attached to them. The file is a tar of an\n" +
			"OCI image layout, which oras, skopeo and crane read, too. There are no keys, certificates or logins in it.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBundleCreate(o), newBundleLoad(o), newBundleShow(o))
	return c
}

// bundled are the values in a bundle.
func bundled(b *bundle.Bundle) (chart.Values, error) {
	values, err := valuesIn(b)
	if err != nil {
		return values, &bundle.FileError{File: b.File, Err: fmt.Errorf("its values, of chart %s: %w", b.Chart, err),
			Advice: "read it with the kubectl aml that made it, or make it anew with kubectl aml bundle create"}
	}
	return values, nil
}

func valuesIn(b *bundle.Bundle) (chart.Values, error) {
	var tree map[string]any
	if err := yaml.UnmarshalStrict(b.Values, &tree); err != nil {
		return chart.Values{}, err
	}
	values, err := chart.ParseValues(tree)
	if err != nil {
		return values, err
	}
	errs := []error{endpoint.ValidateName("endpoint", b.Endpoint)}
	for _, name := range slices.Sorted(maps.Keys(values.Versions)) {
		errs = append(errs, endpoint.ValidateName("version", name))
		for _, model := range values.Versions[name].Models {
			if strings.ContainsFunc(model, func(r rune) bool { return !unicode.IsPrint(r) }) {
				errs = append(errs, fmt.Errorf("model %q of version %s is none", model, name))
			}
		}
	}
	return values, errors.Join(errs...)
}

// imagesOf are those that the objects of an endpoint name.
func imagesOf(values chart.Values, name, namespace string) ([]string, error) {
	tree, err := values.Map()
	if err != nil {
		return nil, err
	}
	m, err := chart.Render(tree, chart.RenderOptions{Name: name, Namespace: namespace})
	if err != nil {
		return nil, err
	}
	return m.Images()
}

// onlyImages refuses values whose objects name other images than those.
func onlyImages(values chart.Values, name, namespace string, allowed []string) error {
	named, err := imagesOf(values, name, namespace)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(named, func(image string) bool { return slices.Contains(allowed, image) })
	if len(others) > 0 {
		return fmt.Errorf("the endpoint would run %s, which the bundle does not have: leave that to the images in the bundle",
			strings.Join(others, ", "))
	}
	return nil
}

// megabytes are bytes as people read them.
func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
