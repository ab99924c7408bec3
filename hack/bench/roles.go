// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"runtime"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/backend"
	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
)

// serve is "bench backend SERVER…": scoring servers until the program is told to end.
func serve(ctx context.Context, c clock.Clock, args []string) error {
	servers, ctx := errgroup.WithContext(ctx)
	for _, text := range args {
		server, err := backend.Parse(text)
		if err != nil {
			return err
		}
		servers.Go(func() error { return server.Serve(ctx, c) })
	}
	return servers.Wait()
}

// send is "bench load": requests as the flags say, and what became of them as JSON.
func send(ctx context.Context, c clock.Clock, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("bench load", flag.ContinueOnError)
	plan := load.Plan{Body: `{"data":[[1,2,3,4]]}`}
	key := flags.String("key", "", "the endpoint's key")
	flags.StringVar(&plan.URL, "url", "", "what to ask")
	flags.IntVar(&plan.Connections, "connections", 1, "how many requests at once")
	flags.Float64Var(&plan.Rate, "rate", 0, "requests that are due each second; 0 for as fast as answers come")
	flags.DurationVar(&plan.For, "for", 0, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	plan.Header = http.Header{"Authorization": {"Bearer " + *key}}
	// One for the requests, one for the thread that waits for the next one to be due.
	runtime.GOMAXPROCS(2)
	result, err := load.Run(ctx, c, plan)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}
