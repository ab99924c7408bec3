// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/bundle"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// bundleLoadFlags are the flags of bundle load.
type bundleLoadFlags struct {
	rolloutFlags
	registryFlags
	placeFlags
	values   string
	pushOnly bool
}

func newBundleLoad(o *options) *cobra.Command {
	f := &bundleLoadFlags{}
	c := &cobra.Command{
		Use:   "load FILE [ENDPOINT]",
		Short: "Deploy the endpoint in a bundle, with its images in a registry of your own",
		Long: "Deploy the endpoint in a bundle. The whole file is checked first. Then the images that the registry lacks\n" +
			"are pushed to it, under their paths and digests, with the lists of their packages attached, and the endpoint\n" +
			"is made, or replaced if it is there: with those images and no other. The command returns when it serves. If\n" +
			"it does not get ready, the reason is shown and everything is as it was. Without a registry, images go into\n" +
			"the nodes of a kind cluster.\n\n" +
			"Keys are made for a new endpoint; one that is there keeps its keys, or stays without, and its certificate,\n" +
			"secrets to pull images with, Service and Gateway. What else this cluster needs is in a file for --values.",
		Example: "  kubectl aml bundle load diabetes.aml.tar --registry registry.example.com/ml -n models\n\n" +
			"  # Only push, and go on with Helm\n" +
			"  kubectl aml bundle load diabetes.aml.tar --registry registry.example.com/ml --push-only > values.yaml\n" +
			"  helm install diabetes oci://registry.example.com/ml/inference -f values.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return usageError{fmt.Errorf("%d arguments where 1 or 2 belong: write %s", len(args), c.UseLine())}
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveDefault // files
			}
			return o.completeEndpoints(c, args[1:], typed)
		},
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 1 {
				name = args[1]
			}
			return o.bundleLoad(c.Context(), args[0], name, f)
		},
	}
	f.rolloutFlags.add(c)
	f.registryFlags.add(c, o.Getenv, "Where to push the images")
	f.addGrace(c)
	c.Flags().StringVar(&f.values, "values", "", "File of chart values that go before those in the bundle; it names no "+
		"images")
	c.Flags().BoolVar(&f.pushOnly, "push-only", false, "Push the images and the chart, print the values for them, and "+
		"deploy nothing; with -o json or yaml, print where everything is")
	return c
}

func (o *options) bundleLoad(ctx context.Context, file, name string, f *bundleLoadFlags) (err error) {
	if err := f.check(o); err != nil {
		return err
	}
	b, err := bundle.Open(o.path(file))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	name = cmp.Or(name, b.Endpoint)
	if err := endpoint.ValidateName("endpoint", name); err != nil {
		return err
	}
	access, err := f.access(o, "bundle")
	if err != nil {
		return err
	}
	o.tell("bundle: checking %s", megabytes(b.Size))
	if err := b.Verify(ctx, access.Meter("checking "+filepath.Base(file), b.Size)); err != nil {
		return err
	}
	l, err := o.loadingOf(ctx, b, name, f, access)
	if err != nil {
		return err
	}
	if f.pushOnly {
		return l.pushOnly(ctx)
	}
	return l.deploy(ctx)
}

func (f *bundleLoadFlags) check(o *options) error {
	_, _, err := f.parse()
	errs := []error{err, f.registryFlags.check(o)}
	if f.registry == "" {
		errs = append(errs, usageError{errors.New("no registry to push to: name one with --registry or AML_REGISTRY")})
	}
	if f.pushOnly && inFolder(f.registry) {
		errs = append(errs, usageError{errors.New("--push-only needs a registry to push to: name one with --registry or " +
			"AML_REGISTRY")})
	}
	if f.pushOnly && (f.dryRun != "none" || f.output == "name") {
		errs = append(errs, usageError{errors.New("--push-only deploys nothing: leave out --dry-run and -o name")})
	}
	return errors.Join(errs...)
}

// loading is one bundle load at work.
type loading struct {
	deployment
	flags   *bundleLoadFlags
	bundle  *bundle.Bundle
	courier *image.Courier
	access  image.Options
	// at are the images in the registry, by their references in the bundle.
	at map[string]string
	// given are the values in the bundle with the images in the registry, and overlay
	// those that go before them.
	given   chart.Values
	overlay map[string]any
	// changed are the versions to wait for.
	changed []string
}

