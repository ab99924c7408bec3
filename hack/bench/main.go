// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command bench measures the plugin and its data plane beside what others need for the same work. Absolute times
// tell of the machine and of what else it does; ratios, taken in turns in one run, tell of the program.
//
//	bench [-quick] [-only PART,PART]
//
// The parts are startup, packing, memory, show, dataplane, overload, traffic and redeploy; memory, show, traffic
// and redeploy need a cluster. It fails where something cannot be measured, never for a figure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"k8s.io/utils/clock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the program; as load, backend or pack it is a part of what the program measures with.
func run(ctx context.Context, args []string) error {
	wall := clock.RealClock{}
	if len(args) > 0 && args[0] == "backend" {
		return serve(ctx, wall, args[1:])
	}
	if len(args) > 0 && args[0] == "load" {
		return send(ctx, wall, os.Stdout, args[1:])
	}
	if len(args) == 3 && args[0] == "pack" {
		return pack(ctx, os.Stdout, args[1:])
	}
	b := bench{clock: wall, out: os.Stdout, talk: os.Stderr}
	if err := b.parse(args); err != nil {
		return err
	}
	if err := b.machine(); err != nil {
		return err
	}
	for _, part := range b.parts() {
		if len(b.only) > 0 && !slices.Contains(b.only, part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func (b *bench) parse(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.plugin, "plugin", "bin/kubectl-aml", "the plugin's `program`")
	flags.StringVar(&b.kubectl, "kubectl", "", "kubectl's `program` (default: the one on PATH, else a kind node's)")
	flags.BoolVar(&b.quick, "quick", false, "fewer and shorter rounds: only tells that everything runs")
	only := flags.String("only", "", "measure only these `parts`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	var names []string
	for _, part := range b.parts() {
		names = append(names, part.name)
	}
	for _, name := range b.only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only: no part %q, there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}
