// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/acr"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// The builders that --builder names. The first takes what there is.
const (
	builderAuto     = "auto"
	builderDocker   = "docker"
	builderBuildKit = "buildkit"
	builderCluster  = "cluster"
	builderACR      = acr.Builder
)

func builderNames() []string {
	return []string{builderAuto, builderDocker, builderBuildKit, builderCluster, builderACR}
}

// builderFlags say what builds the image of an environment that is in no registry.
type builderFlags struct {
	builder               string
	address, certificates string
	global                []string
	image, micromamba     string
	pipConfig, buildCA    string
	subscription          string
	job                   jobFlags
}

func (b *builderFlags) add(c *cobra.Command, getenv func(string) string) {
	f := c.Flags()
	f.StringVar(&b.builder, "builder", cmp.Or(getenv("AML_BUILDER"), builderAuto), "What builds an environment that is "+
		"in no registry: "+strings.Join(builderNames(), ", ")+" (default: $AML_BUILDER, else "+builderAuto+")")
	f.StringArrayVar(&b.global, "global-registry", nil, "Where an environment is looked for that the registry does not "+
		"have; repeatable")
	f.StringVar(&b.address, "buildkit-address", getenv("BUILDKIT_HOST"), "BuildKit that builds, such as "+
		"tcp://HOST:1234 (default: $BUILDKIT_HOST)")
	f.StringVar(&b.certificates, "buildkit-certificates", "", "Folder with ca.pem, cert.pem and key.pem for that BuildKit")
	f.StringVar(&b.image, "buildkit-image", getenv("AML_BUILDKIT_IMAGE"), "Image of rootless BuildKit that builds in the "+
		"cluster (default: $AML_BUILDKIT_IMAGE, else "+build.BuildKitImage+")")
	b.job.add(c)
	f.StringVar(&b.micromamba, "micromamba-image", getenv("AML_MICROMAMBA_IMAGE"), "Image with /bin/micromamba, for "+
		"packages of conda (default: $AML_MICROMAMBA_IMAGE, else "+environment.MicromambaImage+")")
	f.StringVar(&b.pipConfig, "pip-config", getenv("PIP_CONFIG_FILE"), "Configuration of pip for the build, with an "+
		"index of your own; it gets into no image (default: $PIP_CONFIG_FILE)")
	f.StringVar(&b.buildCA, "build-ca", "", "Certificates in PEM that the build trusts; they get into no image")
	f.StringVar(&b.subscription, "subscription", "", "Subscription of the registry that ACR Tasks build in "+
		"(default: $AZURE_SUBSCRIPTION_ID, else that of the Azure CLI)")
	defaultTold(c, "builder", "buildkit-address", "buildkit-image", "micromamba-image", "pip-config")
	_ = c.RegisterFlagCompletionFunc("builder", cobra.FixedCompletions(builderNames(), cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what cannot be right, all at once.
func (b *builderFlags) check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, usageError{fmt.Errorf(format, args...)}) }
	for _, registry := range b.global {
		if err := image.CheckRegistry(registry); err != nil {
			refuse("--global-registry: %w", err)
		}
	}
	if b.micromamba != "" {
		if _, err := image.PathOf(b.micromamba); err != nil {
			refuse("--micromamba-image: %w", err)
		}
	}
	if b.builder != "" && !slices.Contains(builderNames(), b.builder) {
		refuse("there is no builder %q: write --builder as one of %s", b.builder, strings.Join(builderNames(), ", "))
	}
	tcp := strings.HasPrefix(b.address, "tcp://")
	switch {
	case b.builder == builderBuildKit && b.address == "":
		refuse("no BuildKit to build with: give its address with --buildkit-address or BUILDKIT_HOST")
	case b.certificates != "" && !tcp:
		refuse("--buildkit-certificates are for a BuildKit at tcp://HOST:PORT, and its address is %q: "+
			"give it with --buildkit-address, or leave the certificates out", b.address)
	case b.certificates != "" && !b.auto() && b.builder != builderBuildKit:
		refuse("--buildkit-certificates are not for --builder %s: write --builder %s, or leave them out",
			b.builder, builderBuildKit)
	}
	return errors.Join(append(errs, b.job.check(b.builder)...)...)
}

// secrets are the files that the build sees while it downloads.
func (b *builderFlags) secrets(o *options) map[string]string {
	files := map[string]string{}
	for id, file := range map[string]string{"pip.conf": b.pipConfig, "ca.crt": b.buildCA} {
		if file != "" {
			files[id] = o.path(file)
		}
	}
	return files
}

// build builds with the builder that was asked for or, of those that there are,
// with the first that can: the BuildKit whose address is known, Docker's engine,
// ACR Tasks if the registry is Azure's. A Job in the cluster takes its resources,
// so it has to be asked for.
func (b *builderFlags) build(ctx context.Context, o *options, r *registryFlags, q build.Request) (build.Result, error) {
	result, err := build.Any(ctx, q, func(with build.Builder) {
		o.tell("environment: building it with %s; the next deployment finds it", with.Name())
	}, b.builders(o, r)...)
	err = b.advised(err, q.Dockerfile)
	if err != nil && b.auto() && errors.As(err, new(*build.UnavailableError)) {
		return result, fmt.Errorf("nothing here can build the environment: %w: or write --builder cluster, and a Job in the "+
			"cluster builds it", err)
	}
	return result, err
}

func (b *builderFlags) auto() bool { return b.builder == "" || b.builder == builderAuto }

// builders are those that may build, in the order in which they are tried.
func (b *builderFlags) builders(o *options, r *registryFlags) []build.Open {
	buildKit := func(ctx context.Context) (build.Builder, error) {
		return build.BuildKit(ctx, b.address, b.certificateFolder(o))
	}
	docker := func(ctx context.Context) (build.Builder, error) { return build.Engine(ctx, o.Getenv) }
	tasks := func(context.Context) (build.Builder, error) { return b.tasks(o, r) }
	switch b.builder {
	case builderBuildKit:
		return []build.Open{buildKit}
	case builderDocker:
		return []build.Open{docker}
	case builderCluster:
		return []build.Open{func(context.Context) (build.Builder, error) { return b.inCluster(o) }}
	case builderACR:
		return []build.Open{tasks}
	}
	var all []build.Open
	if b.address != "" {
		all = append(all, buildKit)
	}
	all = append(all, docker)
	if acr.Server(r.host()) {
		all = append(all, tasks)
	}
	return all
}

// certificateFolder is where the certificates for a BuildKit are; empty for none.
func (b *builderFlags) certificateFolder(o *options) string {
	if b.certificates == "" {
		return ""
	}
	return o.path(b.certificates)
}

// inCluster builds in the namespace in use.
func (b *builderFlags) inCluster(o *options) (build.Builder, error) {
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	return build.Cluster(s.Kube, s.REST,
		b.job.into(build.ClusterOptions{Namespace: s.Namespace, Image: b.image, Clock: o.Clock}))
}

// tasks builds in the registry, if that is Azure's.
func (b *builderFlags) tasks(o *options, r *registryFlags) (build.Builder, error) {
	access := azureFor(o, r.host())
	access.subscription, access.named = b.subscription, true
	settings, err := access.settings(o)
	if err != nil {
		return nil, &build.UnavailableError{Builder: "ACR Tasks", Reason: err.Error(), Err: err}
	}
	return acr.Tasks(settings.Credential, r.registry, acr.Options{Azure: settings})
}
