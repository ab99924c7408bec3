// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// The labels that the chart puts on the objects of an endpoint.
const (
	chartLabel    = "app.kubernetes.io/name=inference"
	instanceLabel = "app.kubernetes.io/instance"
	versionLabel  = "kubectl-aml/version"
)

func newGet(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "get",
		Short: "List endpoints, versions or computes",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newGetEndpoints(o), newGetVersions(o), newComputeList(o, "computes", "compute"))
	return c
}

// getFlags are the flags of the listings.
type getFlags struct {
	allNamespaces bool
	output        string
}

func (g *getFlags) add(c *cobra.Command) {
	c.Flags().BoolVarP(&g.allNamespaces, "all-namespaces", "A", false, "List those of all namespaces")
	c.Flags().StringVarP(&g.output, "output", "o", "", "Output format. One of: wide, json, yaml, name")
}

func (g *getFlags) format() (printer.Format, error) {
	f, err := printer.ParseFormat(g.output, printer.Wide, printer.JSON, printer.YAML, printer.Name)
	if err != nil {
		return f, usageError{err}
	}
	return f, nil
}

func newGetEndpoints(o *options) *cobra.Command {
	return o.listing(&cobra.Command{
		Use: "endpoints [NAME...]", Aliases: []string{"endpoint", "ep"}, Short: "List endpoints",
	}, func(list []printer.Endpoint, allNamespaces bool) printer.Listing {
		return printer.Endpoints(list, o.Clock.Now(), allNamespaces)
	})
}

func newGetVersions(o *options) *cobra.Command {
	return o.listing(&cobra.Command{
		Use: "versions [ENDPOINT...]", Aliases: []string{"version", "v"}, Short: "List the versions of endpoints",
	}, func(list []printer.Endpoint, _ bool) printer.Listing {
		var versions []printer.Version
		for _, e := range list {
			versions = append(versions, e.Versions...)
		}
		return printer.VersionTable(versions)
	})
}

// listing makes c a command that reads endpoints and shows them.
func (o *options) listing(c *cobra.Command, show func([]printer.Endpoint, bool) printer.Listing) *cobra.Command {
	var g getFlags
	c.ValidArgsFunction = o.completeEndpoints
	c.RunE = func(c *cobra.Command, args []string) error {
		format, err := g.format()
		if err != nil {
			return err
		}
		list, err := o.list(c.Context(), args, g.allNamespaces)
		if err != nil {
			return err
		}
		return show(list, g.allNamespaces).Print(o.Streams.Out, o.Streams.ErrOut, format)
	}
	g.add(c)
	return c
}

// list reads the endpoints called names, or all there are, with their replicas.
func (o *options) list(ctx context.Context, names []string, allNamespaces bool) ([]printer.Endpoint, error) {
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	if allNamespaces && len(names) > 0 {
		return nil, usageError{fmt.Errorf("a name is of one namespace: leave out --all-namespaces or the names")}
	}
	found, err := s.find(ctx, names, allNamespaces)
	if err != nil {
		return nil, err
	}
	namespace := s.Namespace
	if allNamespaces {
		namespace = metav1.NamespaceAll
	}
	replicas, err := s.replicas(ctx, namespace)
	if err != nil {
		return nil, err
	}
	list := make([]printer.Endpoint, 0, len(found))
	for _, d := range found {
		list = append(list, d.told(replicas[d.release.Namespace+"/"+d.Name]))
	}
	return list, nil
}

func (s *Session) find(ctx context.Context, names []string, allNamespaces bool) ([]deployed, error) {
	var found []deployed
	for _, name := range names {
		d, err := s.endpoint(ctx, name)
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	if len(names) > 0 {
		return found, nil
	}
	releases, err := s.Releases.List(ctx, allNamespaces)
	if err != nil {
		return nil, err
	}
	for _, r := range releases {
		d, err := read(r)
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

// replicas counts the replicas of every version, by namespace/endpoint and version.
func (s *Session) replicas(ctx context.Context, namespace string) (map[string]map[string]printer.Replicas, error) {
	list, err := s.Kube.AppsV1().Deployments(namespace).List(ctx,
		metav1.ListOptions{LabelSelector: chartLabel + "," + versionLabel})
	if err != nil {
		return nil, err
	}
	counts := map[string]map[string]printer.Replicas{}
	for _, d := range list.Items {
		key := d.Namespace + "/" + d.Labels[instanceLabel]
		if counts[key] == nil {
			counts[key] = map[string]printer.Replicas{}
		}
		counts[key][d.Labels[versionLabel]] = printer.Replicas{
			Ready: int(d.Status.ReadyReplicas), Desired: desired(d),
		}
	}
	return counts, nil
}

func desired(d appsv1.Deployment) int {
	if d.Spec.Replicas == nil {
		return 1
	}
	return int(*d.Spec.Replicas)
}

// told is what is told of d.
func (d deployed) told(replicas map[string]printer.Replicas) printer.Endpoint {
	return printer.Endpoint{
		Name: d.Name, Namespace: d.release.Namespace, Revision: d.release.Revision, State: d.release.Status,
		Default: d.Default, Control: d.Control, StickyBy: printer.StickyBy(d.Endpoint),
		Auth: string(d.Auth.Mode), Purpose: string(d.Purpose),
		ScoringPath: printer.ScoringPath(d.Name), Updated: d.release.Updated,
		Versions: printer.Versions(d.Endpoint, replicas),
	}
}
