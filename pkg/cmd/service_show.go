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
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// kind is one of the two ways in which Azure ML v1 looks at an endpoint.
type kind struct {
	noun string
	// tell gives the answer about one, in the long form or the short one.
	tell func(s printer.Served, full bool) any
}

func services() kind {
	return kind{noun: "service", tell: func(s printer.Served, full bool) any {
		told := printer.ServiceOf(s)
		if full {
			return told
		}
		return told.Brief()
	}}
}

func endpoints() kind {
	return kind{noun: "endpoint", tell: func(s printer.Served, full bool) any {
		told := printer.RealtimeOf(s)
		if full {
			return told
		}
		return told.Brief()
	}}
}

func newAzureShow(o *options, k kind) *cobra.Command {
	return o.azure(azureForm{
		use: "show", short: "Show one " + k.noun, noun: k.noun,
		run: func(ctx context.Context, a *azureCommand) error {
			d, err := a.session.begun(ctx, a.name)
			if err != nil {
				return err
			}
			served, err := a.served(ctx, d)
			if err != nil {
				return err
			}
			return a.print(k.tell(served, a.full))
		},
	})
}

// begun reads an endpoint also if nothing of it is in force yet: if its first
// revision is being made, or has failed and was kept.
func (s *Session) begun(ctx context.Context, name string) (deployed, error) {
	d, err := s.endpoint(ctx, name)
	if !errors.Is(err, release.ErrNotFound) {
		return d, err
	}
	releases, listErr := s.Releases.List(ctx, false)
	for _, r := range releases {
		if r.Name == name {
			return read(r)
		}
	}
	return d, cmp.Or(listErr, err)
}

func newAzureList(o *options, k kind) *cobra.Command {
	var f listFilter
	c := o.azure(azureForm{
		use: "list", short: "List those of the namespace",
		run: func(ctx context.Context, a *azureCommand) error {
			if err := f.check(); err != nil {
				return err
			}
			found, err := a.session.find(ctx, nil, false)
			if err != nil {
				return err
			}
			list := []any{}
			for _, d := range found {
				if !f.takes(d.Endpoint) {
					continue
				}
				served, err := a.served(ctx, d)
				if err != nil {
					return err
				}
				list = append(list, k.tell(served, a.full))
			}
			return a.print(list)
		},
	})
	f.add(c, k)
	return c
}

// served adds to d what the cluster knows of it. That an address is not known, or
// not to everybody, is told.
func (a *azureCommand) served(ctx context.Context, d deployed) (printer.Served, error) {
	s := a.session
	snapshot, err := status.Collect(ctx, s.Kube, s.Namespace, d.Name)
	if err != nil {
		return printer.Served{}, err
	}
	address, err := s.address(ctx, d)
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsForbidden(err):
		a.tell("note: %s: where it is reached is not known: %v", d.Name, err)
	case err != nil:
		return printer.Served{}, err
	case address.Note != "":
		a.tell("note: %s: %s", d.Name, address.Note)
	}
	return printer.Served{
		Endpoint: d.Endpoint, Namespace: s.Namespace, Created: d.release.Created, Updated: d.release.Updated,
		Pending: strings.HasPrefix(d.release.Status, "pending"), Address: address.URL,
		Tree: snapshot.Endpoint(d.Endpoint, a.Clock.Now(), status.Options{Route: s.routeOf(ctx, d)}),
	}, nil
}

// listFilter says which endpoints a list has; all that is given must hold.
type listFilter struct {
	computeType, modelID, modelName, digest string
	tags, properties                        []string
}

func (f *listFilter) add(c *cobra.Command, k kind) {
	flags := c.Flags()
	flags.StringVarP(&f.computeType, "compute-type", "c", "", "Only of this type: AKS or AKSENDPOINT")
	flags.StringVar(&f.modelID, "model-id", "", "Only with this model, NAME:VERSION")
	flags.StringVar(&f.modelName, "model-name", "", "Only with a version of this model")
	flags.StringArrayVar(&f.tags, "tag", nil, "Only with this tag, KEY or KEY=VALUE; repeatable")
	flags.StringArrayVar(&f.properties, "property", nil, "Only with this property, KEY or KEY=VALUE; repeatable")
	if k.noun == "service" {
		flags.StringVar(&f.digest, "image-digest", "", "Only with this image, sha256:…")
	}
}

// check refuses what no endpoint can have.
func (f *listFilter) check() error {
	known := []string{"", printer.ComputeAKS, printer.ComputeAKSEndpoint, "ACI", "LOCAL"}
	if !slices.Contains(known, strings.ToUpper(f.computeType)) {
		return usageError{fmt.Errorf("compute type %q is not known: write one of AKS, AKSENDPOINT, ACI, LOCAL",
			f.computeType)}
	}
	return nil
}

func (f *listFilter) takes(e endpoint.Endpoint) bool {
	computeType := printer.Served{Endpoint: e}.ComputeType()
	return (f.computeType == "" || strings.EqualFold(f.computeType, computeType)) &&
		f.takesModel(e) && f.takesImage(e) && holds(f.tags, tags(e)) && holds(f.properties, properties(e))
}

func (f *listFilter) takesModel(e endpoint.Endpoint) bool {
	if f.modelID == "" && f.modelName == "" {
		return true
	}
	for _, v := range e.Versions {
		if slices.ContainsFunc(v.Models, func(id string) bool {
			name, _, _ := strings.Cut(strings.TrimPrefix(id, endpoint.FromFile), ":")
			return (f.modelID == "" || f.modelID == id) && (f.modelName == "" || f.modelName == name)
		}) {
			return true
		}
	}
	return false
}

func (f *listFilter) takesImage(e endpoint.Endpoint) bool {
	for _, v := range e.Versions {
		if strings.HasSuffix(v.Image, "@"+f.digest) {
			return true
		}
	}
	return f.digest == ""
}

// tags are those of the endpoint and of its versions.
func tags(e endpoint.Endpoint) []map[string]string {
	all := []map[string]string{e.Tags}
	for _, v := range e.Versions {
		all = append(all, v.Tags)
	}
	return all
}

func properties(e endpoint.Endpoint) []map[string]string {
	all := []map[string]string{e.Properties}
	for _, v := range e.Versions {
		all = append(all, v.Properties)
	}
	return all
}

// holds tells whether each of the wanted, KEY or KEY=VALUE, is in one of the maps.
func holds(wanted []string, in []map[string]string) bool {
	for _, want := range wanted {
		key, value, valued := strings.Cut(want, "=")
		if !slices.ContainsFunc(in, func(m map[string]string) bool {
			have, ok := m[key]
			return ok && (!valued || have == value)
		}) {
			return false
		}
	}
	return true
}
