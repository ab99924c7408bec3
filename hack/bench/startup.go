// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// measure starts the commands in turns, so that all of them see the same machine, and returns each one's times
// in ascending order. A first round that fills the caches is not counted.
func measure(ctx context.Context, c clock.PassiveClock, rounds int, commands ...[]string) ([][]time.Duration, error) {
	times := make([][]time.Duration, len(commands))
	for round := range rounds + 1 {
		for i, argv := range commands {
			var said bytes.Buffer
			command := exec.CommandContext(ctx, argv[0], argv[1:]...)
			command.Stdout, command.Stderr = &said, &said
			start := c.Now()
			if err := command.Run(); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, said.Bytes())
			}
			if round > 0 {
				times[i] = append(times[i], c.Since(start))
			}
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return times, nil
}

// timed is a command with its times in ascending order.
type timed struct {
	name  string
	times []time.Duration
}

// report compares the times of the plugin with kubectl's.
func report(rounds int, plugin, kubectl timed) string {
	ratio := func(of func([]time.Duration) time.Duration) float64 {
		return float64(of(plugin.times)) / float64(of(kubectl.times))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds\n", rounds)
	fmt.Fprintf(&b, "%-24s %9s %9s\n", "", "least", "median")
	for _, t := range []timed{plugin, kubectl} {
		fmt.Fprintf(&b, "%-24s %6d ms %6d ms\n", t.name, least(t.times).Milliseconds(), median(t.times).Milliseconds())
	}
	fmt.Fprintf(&b, "%-24s %9.2f %9.2f\n", "ratio", ratio(least), ratio(median))
	return b.String()
}

func least(sorted []time.Duration) time.Duration  { return sorted[0] }
func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

// findKubectl returns the kubectl on PATH, or a copy in folder of the one that a kind node brings with it.
func findKubectl(ctx context.Context, folder string) (string, error) {
	if path, err := exec.LookPath("kubectl"); err == nil {
		return path, nil
	}
	const list = "label=io.x-k8s.kind.role=control-plane"
	nodes, err := exec.CommandContext(ctx, "docker", "ps", "-q", "--filter", list).Output()
	node, _, _ := strings.Cut(string(nodes), "\n")
	if err != nil || node == "" {
		return "", errors.New("no kubectl on PATH and no kind node to take one from: name one with -kubectl")
	}
	path := filepath.Join(folder, "kubectl")
	if said, err := exec.CommandContext(ctx, "docker", "cp", node+":/usr/bin/kubectl", path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("kubectl cannot be copied from node %s: %w\n%s", node, err, said)
	}
	return path, nil
}
