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

const usage = `usage: go run ./hack/cluster up|down|status|images|gateway [flags]

  up      make sure that the cluster runs; print its settings for eval
  images  make sure of the registry and of all images, without nodes
  gateway make sure that the cluster runs, with Envoy Gateway in it
  status  print what runs
  down    delete the cluster and its registry

flags:
`

var errUsage = errors.New("one of up, down, status, images, gateway is needed")

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
	command := flags.Arg(0)
	if command != "" { // flags may stand behind the command, too
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	if flags.NArg() > 0 {
		return errUsage
	}
	switch command {
	case "up":
		c, err := cluster.Up(ctx, opts)
		if err == nil {
			printCluster(stdout, c)
		}
		return err
	case "images":
		images, err := cluster.Prepare(ctx, opts)
		if err == nil {
			printSettings(stdout, append(imageSettings(images), setting{"AML_AZUREML_ENVIRONMENT_IMAGE", images.AzureML}))
		}
		return err
	case "gateway":
		_, err := cluster.EnvoyGateway(ctx, opts)
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

type setting struct{ name, value string }

func imageSettings(images cluster.Images) []setting {
	return []setting{
		{"AML_ROUTER_IMAGE", images.Router},
		{"AML_LIMITER_IMAGE", images.Limiter},
		{"AML_ENVIRONMENT_IMAGE", images.Environment},
		{"AML_BUILDKIT_IMAGE", images.BuildKit},
		{"AML_PYTHON_IMAGE", images.Python},
	}
}

func printCluster(w io.Writer, c *cluster.Cluster) {
	printSettings(w, append([]setting{
		{"KUBECONFIG", c.Kubeconfig}, {"AML_REGISTRY", c.Registry}, {"AML_HTTP", c.HTTP},
	}, imageSettings(c.Images)...))
	if c.Kubectl != "" {
		fmt.Fprintf(w, "export PATH='%s':\"$PATH\"\n", filepath.Dir(c.Kubectl))
	}
}

// printSettings writes lines for a shell's eval.
func printSettings(w io.Writer, settings []setting) {
	for _, s := range settings {
		fmt.Fprintf(w, "export %s='%s'\n", s.name, s.value)
	}
}
