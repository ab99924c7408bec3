// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"

	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// computeTarget makes the context of the kubeconfig that has the name of the
// compute target the one that is deployed to. A context that was given goes
// before it; where there is none of the name, the current one is deployed to.
func (o *options) computeTarget(name string) error {
	if name == "" {
		return nil
	}
	if given := *o.flags.Context; given != "" {
		o.tell("note: compute target %q is left aside: --context %s goes before it", name, given)
		return nil
	}
	// Flags of their own: these are read once and kept.
	look := genericclioptions.NewConfigFlags(false)
	look.KubeConfig = o.flags.KubeConfig
	config, err := look.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return err
	}
	if _, ok := config.Contexts[name]; ok {
		*o.flags.Context = name
		return nil
	}
	o.tell("note: compute target %q is no context of the kubeconfig: the current one, %s, is deployed to",
		name, cmp.Or(config.CurrentContext, "the cluster at hand"))
	return nil
}
