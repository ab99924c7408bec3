// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// deleteTimeout bounds how long a deletion waits for everything to be gone.
const deleteTimeout = 5 * time.Minute

func newAzureDelete(o *options, k kind) *cobra.Command {
	return o.azure(azureForm{
		use: "delete", short: "Delete one " + k.noun, noun: k.noun,
		run: func(ctx context.Context, a *azureCommand) error {
			ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
			defer cancel()
			err := a.session.deleteEndpoint(ctx, a.name)
			if errors.Is(err, release.ErrNotFound) {
				a.tell("no %s with name %s found to delete", k.noun, a.name)
				return nil
			}
			if err != nil {
				return err
			}
			return a.print(named{a.name})
		},
	})
}

func newAzureDeleteVersion(o *options) *cobra.Command {
	var (
		version string
		noWait  bool
	)
	c := o.azure(azureForm{
		use: "delete-version", short: "Delete one version of an endpoint", noun: "endpoint",
		run: func(ctx context.Context, a *azureCommand) error {
			if version == "" {
				return usageError{errors.New("the name of the version is missing: write --version-name VERSION")}
			}
			silent := *a.options
			silent.Streams.Out = io.Discard
			r := rolloutFlags{dryRun: "none", wait: !noWait, timeout: waitTime}
			err := silent.change(ctx, a.name, r, edit{
				description: "delete version " + version, done: "deleted", deletes: true,
				apply: func(d deployed) (chart.Values, error) {
					next, err := d.DeleteVersion(version)
					return d.with(next), err
				},
			})
			if err != nil {
				return err
			}
			return a.print(named{version})
		},
	})
	c.Flags().StringVar(&version, "version-name", "", "Name of the version")
	short(c, "version-name", "vn")
	c.Flags().BoolVar(&noWait, "no-wait", false, "Do not wait until the routers run without it")
	return c
}

func newAzureRun(o *options, k kind) *cobra.Command {
	var data string
	c := o.azure(azureForm{
		use: "run", short: "Call a " + k.noun + " with its key and print the answer", noun: k.noun, plain: true,
		run: func(ctx context.Context, a *azureCommand) error {
			if data == "" {
				return usageError{errors.New("there is nothing to send: write --input-data TEXT, or @FILE")}
			}
			body, err := a.input(data)
			if err != nil {
				return err
			}
			d, err := a.session.endpoint(ctx, a.name)
			if err != nil {
				return err
			}
			return a.score(ctx, d, body)
		},
	})
	c.Flags().StringVarP(&data, "input-data", "d", "", "What to send: JSON text, @FILE, or @- for standard input")
	return c
}

// score sends body and prints what comes back. Refused once, it reads the keys
// again, which somebody may just have changed.
func (a *azureCommand) score(ctx context.Context, d deployed, body []byte) error {
	client, base, closeWay, err := a.session.way(ctx, d)
	if err != nil {
		return err
	}
	defer closeWay()
	request := rollout.Request{Body: body, URL: base + printer.ScoringPath(d.Name)}
	var answer rollout.Answer
	for range 2 {
		if d.Auth.Mode == endpoint.AuthKey {
			keys, err := auth.Read(ctx, a.session.Kube, a.session.Namespace, d.secret())
			if err != nil {
				return err
			}
			request.Bearer = keys.Primary.Reveal()
		}
		if answer, err = rollout.Invoke(ctx, client, request); err != nil {
			return err
		}
		if answer.Status != http.StatusUnauthorized {
			break
		}
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("%s answered %d%s: %s", a.name, answer.Status, by(answer.Header.Get(deploymentHeader)),
			strings.TrimSpace(string(answer.Body)))
	}
	a.answer("%s", bytes.TrimSpace(answer.Body))
	return nil
}

func newAzureLogs(o *options, k kind) *cobra.Command {
	var (
		lines int64
		init  bool
	)
	c := o.azure(azureForm{
		use: "get-logs", short: "Print what the score script of a " + k.noun + " wrote", noun: k.noun, plain: true,
		run: func(ctx context.Context, a *azureCommand) error {
			if lines < 1 {
				return usageError{fmt.Errorf("%d lines: write 1 or more", lines)}
			}
			if init {
				_, err := a.session.endpoint(ctx, a.name)
				if err == nil {
					a.tell("note: there is no init container: code and models are in the image")
				}
				return err
			}
			return a.logs(ctx, a.name, logFlags{container: "scoring", tail: lines})
		},
	})
	c.Flags().Int64VarP(&lines, "num-lines", "l", 5000, "How many lines of each replica")
	short(c, "num-lines", "num_lines")
	c.Flags().BoolVarP(&init, "init", "i", false, "Of the init container, which is not needed here: prints nothing")
	return c
}

func newAzureToken(o *options, k kind) *cobra.Command {
	return o.azure(azureForm{
		use: "get-access-token", short: "Tokens are not served yet: use get-keys", noun: k.noun,
		run: func(ctx context.Context, a *azureCommand) error {
			if _, err := a.session.endpoint(ctx, a.name); err != nil {
				return err
			}
			return errors.New("tokens are not served yet: callers use one of the two keys that get-keys prints")
		},
	})
}
