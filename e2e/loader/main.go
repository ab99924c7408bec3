// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command loader is the client of the end-to-end suite. It runs in a pod of
// the test's own namespace, so that requests go the way of any client in the
// cluster: through the Service, kube-proxy and a router.
//
//	loader sleep
//	loader run -url URL [-count N] [-rate N] [-clients N] [-limit 60s] …
//	loader serve
//
// run ends after count requests, or with -rate when its standard input ends,
// but not before count requests, or the limit is over. It prints a Report as
// JSON. serve is a scoring server that costs little; under the name of python
// it is one whatever the arguments are, because that is what a scoring
// container starts.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Report counts what came back.
type Report struct {
	Sent     int            `json:"sent"`
	Status   map[string]int `json:"status"`
	Versions map[string]int `json:"versions"`
	// Callers tells which version answered each caller, with -callers.
	Callers map[string]string `json:"callers"`
	// Bodies counts distinct answers, the first 20 of them.
	Bodies map[string]int `json:"bodies"`
	// Errors counts what went wrong without an answer, by text.
	Errors map[string]int `json:"errors"`
	// Headers are those of the last answer.
	Headers map[string]string `json:"headers"`
	// Millis is how long the slowest answer took.
	Millis int64 `json:"millis"`
	// Took is how many milliseconds passed from the first request to the last
	// answer.
	Took int64 `json:"took"`
	// Lost are the numbered requests that did not get their answer, the first
	// 1000 of them.
	Lost []Loss `json:"lost"`
}

// Loss is a numbered request that did not get its own answer.
type Loss struct {
	Number int `json:"number"`
	// At is when it was sent, in milliseconds since 1970; Millis is how long it
	// was under way.
	At     int64 `json:"at"`
	Millis int64 `json:"millis"`
	// What came instead, in words that are the same for losses of one kind.
	What string `json:"what"`
}

type settings struct {
	url, body, method string
	headers           headerFlags
	count, rate       int
	clients           int
	limit             time.Duration
	fresh             int
	callers           string
	authority         string
	numbered          bool
}

type headerFlags http.Header

func (h headerFlags) String() string { return "" }

func (h headerFlags) Set(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("%q is not NAME: VALUE", text)
	}
	http.Header(h).Add(name, strings.TrimSpace(value))
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "loader:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "sleep" {
		<-ctx.Done()
		return nil
	}
	if filepath.Base(os.Args[0]) == "python" || len(args) > 0 && args[0] == "serve" {
		return serve(ctx)
	}
	s := settings{headers: headerFlags{}}
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.StringVar(&s.url, "url", "", "")
	f.StringVar(&s.body, "body", "", "")
	f.Func("body64", "body in base64: one that is no text", func(text string) error {
		body, err := base64.StdEncoding.DecodeString(text)
		s.body = string(body)
		return err
	})
	f.StringVar(&s.method, "method", http.MethodPost, "")
	f.Var(s.headers, "header", "")
	f.IntVar(&s.count, "count", 0, "")
	f.IntVar(&s.rate, "rate", 0, "requests a second, until standard input ends and count are sent")
	f.IntVar(&s.clients, "clients", 8, "")
	f.DurationVar(&s.limit, "limit", 5*time.Minute, "")
	f.BoolVar(&s.numbered, "numbered", false, "the body is the request's number, and so must be the answer's")
	f.IntVar(&s.fresh, "fresh", 5, "every so many requests use a new connection; 0: none")
	f.StringVar(&s.authority, "ca", "", "certificate, in PEM, of who signs the endpoint's; only for https")
	f.StringVar(&s.callers, "callers", "", "header by which each request comes from a caller of its own")
	if len(args) == 0 || args[0] != "run" {
		return fmt.Errorf("write run, serve or sleep")
	}
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return json.NewEncoder(os.Stdout).Encode(load(ctx, s, os.Stdin))
}
