// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command builder builds the Dockerfile on its standard input in a Job of the
// cluster, and prints what the build says. The end-to-end suite kills it.
//
//	builder -kubeconfig FILE -namespace NAME -image BUILDKIT -idle 5s
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "builder:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("builder", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "`file` with the cluster")
	o := build.ClusterOptions{CPU: resource.MustParse("400m"), Memory: resource.MustParse("1Gi")}
	flags.StringVar(&o.Namespace, "namespace", "", "where the Job runs")
	flags.StringVar(&o.Image, "image", "", "of BuildKit")
	flags.DurationVar(&o.Idle, "idle", time.Minute, "how long BuildKit outlives this")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dockerfile, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	b, err := build.Cluster(kube, config, o)
	if err != nil {
		return err
	}
	result, err := b.Build(ctx, build.Request{Name: "the test's", Dockerfile: string(dockerfile), Platform: "linux/amd64",
		Log: func(line string) { fmt.Println(line) }})
	if err != nil {
		return err
	}
	return result.Close()
}
