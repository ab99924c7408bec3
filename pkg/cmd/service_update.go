// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

func newServiceUpdate(o *options) *cobra.Command {
	u := &updateFlags{noun: services()}
	u.computeType = amlv1.AKS
	c := &cobra.Command{
		Use:   "update",
		Short: "Change what is given of a service, as Azure ML v1 does",
		Long: "Change what is given of a service, an endpoint with one version, and nothing else. New code or models make\n" +
			"a new image. What is given is held against what the service has: a limit may not be below what is\n" +
			"requested. Properties are added and never changed; --tag replaces all tags.",
		Example: "  kubectl aml service update -n diabetes --num-replicas 3 --add-tag stage=production",
		Args:    exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.update(c, u, func(d deployed) (string, error) {
				if len(d.Versions) != 1 {
					return "", usageError{fmt.Errorf("service %q is an endpoint with versions %s: use kubectl aml endpoint "+
						"realtime update-version --version-name", d.Name, strings.Join(d.VersionNames(), ", "))}
				}
				return d.VersionNames()[0], nil
			})
		},
	}
	u.add(c, o, u.noun.noun)
	u.addSources(c, o)
	o.completeModelFlag(c, &u.registryFlags)
	u.addTarget(c)
	u.addOldForm(c)
	u.aboutFlags.add(c)
	u.change(c, true)
	u.fields.kept = true
	u.fields.add(c, func(f amlv1.Field) bool {
		return f.Only != amlv1.AKSEndpoint && !strings.HasPrefix(f.Flag, "ssl-")
	})
	return c
}
