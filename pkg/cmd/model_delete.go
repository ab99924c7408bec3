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
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

func newModelDelete(o *options) *cobra.Command {
	var (
		m   modelCommand
		ref modelRef
	)
	c := &cobra.Command{
		Use:   "delete NAME:VERSION",
		Short: "Delete a version of a registered model",
		Long: "Delete a version of a registered model for good. It is refused while an endpoint runs it, as far as you\n" +
			"may see the endpoints. The number is not given to another version.",
		RunE: func(c *cobra.Command, args []string) error {
			model, err := ref.parse(c, args)
			if err != nil {
				return err
			}
			if model.Version == 0 {
				return usageError{fmt.Errorf("model %q has no version: write %s:VERSION, so that no other is deleted",
					model.Name, model.Name)}
			}
			models, err := m.open()
			if err != nil {
				return err
			}
			if err := m.unused(c.Context(), model.String()); err != nil {
				return err
			}
			gone, err := models.Delete(c.Context(), model.Name, model.Version)
			if err != nil {
				return err
			}
			return m.print(gone)
		},
	}
	m.add(c, o)
	ref.add(c, &m)
	return c
}

// unused refuses a model that an endpoint runs, NAME:VERSION. Without a cluster
// there is nobody to ask.
func (o *options) unused(ctx context.Context, model string) error {
	s, err := o.connect()
	if errors.Is(err, errNoCluster) {
		o.tell("note: no cluster is configured: whether an endpoint runs %s is not known", model)
		return nil
	}
	if err != nil {
		return err
	}
	releases, err := o.visible(ctx, s)
	if err != nil {
		return fmt.Errorf("whether an endpoint runs %s cannot be found out: %w", model, err)
	}
	var users []string
	for _, r := range releases {
		d, err := read(r)
		if err != nil {
			return err
		}
		for _, version := range d.VersionNames() {
			if slices.Contains(d.Versions[version].Models, model) {
				users = append(users, fmt.Sprintf("%s of endpoint %s/%s", version, r.Namespace, r.Name))
			}
		}
	}
	if len(users) > 0 {
		return fmt.Errorf("model %s is run by version %s: delete or replace the version first", model,
			strings.Join(users, ", by version "))
	}
	return nil
}

// visible are the releases of all namespaces, or of one's own where no more is
// allowed.
func (o *options) visible(ctx context.Context, s *Session) ([]release.Release, error) {
	releases, err := s.Releases.List(ctx, true)
	if !apierrors.IsForbidden(err) {
		return releases, err
	}
	o.tell("note: you may not see all namespaces: only the endpoints in %s are looked at", s.Namespace)
	return s.Releases.List(ctx, false)
}
