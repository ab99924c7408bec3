// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// sbomFlags say of which image the packages are wanted.
type sbomFlags struct {
	registryFlags
	versionName string
}

func newSBOM(o *options) *cobra.Command {
	s := &sbomFlags{}
	c := &cobra.Command{
		Use:   "sbom ENDPOINT|IMAGE",
		Short: "List the packages in the image of a version",
		Long: "List the packages in the image of a version, or in any image in a registry: those of Python, Debian and\n" +
			"conda, as CycloneDX in JSON, which scanners of vulnerabilities read. A list that is attached to the image or\n" +
			"to its environment is printed as it is; else one is made, for which the image's layers are read, but not\n" +
			"those of models.",
		Example: "  # The packages that the default version runs with\n" +
			"  kubectl aml sbom diabetes > diabetes.cdx.json\n\n" +
			"  # Those in an image\n" +
			"  kubectl aml sbom registry.example.com/ml/diabetes@sha256:…",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE:              func(c *cobra.Command, args []string) error { return o.sbom(c.Context(), args[0], s) },
	}
	c.Flags().StringVar(&s.versionName, "version-name", "", "Version of the endpoint (default: the default version)")
	o.completeVersionFlag(c)
	s.reach(c)
	return c
}

func (o *options) sbom(ctx context.Context, name string, f *sbomFlags) error {
	if err := f.check(o); err != nil {
		return err
	}
	if !strings.ContainsAny(name, "/:@") {
		ref, err := o.imageOfVersion(ctx, name, f.versionName)
		if err != nil {
			return err
		}
		name = ref
	} else if f.versionName != "" {
		return usageError{errors.New("--version-name is of an endpoint, and an image is named: leave one out")}
	}
	opts, err := f.access(o, "sbom")
	if err != nil {
		return err
	}
	text, err := image.AttachedSBOM(ctx, name, opts)
	var none *image.NoSBOMError
	if errors.As(err, &none) {
		o.tell("sbom: none is attached to %s: its layers are read", none.Image)
		text, err = image.MakeSBOM(ctx, name, opts)
	}
	if err != nil {
		return err
	}
	_, err = o.Streams.Out.Write(text)
	return err
}

// imageOfVersion is the image of a version in force.
func (o *options) imageOfVersion(ctx context.Context, name, version string) (string, error) {
	s, err := o.connect()
	if err != nil {
		return "", err
	}
	d, err := s.endpoint(ctx, name)
	if err != nil {
		return "", err
	}
	if version == "" {
		version = d.Default
	}
	v, ok := d.Versions[version]
	if !ok {
		return "", fmt.Errorf("endpoint %q has no version %q: there is %s", name, version,
			strings.Join(d.VersionNames(), ", "))
	}
	return v.Image, nil
}
