// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command cluster starts and stops the cluster of the demo and the end-to-end
// tests. What a shell may evaluate goes to stdout, progress to stderr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

const usage = `usage: go run ./hack/cluster [flags] up|down|status|images

  up      make sure that the cluster runs; print its settings for eval
  images  the same as up
  status  print what runs
  down    delete the cluster and its registry

flags:
`

var errUsage = errors.New("one of up, down, status, images is needed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts := cluster.Options{Progress: stderr}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&opts.Name, "name", "aml", "name of the cluster")
	flags.IntVar(&opts.RegistryPort, "registry-port", 5001, "port of the registry on 127.0.0.1")
	flags.IntVar(&opts.HTTPPort, "http-port", 0, "port on 127.0.0.1 that leads to NodePort 30080 (default 18080 for aml)")
	cache := flags.Bool("cache", false, "with down: delete what was built, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch flags.Arg(0) {
	case "up", "images":
		c, err := cluster.Up(ctx, opts)
		if err == nil {
			printSettings(stdout, c)
		}
		return err
	case "status":
		status, err := cluster.Look(ctx, opts)
		fmt.Fprint(stdout, status)
		return err
	case "down":
		if err := cluster.Down(ctx, opts); err != nil || !*cache {
			return err
		}
		return cluster.ClearCache(ctx, opts)
	}
	return errUsage
}

// printSettings writes lines for a shell's eval.
func printSettings(w io.Writer, c *cluster.Cluster) {
	for _, setting := range []struct{ name, value string }{
		{"KUBECONFIG", c.Kubeconfig},
		{"AML_REGISTRY", c.Registry},
		{"AML_ROUTER_IMAGE", c.Images.Router},
		{"AML_LIMITER_IMAGE", c.Images.Limiter},
		{"AML_ENVIRONMENT_IMAGE", c.Images.Environment},
	} {
		fmt.Fprintf(w, "export %s='%s'\n", setting.name, setting.value)
	}
	if c.Kubectl != "" {
		fmt.Fprintf(w, "export PATH='%s':\"$PATH\"\n", filepath.Dir(c.Kubectl))
	}
}
