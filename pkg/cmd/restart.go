// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// restartedAt is the annotation by which kubectl rollout restart makes new pods
// (https://kubernetes.io/docs/reference/labels-annotations-taints/).
const restartedAt = "kubectl.kubernetes.io/restartedAt"

func newRestart(o *options) *cobra.Command {
	var (
		r        rolloutFlags
		versions []string
		routers  bool
	)
	c := &cobra.Command{
		Use:   "restart ENDPOINT",
		Short: "Replace the pods of an endpoint by new ones, without losing a request",
		Long: "Replace the pods of an endpoint by new ones, one by one and without losing a request: those of all\n" +
			"versions, or of the named ones. It is a revision like any other change, so that what runs stays what\n" +
			"the history says.",
		Example: "  # All versions\n" +
			"  kubectl aml restart diabetes\n\n" +
			"  # One version, and the routers\n" +
			"  kubectl aml restart diabetes --version-name green --routers",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			return o.restart(c.Context(), args[0], r, restarting{versions: versions, routers: routers})
		},
	}
	r.add(c)
	f := c.Flags()
	f.StringArrayVar(&versions, "version-name", nil, "Name of a version to restart instead of all; repeatable")
	f.BoolVar(&routers, "routers", false, "Restart the routers; the versions only if they are named")
	o.completeVersionFlag(c)
	return c
}

// restarting says what gets new pods.
type restarting struct {
	versions []string
	routers  bool
}

func (o *options) restart(ctx context.Context, name string, r rolloutFlags, what restarting) error {
	at := o.Clock.Now().UTC().Format(time.RFC3339)
	var restarted []string
	e := edit{description: what.description(), done: "restarted"}
	e.apply = func(d deployed) (chart.Values, error) {
		var err error
		restarted, err = what.names(d)
		return what.mark(d.values, restarted, at), err
	}
	e.ready = func(ctx context.Context, w revision) error { return w.served(ctx, grace, restarted...) }
	return o.change(ctx, name, r, e)
}

func (r restarting) description() string {
	words := append([]string{"restart"}, r.versions...)
	if r.routers {
		words = append(words, "routers")
	}
	return strings.Join(words, " ")
}

// names are those of the versions to restart. It refuses what is not there.
func (r restarting) names(d deployed) ([]string, error) {
	if r.routers && d.byGateway() {
		return nil, fmt.Errorf("endpoint %s has no routers to restart, a gateway splits its requests: leave out --routers",
			d.Name)
	}
	for _, version := range r.versions {
		if err := d.Has(version); err != nil {
			return nil, err
		}
	}
	if len(r.versions) == 0 && !r.routers {
		return d.VersionNames(), nil
	}
	return r.versions, nil
}

// mark returns v with another annotation on the pods that are to be new.
func (r restarting) mark(v chart.Values, versions []string, at string) chart.Values {
	if r.routers {
		v.Router.PodAnnotations = annotated(v.Router.PodAnnotations, at)
	}
	v.Versions = maps.Clone(v.Versions)
	for name, version := range v.Versions {
		if slices.Contains(versions, name) {
			version.PodAnnotations = annotated(version.PodAnnotations, at)
			v.Versions[name] = version
		}
	}
	return v
}

func annotated(annotations map[string]string, at string) map[string]string {
	next := map[string]string{}
	maps.Copy(next, annotations)
	next[restartedAt] = at
	return next
}
