// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/dataplane"
)

// bench is what to measure, and with what.
type bench struct {
	clock     clock.Clock
	out, talk io.Writer

	plugin, kubectl string
	quick           bool
	only            []string
}

// part is one of the things that are measured.
type part struct {
	name string
	run  func(context.Context) error
}

func (b *bench) parts() []part {
	return []part{
		{"startup", b.startup},
		{"dataplane", func(ctx context.Context) error { return b.engines(ctx, dataplane.Compare) }},
		{"overload", func(ctx context.Context) error { return b.engines(ctx, dataplane.Overload) }},
	}
}

// startup compares how long the plugin and kubectl take to start.
func (b *bench) startup(ctx context.Context) error {
	rounds := 21
	if b.quick {
		rounds = 5
	}
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if b.kubectl == "" {
		if b.kubectl, err = findKubectl(ctx, folder); err != nil {
			return err
		}
	}
	times, err := measure(ctx, b.clock, rounds, []string{b.plugin, "version"}, []string{b.kubectl, "version", "--client"})
	if err != nil {
		return err
	}
	_, err = io.WriteString(b.out, report(rounds, b.kubectl, times[0], times[1]))
	return err
}

// engines runs a part that needs the engines of the data plane.
func (b *bench) engines(ctx context.Context, run func(context.Context, dataplane.Options) error) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	options := dataplane.Options{
		Clock: b.clock, Self: self, Cache: filepath.Join(cache, "kubectl-aml", "engines"), Rounds: 5,
		For: 3 * time.Second, Out: b.out, Talk: b.talk,
	}
	if b.quick {
		options.Rounds, options.For = 3, 700*time.Millisecond
	}
	return run(ctx, options)
}