// loadingOf reads what is to be deployed, without a cluster.
func (o *options) loadingOf(
	ctx context.Context, b *bundle.Bundle, name string, f *bundleLoadFlags, access image.Options,
) (*loading, error) {
	l := &loading{flags: f, bundle: b, access: access, deployment: deployment{plan: &plan{}, placeFlags: f.placeFlags}}
	l.options, l.name = o, name
	packed, err := chart.Pack()
	if err != nil {
		return nil, err
	}
	if b.Chart != packed.Version && !f.pushOnly {
		o.tell("note: the bundle was made with chart %s, and is deployed with chart %s, this plugin's", b.Chart,
			packed.Version)
	}
	values, err := bundled(b)
	if err != nil {
		return nil, err
	}
	if l.at, err = b.At(f.registry); err != nil {
		return nil, err
	}
	l.given = values.WithImages(l.at)
	if f.values != "" {
		if l.overlay, err = o.valuesFile(f.values); err != nil {
			return nil, err
		}
	}
	l.courier, err = image.NewCourier(ctx, l.access)
	return l, err
}

// deploy checks what is to be, pushes, and makes the revision.
func (l *loading) deploy(ctx context.Context) error {
	dryRun, format, err := l.flags.parse()
	if err != nil {
		return err
	}
	s, err := l.connect()
	if err != nil {
		return err
	}
	if l.revision, err = l.options.revision(ctx, s, l.name, l.flags.rolloutFlags, dryRun); err != nil {
		return err
	}
	now, err := s.endpoint(ctx, l.name)
	there := err == nil
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return err
	}
	next, err := l.silent().propose(ctx, now.values, !there)
	if err != nil {
		return err
	}
	if err := l.admit(ctx, next); err != nil {
		return err
	}
	if dryRun == release.DryRunNone {
		if err := l.bring(ctx); err != nil {
			return err
		}
	}
	result, err := l.run(ctx, now, next, there)
	if err != nil {
		return l.failed(err)
	}
	return l.report(result, l.done(result), dryRun, format)
}

// silent is l for a first look, of which nothing is told twice.
func (l *loading) silent() *loading {
	look, quiet := *l, *l.options
	quiet.Streams.ErrOut = io.Discard
	look.options = &quiet
	return &look
}

// run makes the revision, and before it one that brings a new default version if
// the endpoint has another.
func (l *loading) run(ctx context.Context, now deployed, next chart.Values, there bool) (release.Result, error) {
	first := ""
	if there && l.dryRun == release.DryRunNone {
		var err error
		if first, err = l.defaultFirst(ctx, now, next, l.what(), 0); err != nil {
			return release.Result{}, err
		}
	}
	result, err := l.make(ctx, func(current *release.Release) (map[string]any, error) {
		return l.change(ctx, current)
	}, release.ApplyOptions{Description: l.what(), Gone: l.takeKeysBack,
		Ready: func(ctx context.Context) error { return l.served(ctx, l.schedulingGrace, l.changed...) }})
	if err != nil && first != "" {
		err = fmt.Errorf("version %s is deployed and not the default yet, the same command does the rest: %w", first, err)
	}
	return result, err
}

// what is done, for the history.
func (l *loading) what() string { return "load a bundle of " + l.bundle.Endpoint }

// change makes the whole new values, and the keys that they need.
func (l *loading) change(ctx context.Context, current *release.Release) (map[string]any, error) {
	base, err := l.base(current)
	if err != nil {
		return nil, err
	}
	next, err := l.propose(ctx, base.values, current == nil)
	if err != nil {
		return nil, err
	}
	if next.Auth.ExistingSecret == "" {
		made, err := l.keys(ctx, base.Auth, endpoint.AuthMode(next.Auth.Mode), current == nil)
		if err != nil {
			return nil, err
		}
		next.Auth.ExistingSecret = made.ExistingSecret
	}
	l.changed = slices.Sorted(maps.Keys(next.Versions))
	if current != nil {
		packed, err := chart.Pack()
		if err != nil {
			return nil, err
		}
		l.changed, err = changedVersions([]release.Release{*current}, release.Release{ChartVersion: packed.Version}, next)
		if err != nil {
			return nil, err
		}
	}
	return next.Map()
}

// bring pushes the images, and puts them into the nodes if there is no registry.
func (l *loading) bring(ctx context.Context) error {
	into, err := l.nodesFor(l.flags.registry)
	if err != nil {
		return err
	}
	if _, err := l.push(ctx); err != nil {
		return err
	}
	for _, ref := range slices.Sorted(maps.Values(l.at)) {
		if err := into.load(ctx, l.options, ref, l.access); err != nil {
			return err
		}
	}
	return nil
}

func (l *loading) push(ctx context.Context) (bundle.Pushed, error) {
	did, err := l.bundle.Push(ctx, l.courier, l.flags.registry)
	if err != nil {
		return did, err
	}
	l.tell("bundle: %d images are at %s (%d blobs sent, %s; %d there already)", len(l.at), l.flags.registry, did.Sent,
		megabytes(did.Bytes), did.There)
	if len(did.Lists) > 0 {
		l.tell("bundle: lists of packages attached: %d", len(did.Lists))
	}
	for _, err := range did.Unattached {
		l.tell("warning: a list of packages is not attached to its image: %v", err)
	}
	return did, nil
}
