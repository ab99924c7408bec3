// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/bundle"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// bundleCreateFlags are the flags of bundle create.
type bundleCreateFlags struct {
	deployFlags
	file, platform string
	overwrite      bool
	// fromFiles says that flags of deploy describe the endpoint, and no cluster does.
	fromFiles bool
}

// read finds out which flags were given.
func (f *bundleCreateFlags) read(c *cobra.Command) {
	f.roleGiven(c)
	own := []string{"file", "platform", "overwrite", "insecure-registry", "registry-ca"}
	c.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		f.fromFiles = f.fromFiles || flag.Changed && !slices.Contains(own, flag.Name)
	})
}

func newBundleCreate(o *options) *cobra.Command {
	f := &bundleCreateFlags{}
	c := &cobra.Command{
		Use:   "create ENDPOINT",
		Short: "Write an endpoint into one file",
		Long: "Write an endpoint as it runs into one file: the values in force, the chart, and every image that the\n" +
			"endpoint's objects name, pinned to its digest, with the list of its packages if one is attached. With flags\n" +
			"of deploy it is the endpoint that deploy would make of them, with one version: the image is pushed, no\n" +
			"cluster is asked, and nothing is deployed.\n\n" +
			"What is about a cluster stays behind: keys and their Secret, and the names of Secrets for pulling images.\n" +
			"The variables of versions are in the values, so they are in the file, which nobody but you may read. The\n" +
			"file appears when it is whole; the same endpoint gives the same bytes.",
		Example: "  kubectl aml bundle create diabetes --file diabetes.aml.tar\n\n" +
			"  # Images of all platforms, as their registries have them\n" +
			"  kubectl aml bundle create diabetes --platform all\n\n" +
			"  # From files, without a cluster\n" +
			"  kubectl aml bundle create diabetes -m model.pkl --inference-config inferenceconfig.json",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			f.read(c)
			return o.bundleCreate(c.Context(), args[0], f)
		},
	}
	f.addVersion(c, o)
	flags := c.Flags()
	flags.StringVar(&f.file, "file", "", "File to write (default: ENDPOINT.aml.tar)")
	flags.StringVar(&f.platform, "platform", "", "Platform of the cluster that it is for, as OS/ARCHITECTURE: of images "+
		"for several platforms that one is taken, or with "+bundle.AllPlatforms+" all of them (default: the platform of "+
		"the images that are for one only)")
	platforms := []string{bundle.AllPlatforms, "linux/amd64", "linux/arm64"}
	_ = c.RegisterFlagCompletionFunc("platform", // the only error is a second one
		cobra.FixedCompletions(platforms, cobra.ShellCompDirectiveNoFileComp))
	flags.BoolVar(&f.overwrite, "overwrite", false, "Replace a file that is there")
	return c
}

func (o *options) bundleCreate(ctx context.Context, name string, f *bundleCreateFlags) error {
	file := o.path(cmp.Or(f.file, name+".aml.tar"))
	if err := errors.Join(f.registryFlags.check(o), bundle.Free(file, f.overwrite)); err != nil {
		return err
	}
	d, err := o.toBundle(ctx, name, f)
	if err != nil {
		return err
	}
	opts, err := f.access(o, "bundle")
	if err != nil {
		return err
	}
	courier, err := image.NewCourier(ctx, opts)
	if err != nil {
		return err
	}
	e, err := o.endpointToBundle(ctx, d, f.platform, courier)
	if err != nil {
		return err
	}
	o.tell("bundle: reading %d images", len(e.Images.Images))
	o.tellUnlisted(e.Images.Unlisted)
	size, err := bundle.Write(ctx, courier, e, file, f.overwrite)
	if err != nil {
		return err
	}
	o.answer("%s created: endpoint %s, %d images, %s", cmp.Or(f.file, name+".aml.tar"), name, len(e.Images.Images),
		megabytes(size))
	return nil
}

// tellUnlisted tells which images come without a list of their packages.
func (o *options) tellUnlisted(without []*image.NoSBOMError) {
	var none []string
	for _, w := range without {
		if w.Err != nil {
			o.tell("warning: the list of packages of %s does not come along: %v", w.Image, w.Err)
			continue
		}
		none = append(none, w.Image)
	}
	if len(none) > 0 {
		o.tell("note: no list of packages is attached to %s: where the bundle is loaded, kubectl aml sbom makes it of the "+
			"layers", strings.Join(none, ", "))
	}
}

// toBundle is the endpoint in force, or the one that flags of deploy describe.
func (o *options) toBundle(ctx context.Context, name string, f *bundleCreateFlags) (deployed, error) {
	if f.fromFiles {
		return o.undeployed(ctx, name, &f.deployFlags)
	}
	s, err := o.connect()
	if err != nil {
		return deployed{}, err
	}
	return s.endpoint(ctx, name)
}

