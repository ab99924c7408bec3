// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

// watchEvery is the time between two looks of status -w.
const watchEvery = 2 * time.Second

func newStatus(o *options) *cobra.Command {
	var (
		watch  bool
		output string
	)
	c := &cobra.Command{
		Use:               "status ENDPOINT",
		Short:             "Show how an endpoint is: its router, versions, replicas and traffic",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE: func(c *cobra.Command, args []string) error {
			format, err := printer.ParseFormat(output, printer.JSON, printer.YAML)
			if err != nil {
				return usageError{err}
			}
			s, err := o.connect()
			if err != nil {
				return err
			}
			if watch {
				return o.watch(c.Context(), s, args[0], format)
			}
			text, err := o.status(c.Context(), s, args[0], format)
			if err != nil {
				return err
			}
			_, err = o.Streams.Out.Write(text)
			return err
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "Print it again whenever it changes, until interrupted")
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: json, yaml")
	return c
}

// status looks once and writes what it sees.
func (o *options) status(ctx context.Context, s *Session, name string, f printer.Format) ([]byte, error) {
	d, err := s.endpoint(ctx, name)
	if err != nil {
		return nil, err
	}
	snapshot, err := status.Collect(ctx, s.Kube, s.Namespace, name)
	if err != nil {
		return nil, err
	}
	routers, err := s.routers(ctx, name)
	if err != nil {
		o.tell("note: what the routers run is not known: %v", err)
	}
	tree := snapshot.Endpoint(d.Endpoint, o.Clock.Now(), status.Options{Routers: routers})
	var text bytes.Buffer
	switch f {
	case printer.JSON:
		err = printer.WriteJSON(&text, tree)
	case printer.YAML:
		err = printer.WriteYAML(&text, tree)
	case printer.Table, printer.Wide, printer.Name:
		err = printer.Tree(&text, tree)
	}
	return text.Bytes(), err
}

// watch writes the status whenever it is another than before. It ends with
// the context, which is how a user leaves: no error.
func (o *options) watch(ctx context.Context, s *Session, name string, f printer.Format) error {
	var before []byte
	for {
		text, err := o.status(ctx, s, name, f)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // interrupted by the user
		}
		if err != nil {
			return err
		}
		if !bytes.Equal(text, before) {
			if before != nil && f == printer.Table {
				fmt.Fprintln(o.Streams.Out)
			}
			if _, err := o.Streams.Out.Write(text); err != nil {
				return err
			}
			before = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-o.Clock.After(watchEvery):
		}
	}
}

// routers are the configurations that the ready routers say they run.
func (s *Session) routers(ctx context.Context, name string) ([]status.Router, error) {
	running, err := rollout.Running(ctx, rollout.NewRouters(s.Kube, s.Namespace, name))
	if err != nil {
		return nil, err
	}
	var routers []status.Router
	for _, r := range running {
		if r.Ready && r.Err == nil {
			routers = append(routers, status.Router{Pod: r.Pod, Hash: r.Hash, Default: r.Default, Weights: r.Weights})
		}
	}
	return routers, nil
}
