// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/acr"
	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// registryFlags say where images and models are, and how to get there.
type registryFlags struct {
	registry         string
	insecureRegistry bool
	ca               []string
}

// add gives c the flags; what says what the registry is for.
func (r *registryFlags) add(c *cobra.Command, getenv func(string) string, what string) {
	c.Flags().StringVar(&r.registry, "registry", cmp.Or(getenv("AML_REGISTRY"), layout.Host), what+", as HOST[/PATH] "+
		"(default: $AML_REGISTRY, else "+layout.Host+", the folder on this machine that AML_LAYOUT names)")
	defaultTold(c, "registry")
	r.reach(c)
}

// reach gives c the flags that say how to get to registries.
func (r *registryFlags) reach(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&r.insecureRegistry, "insecure-registry", false, "Speak to the registry without TLS; not needed for one "+
		"on this machine")
	f.StringArrayVar(&r.ca, "registry-ca", nil, "File with certificates in PEM that registries are trusted by too; "+
		"repeatable")
}

// check refuses what is no registry, and files that are no certificates, all at
// once. No registry at all is for the command to judge.
func (r *registryFlags) check(o *options) error {
	var errs []error
	if r.registry != "" {
		if err := image.CheckRegistry(r.registry); err != nil {
			errs = append(errs, usageError{err})
		}
	}
	if inFolder(r.registry) && !filepath.IsAbs(o.imageFolder()) {
		errs = append(errs, usageError{errors.New("no folder for images and models: HOME is not set: name one with " +
			"AML_LAYOUT, or a registry with --registry or AML_REGISTRY")})
	}
	return errors.Join(append(errs, image.Options{CAFiles: r.files(o)}.Check())...)
}

// files are those with certificates, as seen from the working directory.
func (r *registryFlags) files(o *options) []string {
	var files []string
	for _, file := range r.ca {
		files = append(files, o.path(file))
	}
	return files
}

// path is where what has the name belongs.
func (r *registryFlags) path(name string) string {
	return strings.TrimSuffix(r.registry, "/") + "/" + name
}

// host is that of the registry.
func (r *registryFlags) host() string {
	host, _, _ := strings.Cut(r.registry, "/")
	return host
}

// access is how registries are reached, with logins beside those of Docker's
// configuration. What goes on there is told, with what it is about before it.
func (r *registryFlags) access(o *options, about string, logins ...amlv1.ImageRegistry) (image.Options, error) {
	keychain, err := image.Keychain(o.Clock, logins, &azureKeychain{o: o})
	return image.Options{Insecure: r.insecureRegistry, Clock: o.Clock, Keychain: keychain, Wrap: o.throughFolder,
		CAFiles: r.files(o), Log: func(line string) { o.tell("%s", headed(about, line)) }}, err
}

// headed is a line with what it is about before it, unless it says that itself.
func headed(about, line string) string {
	if strings.HasPrefix(line, about+" ") {
		return line
	}
	return about + ": " + line
}

// azureKeychain signs in to Azure when a registry of Azure's is spoken to, and not
// before; a login is kept for the others of its cloud.
type azureKeychain struct {
	o *options

	mu     sync.Mutex
	clouds map[string]authn.Keychain
}

// Resolve has nothing for the registries of others.
func (k *azureKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if !acr.Server(r.RegistryStr()) {
		return authn.Anonymous, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	access := azureFor(k.o, r.RegistryStr())
	if k.clouds[access.cloud] == nil {
		credential, err := access.credential(k.o, "")
		if err != nil {
			k.o.tell("note: not signed in to %s: %v", r.RegistryStr(), err)
			return authn.Anonymous, nil
		}
		if k.clouds == nil {
			k.clouds = map[string]authn.Keychain{}
		}
		k.clouds[access.cloud] = acr.Keychain(credential, acr.KeychainOptions{Clock: k.o.Clock,
			Tell: func(line string) { k.o.tell("note: %s", line) }})
	}
	return k.clouds[access.cloud].Resolve(r)
}

// azureFor is how Azure is reached for one of its registries.
func azureFor(o *options, host string) *azureAccess {
	a := &azureAccess{cloud: aks.Clouds()[0], endpoint: o.Getenv("AML_ARM_ENDPOINT")}
	switch {
	case strings.HasSuffix(host, ".cn"):
		a.cloud = "AzureChinaCloud"
	case strings.HasSuffix(host, ".us"):
		a.cloud = "AzureUSGovernment"
	}
	return a
}