// undeployed is the endpoint that a first deploy would make.
func (o *options) undeployed(ctx context.Context, name string, f *deployFlags) (deployed, error) {
	p, err := o.plan(ctx, name, f)
	if err != nil {
		return deployed{}, err
	}
	p.versionName = cmp.Or(p.versionName, "main")
	if p.keys != (auth.Keys{}) {
		o.tell("note: the keys in the deployment config stay here: bundle load makes new ones")
	}
	opts, err := o.imageAccess(p, &f.sourceFlags)
	if err != nil {
		return deployed{}, err
	}
	if f.image != "" {
		p.version.Image, err = image.Resolve(ctx, f.image, opts)
	} else {
		err = o.pack(ctx, p, f, opts, false)
	}
	if err != nil {
		return deployed{}, err
	}
	return p.standsAlone(f)
}

// standsAlone is an endpoint with nothing but the version of p.
func (p *plan) standsAlone(f *deployFlags) (deployed, error) {
	values, err := chart.ParseValues(nil)
	if err != nil {
		return deployed{}, err
	}
	fresh, err := chart.FreshVersion()
	if err != nil {
		return deployed{}, err
	}
	base := values.Endpoint(p.endpoint)
	base.Purpose = cmp.Or(endpoint.Purpose(f.purpose), base.Purpose)
	e, err := p.apply(base, fresh)
	if err != nil {
		return deployed{}, err
	}
	packed, err := chart.Pack()
	return deployed{Endpoint: e, values: f.set(values.With(e, fresh)), release: release.Release{Name: p.endpoint,
		ChartVersion: packed.Version}}, err
}

// endpointToBundle finds everything that goes into the bundle of an endpoint.
func (o *options) endpointToBundle(
	ctx context.Context, d deployed, platform string, courier *image.Courier,
) (bundle.Endpoint, error) {
	packed, err := chart.Pack()
	if err != nil {
		return bundle.Endpoint{}, err
	}
	if is := d.release.ChartVersion; is != packed.Version {
		o.tell("note: the endpoint runs with chart %s, and the bundle gets chart %s, this plugin's", is, packed.Version)
	}
	values := o.portable(d)
	names, err := imagesOf(values, d.Name, d.release.Namespace)
	if err != nil {
		return bundle.Endpoint{}, err
	}
	if d.byGateway() {
		names = append(names, o.spareRouter(ctx, values.Router.Image, courier)...)
	}
	gathered, err := bundle.Gather(ctx, courier, names, platform)
	if err != nil {
		return bundle.Endpoint{}, err
	}
	pinned := gathered.Renamed()
	values = values.WithImages(pinned)
	if err := onlyImages(values, d.Name, d.release.Namespace, slices.Collect(maps.Values(pinned))); err != nil {
		return bundle.Endpoint{}, err
	}
	tree, err := values.Map()
	if err != nil {
		return bundle.Endpoint{}, err
	}
	text, err := yaml.Marshal(tree)
	return bundle.Endpoint{Name: d.Name, Chart: packed, Values: text, Images: gathered}, err
}

// spareRouter is the router's image for an endpoint behind a Gateway, which no
// object names: at the other place it may be taken off its Gateway.
func (o *options) spareRouter(ctx context.Context, router string, courier *image.Courier) []string {
	if _, err := courier.Manifest(ctx, router); err != nil {
		o.tell("note: the router's image is not in the bundle, so that the endpoint has to stay behind a Gateway: %v", err)
		return nil
	}
	return []string{router}
}

// portable are the values in force without what is only true in this cluster, of
// which it tells.
func (o *options) portable(d deployed) chart.Values {
	v := d.values
	if own := v.Auth.ExistingSecret; own != "" && own != auth.SecretName(d.Name) {
		o.tell("note: the keys of the endpoint are in secret %s, which stays here: bundle load makes new ones", own)
	}
	v.Auth.ExistingSecret = ""
	if v.TLS.ExistingSecret != "" {
		o.tell("note: the certificate in secret %s stays here: where the bundle is loaded there has to be one of that name",
			v.TLS.ExistingSecret)
	}
	if d.byGateway() {
		o.tell("note: the endpoint is behind Gateway %s: where the bundle is loaded there has to be one of that name",
			d.gateway(d.release.Namespace))
	}
	if len(v.ImagePullSecrets) > 0 {
		o.tell("note: the secrets to pull images with, %s, stay here: bundle load --values names those of the other cluster",
			strings.Join(v.ImagePullSecrets, ", "))
		v.ImagePullSecrets = []string{}
	}
	return v
}
