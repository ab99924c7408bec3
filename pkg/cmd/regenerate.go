// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

func newAzureKeys(o *options, k kind) *cobra.Command {
	return o.azure(azureForm{
		use: "get-keys", short: "Print the two keys of one " + k.noun, noun: k.noun,
		run: func(ctx context.Context, a *azureCommand) error {
			keys, err := a.session.keys(ctx, a.name)
			if err != nil {
				return err
			}
			return a.print(keyListing(keys).Object)
		},
	})
}

// keys reads the keys of an endpoint that has some.
func (s *Session) keys(ctx context.Context, name string) (auth.Keys, error) {
	d, err := s.withKeys(ctx, name)
	if err != nil {
		return auth.Keys{}, err
	}
	return auth.Read(ctx, s.Kube, s.Namespace, d.secret())
}

// withKeys reads an endpoint and refuses one that asks for no key.
func (s *Session) withKeys(ctx context.Context, name string) (deployed, error) {
	d, err := s.endpoint(ctx, name)
	if err == nil && d.Auth.Mode == endpoint.AuthNone {
		return d, fmt.Errorf("endpoint %q asks for no key", d.Name)
	}
	return d, err
}

func newAzureRegenerate(o *options, k kind) *cobra.Command {
	var key, set string
	c := o.azure(azureForm{
		use: "regen-key", short: "Change one of the two keys of one " + k.noun, noun: k.noun,
		run: func(ctx context.Context, a *azureCommand) error {
			which, err := auth.ParseWhich(key)
			if err != nil {
				return usageError{err}
			}
			given, err := a.givenKey(set)
			if err != nil {
				return err
			}
			keys, err := a.regenerate(ctx, a.session, a.name, which, given)
			if err != nil {
				return err
			}
			return a.print(keyListing(keys).Object)
		},
	})
	c.Long = "Change one of the two keys. The other one is good throughout. When the command returns, every router\n" +
		"takes the new key and refuses the old one."
	c.Flags().StringVarP(&key, "key", "k", "", "Which key: Primary or Secondary")
	c.Flags().StringVar(&set, "set-key", "", "The new key instead of one made at random: @FILE, - for standard input, "+
		"or the key itself, which others on this machine can then see")
	short(c, "set-key", "s")
	return c
}

// givenKey reads the key that --set-key names: @FILE, - or the key itself.
func (o *options) givenKey(set string) (auth.Key, error) {
	text, err := []byte(nil), error(nil)
	file, isFile := strings.CutPrefix(set, "@")
	switch {
	case set == "":
		return auth.Key{}, nil
	case set == "-" || set == "@-":
		text, err = io.ReadAll(o.Streams.In)
	case isFile:
		text, err = os.ReadFile(o.path(file))
	default:
		o.tell("warning: a key on the command line can be seen by others: write --set-key @FILE, or - for standard input")
		return auth.NewKey(set), nil
	}
	key := auth.NewKey(strings.TrimSpace(string(text)))
	switch {
	case err != nil:
		return auth.Key{}, fmt.Errorf("the key cannot be read: %w", err)
	case key.IsZero():
		return auth.Key{}, fmt.Errorf("there is no key in %s: write one line", set)
	}
	return key, nil
}

func newKeysRegenerate(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "regenerate ENDPOINT primary|secondary",
		Short: "Change one of the two keys of an endpoint",
		Long: "Change one of the two keys of an endpoint. The other one is good throughout. When the command returns,\n" +
			"every router takes the new key and refuses the old one. A command that was cut off in the middle is made\n" +
			"good by the next.",
		Example: "  # Callers use the first key: let them change to the second, then change the first\n" +
			"  kubectl aml keys regenerate diabetes primary",
		Args: exactArgs(2),
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"primary", "secondary"}, cobra.ShellCompDirectiveNoFileComp
			}
			return o.completeEndpoints(c, args, typed)
		},
		RunE: func(c *cobra.Command, args []string) error {
			which, err := auth.ParseWhich(args[1])
			if err != nil {
				return usageError{err}
			}
			s, err := o.connect()
			if err != nil {
				return err
			}
			if _, err := o.regenerate(c.Context(), s, args[0], which, auth.Key{}); err != nil {
				return err
			}
			o.answer("endpoint/%s %s key regenerated", args[0], strings.ToLower(string(which)))
			return nil
		},
	}
	return c
}

// regenerate changes a key and returns when every router has taken it up.
func (o *options) regenerate(
	ctx context.Context, s *Session, name string, which auth.Which, key auth.Key,
) (auth.Keys, error) {
	d, err := s.withKeys(ctx, name)
	if err != nil {
		return auth.Keys{}, err
	}
	slot, err := chart.AuthSlot()
	if err != nil {
		return auth.Keys{}, err
	}
	done, err := auth.Regenerate(ctx, s.Kube, auth.RegenerateOptions{
		Namespace: s.Namespace, Endpoint: name, Secret: d.secret(), Slot: slot, Which: which, Key: key,
	})
	if err != nil {
		return auth.Keys{}, err
	}
	fresh := done.Keys.Get(which)
	err = rollout.ConfirmKeys(ctx, rollout.KeyOptions{
		Doors: s.doors(name), Fresh: fresh.Reveal(), Stale: done.Old.Reveal(), Clock: o.Clock,
		Wanted: func(ctx context.Context) error {
			now, err := auth.Read(ctx, s.Kube, s.Namespace, d.secret())
			if err != nil && !errors.Is(err, auth.ErrNotFound) {
				return nil //nolint:nilerr // the cluster does not answer: the next look may
			}
			if err == nil && now.Get(which).Equal(fresh) {
				return nil
			}
			return fmt.Errorf("the %s key of %s was changed again by somebody else meanwhile: read it with "+
				"kubectl aml keys get %s", strings.ToLower(string(which)), name, name)
		},
		Report: func(line string) { o.tell("%s", line) },
	})
	if errors.Is(err, rollout.ErrNoRouter) {
		o.tell("note: no router is ready: the new key is taken up when one starts")
		err = nil
	}
	return done.Keys, err
}
