// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
)

// azureAccess are the flags of every command that asks Azure.
type azureAccess struct {
	subscription, cloud, endpoint string
	// compute is the name that people know the cluster by, if the command is
	// about one: what Azure goes on with is kept under it.
	compute string
	// named is set when the command has --subscription.
	named bool
	// quiet leaves out how far Azure is. Warnings are told all the same.
	quiet bool
}

func (a *azureAccess) add(c *cobra.Command, getenv func(string) string) {
	a.named = true
	c.Flags().StringVar(&a.subscription, "subscription", "",
		"Id of the subscription. AZURE_SUBSCRIPTION_ID, or the default one of the Azure CLI, if not given")
	a.addCloud(c, getenv)
}

// addCloud is add for a command that knows the subscription, or needs none.
func (a *azureAccess) addCloud(c *cobra.Command, getenv func(string) string) {
	f := c.Flags()
	f.StringVar(&a.cloud, "cloud", aks.Clouds()[0], "One of "+strings.Join(aks.Clouds(), ", "))
	f.StringVar(&a.endpoint, "arm-endpoint", getenv("AML_ARM_ENDPOINT"), "Where Azure's resource manager is")
	// The only errors are a flag that is not there, and a second function for one.
	_ = f.MarkHidden("arm-endpoint")
	_ = c.RegisterFlagCompletionFunc("cloud", cobra.FixedCompletions(aks.Clouds(), cobra.ShellCompDirectiveNoFileComp))
}

// client is one for Azure. Nothing is sent.
func (a *azureAccess) client(o *options) (*aks.Client, error) {
	settings, err := a.settings(o)
	if err != nil {
		return nil, err
	}
	return aks.New(settings)
}

// settings say how Azure is reached.
func (a *azureAccess) settings(o *options) (aks.Options, error) {
	cloud, err := aks.CloudNamed(a.cloud, a.endpoint)
	if err != nil {
		return aks.Options{}, usageError{err}
	}
	subscription, err := a.inSubscription(o)
	if err != nil {
		return aks.Options{}, err
	}
	settings := aks.Options{
		Subscription: subscription, Cloud: cloud, Clock: o.Clock, Compute: a.compute,
		Tell:     func(line string) { o.tell("%s", line) },
		StateDir: o.folder("XDG_STATE_HOME", ".local", "state"),
		CacheDir: o.folder("XDG_CACHE_HOME", ".cache"),
	}
	if a.quiet {
		settings.Tell = nil
	}
	if o.Azure != nil {
		o.Azure(&settings)
	}
	if settings.Credential == nil {
		settings.Credential, err = aks.Credential(o.Getenv, cloud, settings.Transport)
	}
	return settings, err
}

// inSubscription is the id of the subscription to work in.
func (a *azureAccess) inSubscription(o *options) (string, error) {
	id, err := aks.Subscription(a.subscription, o.Getenv, o.home())
	switch {
	case err != nil && a.named:
		return "", usageError{fmt.Errorf("%w, or write --subscription", err)}
	case err != nil:
		return "", usageError{err}
	}
	return id, nil
}

// credential signs in without a subscription, in tenant if it is not empty.
func (a *azureAccess) credential(o *options, tenant string) (azcore.TokenCredential, error) {
	where, err := aks.CloudNamed(a.cloud, a.endpoint)
	if err != nil {
		return nil, usageError{err}
	}
	settings := aks.Options{Cloud: where}
	if o.Azure != nil {
		o.Azure(&settings)
	}
	if settings.Credential != nil {
		return settings.Credential, nil
	}
	if tenant == "" {
		return aks.Credential(o.Getenv, where, settings.Transport)
	}
	return aks.Credential(o.Getenv, where, settings.Transport, tenant)
}

func (o *options) home() string { return cmp.Or(o.Getenv("HOME"), o.Getenv("USERPROFILE")) }

// folder is this program's own in the one that variable names, else in inHome.
func (o *options) folder(variable string, inHome ...string) string {
	base := o.Getenv(variable)
	if base == "" {
		base = filepath.Join(append([]string{o.home()}, inHome...)...)
	}
	return filepath.Join(base, "kubectl-aml")
}
