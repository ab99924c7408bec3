// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/acr"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
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
	image                 string
	pipConfig, buildCA    string
}

func (b *builderFlags) add(c *cobra.Command, getenv func(string) string) {
	f := c.Flags()
	builder := getenv("AML_BUILDER")
	if builder == "" {
		builder = builderAuto
	}
	f.StringVar(&b.builder, "builder", builder, "What builds an environment that is in no registry: "+
		strings.Join(builderNames(), ", ")+" (default: $AML_BUILDER)")
	f.StringArrayVar(&b.global, "global-registry", nil, "Where an environment is looked for that the registry does not "+
		"have; repeatable")
	f.StringVar(&b.address, "buildkit-address", getenv("BUILDKIT_HOST"), "BuildKit that builds, such as "+
		"tcp://HOST:1234 (default: $BUILDKIT_HOST)")
	f.StringVar(&b.certificates, "buildkit-certificates", "", "Folder with ca.pem, cert.pem and key.pem for that BuildKit")
	f.StringVar(&b.image, "buildkit-image", getenv("AML_BUILDKIT_IMAGE"), "Image of rootless BuildKit that builds in the "+
		"cluster (default: $AML_BUILDKIT_IMAGE, else "+build.BuildKitImage+")")
	f.StringVar(&b.pipConfig, "pip-config", getenv("PIP_CONFIG_FILE"), "Configuration of pip for the build, with an "+
		"index of your own; it gets into no image (default: $PIP_CONFIG_FILE)")
	f.StringVar(&b.buildCA, "build-ca", "", "Certificates in PEM that the build trusts; they get into no image")
	_ = c.RegisterFlagCompletionFunc("builder", cobra.FixedCompletions(builderNames(), cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what cannot be right.
func (b *builderFlags) check() error {
	if b.builder != "" && !slices.Contains(builderNames(), b.builder) {
		return usageError{fmt.Errorf("there is no builder %q: write --builder as one of %s", b.builder,
			strings.Join(builderNames(), ", "))}
	}
	if b.builder == builderBuildKit && b.address == "" {
		return usageError{errors.New("no BuildKit to build with: give its address with --buildkit-address or BUILDKIT_HOST")}
	}
	return nil
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

// open returns the builder that was asked for or, without a word, the first that
// there is: the BuildKit whose address is known, Docker's engine, ACR Tasks if the
// registry is Azure's. A Job in the cluster takes its resources, so it has to be
// asked for.
func (b *builderFlags) open(ctx context.Context, o *options, r *registryFlags) (build.Builder, error) {
	asked := func(name string) bool { return b.builder == name || b.builder == builderAuto || b.builder == "" }
	var reasons []string
	try := func(name string, open func() (build.Builder, error)) (build.Builder, error) {
		found, err := open()
		var unavailable *build.UnavailableError
		if err == nil || b.builder == name || !errors.As(err, &unavailable) {
			return found, err
		}
		reasons = append(reasons, err.Error())
		return nil, nil
	}
	for _, c := range []struct {
		name string
		may  bool
		open func() (build.Builder, error)
	}{
		{builderBuildKit, b.address != "", func() (build.Builder, error) {
			return build.BuildKit(ctx, b.address, b.certificates)
		}},
		{builderDocker, true, func() (build.Builder, error) { return build.Engine(ctx, "") }},
		{builderCluster, b.builder == builderCluster, func() (build.Builder, error) { return b.job(o) }},
		{builderACR, b.builder == builderACR || acr.Server(r.host()), func() (build.Builder, error) { return b.tasks(o, r) }},
	} {
		if !c.may || !asked(c.name) {
			continue
		}
		if found, err := try(c.name, c.open); found != nil || err != nil {
			return found, err
		}
	}
	return nil, fmt.Errorf("nothing here can build the environment: %s; name a builder with --builder, or an image "+
		"that has everything with --environment-image", strings.Join(reasons, "; "))
}

// job builds in the namespace in use.
func (b *builderFlags) job(o *options) (build.Builder, error) {
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	return build.Cluster(s.Kube, s.REST, build.ClusterOptions{Namespace: s.Namespace, Image: b.image, Clock: o.Clock})
}

// tasks builds in the registry, if that is Azure's.
func (b *builderFlags) tasks(o *options, r *registryFlags) (build.Builder, error) {
	settings, err := azureFor(o, r.host()).settings(o)
	if err != nil {
		return nil, &build.UnavailableError{Builder: "ACR Tasks", Reason: err.Error(), Err: err}
	}
	return acr.Tasks(settings.Credential, r.registry, acr.Options{Azure: settings})
}
