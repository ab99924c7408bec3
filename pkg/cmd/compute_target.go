// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// computeTarget makes the context of the kubeconfig that is of the compute of the
// name, or has the name itself, the one that is deployed to. A context that was
// given goes before it; where there is none, the current one is deployed to.
func (o *options) computeTarget(name string) error {
	if name == "" {
		return nil
	}
	if given := *o.flags.Context; given != "" {
		o.tell("note: compute target %q is left aside: --context %s goes before it", name, given)
		return nil
	}
	contexts, err := o.kubeconfig().Contexts()
	if err != nil {
		return err
	}
	target, err := contextOf(contexts, name)
	if err != nil {
		return err
	}
	if target != "" {
		*o.flags.Context = target
		return nil
	}
	current := ""
	if i := slices.IndexFunc(contexts, func(c compute.Context) bool { return c.Current }); i >= 0 {
		current = contexts[i].Name
	}
	o.tell("note: compute target %q is neither a compute nor a context of the kubeconfig: the current one, %s, is "+
		"deployed to; kubectl aml compute attach makes its cluster one", name, cmp.Or(current, "the cluster at hand"))
	return nil
}

// contextOf is the name of the context that leads to a compute; empty if there
// is none. Several are refused, unless one of them has the compute's name or is
// the current one.
func contextOf(contexts []compute.Context, name string) (string, error) {
	var found []string
	same := false
	for _, c := range contexts {
		if c.Marker != nil && c.Marker.Name == name {
			if c.Current {
				return c.Name, nil
			}
			found = append(found, c.Name)
		}
		same = same || c.Name == name
	}
	switch {
	case slices.Contains(found, name), len(found) == 0 && same:
		return name, nil
	case len(found) == 0:
		return "", nil
	case len(found) == 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", usageError{fmt.Errorf("compute %q has the contexts %s: choose one with --context",
		name, strings.Join(found, ", "))}
}
