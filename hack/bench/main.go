// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command bench compares how long the plugin and kubectl take to start. Absolute times tell of the machine and
// of what else it does; the ratio, taken in turns in one run, tells of the plugin.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"k8s.io/utils/clock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	plugin := flag.String("plugin", "bin/kubectl-aml", "the plugin's `program`")
	kubectl := flag.String("kubectl", "", "kubectl's `program` (default: the one on PATH, else a kind node's)")
	rounds := flag.Int("rounds", 21, "how often to start each")
	flag.Parse()
	if err := run(ctx, *plugin, *kubectl, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, plugin, kubectl string, rounds int) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if kubectl == "" {
		if kubectl, err = findKubectl(ctx, folder); err != nil {
			return err
		}
	}
	times, err := measure(ctx, clock.RealClock{}, rounds,
		[]string{plugin, "version"}, []string{kubectl, "version", "--client"})
	if err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(report(rounds, kubectl, times[0], times[1]))
	return err
}
