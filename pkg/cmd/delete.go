// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

func newDelete(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "delete",
		Short: "Delete an endpoint or one of its versions",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDeleteEndpoint(o), newDeleteVersion(o))
	return c
}

func newDeleteEndpoint(o *options) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:               "endpoint NAME",
		Short:             "Delete an endpoint, all its versions, its keys and its history",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := o.connect()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			if err := s.deleteEndpoint(ctx, args[0]); err != nil {
				return err
			}
			o.answer("endpoint/%s deleted", args[0])
			return nil
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", deleteTimeout, "How long to wait for everything to be gone")
	return c
}

// deleteEndpoint deletes the endpoint whatever state it is in, and its keys under
// the same Lease: whoever deploys it anew must not find keys that are about to
// go. Keys that an interrupted deletion has left go too.
func (s *Session) deleteEndpoint(ctx context.Context, name string) error {
	err := s.Releases.Delete(ctx, name, release.DeleteOptions{Gone: func(ctx context.Context) error {
		return auth.Delete(ctx, s.Kube, s.Namespace, name)
	}})
	if errors.Is(err, release.ErrNotFound) {
		return s.missing(name)
	}
	return err
}

func newDeleteVersion(o *options) *cobra.Command {
	var r rolloutFlags
	c := &cobra.Command{
		Use:   "version ENDPOINT VERSION...",
		Short: "Delete versions of an endpoint",
		Long: "Delete versions of an endpoint. Their traffic goes to the default version. The default itself can be\n" +
			"deleted when exactly one other version is left, which becomes the default as soon as it is ready.",
		Args:              minArgs(2),
		ValidArgsFunction: o.completeVersions,
		RunE: func(c *cobra.Command, args []string) error {
			return o.change(c.Context(), args[0], r, edit{
				description: "delete version " + strings.Join(args[1:], " "),
				done:        versionObjects(args[1:]) + " deleted",
				deletes:     true,
				apply: func(d deployed) (chart.Values, error) {
					next, err := withoutVersions(d.Endpoint, args[1:])
					return d.with(next), err
				},
			})
		},
	}
	r.add(c)
	return c
}

// versionObjects names versions as answers do.
func versionObjects(versions []string) string {
	named := make([]string, 0, len(versions))
	for _, version := range versions {
		named = append(named, "version/"+version)
	}
	return strings.Join(named, ", ")
}

// withoutVersions is e without some of its versions. The default goes last, when
// it is known what is left.
func withoutVersions(e endpoint.Endpoint, versions []string) (endpoint.Endpoint, error) {
	next, err := e, error(nil)
	for _, last := range []bool{false, true} {
		for _, version := range versions {
			if (version == e.Default) != last {
				continue
			}
			if next, err = next.DeleteVersion(version); err != nil {
				return e, err
			}
		}
	}
	return next, nil
}

// with returns the values of d changed to describe next. It brings no version
// that d does not have.
func (d deployed) with(next endpoint.Endpoint) chart.Values {
	return d.values.With(next, chart.VersionValues{})
}
