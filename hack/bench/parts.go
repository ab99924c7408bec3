// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/dataplane"
	"github.com/kubectl-aml/kubectl-aml/hack/bench/redeploy"
	"github.com/kubectl-aml/kubectl-aml/hack/bench/traffic"
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
		{"packing", b.packing},
		{"memory", b.memory},
		{"show", b.show},
		{"dataplane", func(ctx context.Context) error { return b.engines(ctx, dataplane.Compare) }},
		{"overload", func(ctx context.Context) error { return b.engines(ctx, dataplane.Overload) }},
		{"traffic", b.traffic},
		{"redeploy", b.redeploy},
	}
}

// machine tells what the figures were taken on, and what else it was doing.
func (b *bench) machine() error {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return fmt.Errorf("the benchmarks need Linux: %w", err)
	}
	before, _, _ := strings.Cut(string(load), " ")
	_, err = fmt.Fprintf(b.out, "%s, %d processors of %s, load average %s before\n",
		b.clock.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOARCH, before)
	return err
}

// startup compares how long the plugin and kubectl take to start.
func (b *bench) startup(ctx context.Context) error {
	rounds := 21
	if b.quick {
		rounds = 5
	}
	return b.withKubectl(ctx, func(kubectl string) error {
		times, err := measure(ctx, b.clock, rounds, []string{b.plugin, "version"}, []string{kubectl, "version", "--client"})
		if err != nil {
			return err
		}
		_, err = io.WriteString(b.out, report(rounds,
			timed{"kubectl-aml version", times[0]}, timed{"kubectl version --client", times[1]}))
		return err
	})
}

// show compares how long the plugin takes to show a compute, and kubectl to list
// the nodes of its cluster.
func (b *bench) show(ctx context.Context) error {
	rounds := 21
	if b.quick {
		rounds = 5
	}
	return b.withCompute(ctx, func(name, config string) error {
		return b.withKubectl(ctx, func(kubectl string) error {
			times, err := measure(ctx, b.clock, rounds,
				[]string{b.plugin, "compute", "show", name, config}, []string{kubectl, "get", "nodes", config})
			if err != nil {
				return err
			}
			_, err = io.WriteString(b.out, report(rounds,
				timed{"kubectl-aml compute show", times[0]}, timed{"kubectl get nodes", times[1]}))
			return err
		})
	})
}

// withCompute runs what needs a compute: the cluster is attached for it, and detached
// after it. config is the flag that names the kubeconfig, a copy.
func (b *bench) withCompute(ctx context.Context, run func(name, config string) error) (err error) {
	text, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("KUBECONFIG names no file: run make bench, or eval \"$(go run ./hack/cluster up)\": %w", err)
	}
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	const name = "bench"
	config := "--kubeconfig=" + file
	compute := func(ctx context.Context, args ...string) error {
		line := append([]string{"compute"}, append(args, name, config)...)
		said, err := exec.CommandContext(ctx, b.plugin, line...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("compute %s: %w\n%s", strings.Join(args, " "), err, said)
		}
		return nil
	}
	if err := compute(ctx, "attach", "kubernetes", "--cluster-purpose=DevTest"); err != nil {
		return err
	}
	// There may be endpoints of others.
	defer func() { err = errors.Join(err, compute(context.WithoutCancel(ctx), "detach", "--force")) }()
	return run(name, config)
}

// withKubectl runs what needs kubectl.
func (b *bench) withKubectl(ctx context.Context, run func(kubectl string) error) error {
	if b.kubectl != "" {
		return run(b.kubectl)
	}
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	found, err := findKubectl(ctx, folder)
	if err != nil {
		return err
	}
	return run(found)
}

// traffic runs the part that changes the traffic of an endpoint.
func (b *bench) traffic(ctx context.Context) error {
	return b.onCluster(ctx, func(plugin, kubectl string) error {
		options := traffic.Options{
			Clock: b.clock, Plugin: plugin, Kubectl: kubectl, Helm: helm(), Chart: "charts/inference", Changes: 10,
			Kubelet: !b.quick, Out: b.out, Talk: b.talk,
		}
		if b.quick {
			options.Changes = 3
		}
		return traffic.Compare(ctx, options)
	})
}

// redeploy runs the part that changes the code of an endpoint.
func (b *bench) redeploy(ctx context.Context) error {
	return b.onCluster(ctx, func(plugin, kubectl string) error {
		options := redeploy.Options{
			Clock: b.clock, Plugin: plugin, Kubectl: kubectl, Helm: helm(), Chart: "charts/inference",
			Registry: os.Getenv("AML_REGISTRY"), Environment: os.Getenv("AML_ENVIRONMENT_IMAGE"),
			Base:     cmp.Or(os.Getenv("AML_PYTHON_IMAGE"), "docker.io/library/python:3.11-slim-bookworm"),
			Packages: "e2e/cluster/parts/environment/requirements.txt",
			Changes:  5, Uncached: 2, Out: b.out, Talk: b.talk,
		}
		if b.quick {
			options.Changes, options.Uncached = 2, 1
		}
		return redeploy.Compare(ctx, options)
	})
}

// helm is how Helm is started.
func helm() []string { return []string{"go", "tool", "-modfile=hack/tools/helm/go.mod", "helm"} }

// onCluster runs what needs a cluster with its registry.
func (b *bench) onCluster(ctx context.Context, run func(plugin, kubectl string) error) error {
	for _, name := range []string{"KUBECONFIG", "AML_REGISTRY", "AML_ENVIRONMENT_IMAGE"} {
		if os.Getenv(name) == "" {
			return fmt.Errorf("%s is not set: run make bench, or eval \"$(go run ./hack/cluster up)\"", name)
		}
	}
	plugin, err := filepath.Abs(b.plugin)
	if err != nil {
		return err
	}
	return b.withKubectl(ctx, func(kubectl string) error { return run(plugin, kubectl) })
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
		options.Rounds, options.For = 3, time.Second/2
	}
	return run(ctx, options)
}
