// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command loader is the client of the end-to-end suite. It runs in a pod of
// the test's own namespace, so that requests go the way of any client in the
// cluster: through the Service, kube-proxy and a router.
//
//	loader sleep
//	loader run -url URL [-count N | -rate N] [-clients N] [-limit 60s] …
//
// run ends after count requests, or with -rate when its standard input ends or
// the limit is over, and prints a Report as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
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
}

type settings struct {
	url, body, method string
	headers           headerFlags
	count, rate       int
	clients           int
	limit             time.Duration
	fresh             int
	callers           string
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
	f.IntVar(&s.rate, "rate", 0, "requests a second, until standard input ends")
	f.IntVar(&s.clients, "clients", 8, "")
	f.DurationVar(&s.limit, "limit", 5*time.Minute, "")
	f.IntVar(&s.fresh, "fresh", 5, "every so many requests use a new connection; 0: none")
	f.StringVar(&s.callers, "callers", "", "header by which each request comes from a caller of its own")
	if len(args) == 0 || args[0] != "run" {
		return fmt.Errorf("write run or sleep")
	}
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return json.NewEncoder(os.Stdout).Encode(load(ctx, s, os.Stdin))
}

// load hands out turns to the clients: count of them as fast as they are
// taken, or rate a second until in ends. What was begun is always finished.
func load(ctx context.Context, s settings, in io.Reader) Report {
	turns := make(chan int)
	results := newResults()
	var clients sync.WaitGroup
	for range s.clients {
		clients.Go(func() {
			kept, single := client(false), client(true)
			for i := range turns {
				use := kept
				if s.fresh > 0 && i%s.fresh == 0 {
					use = single
				}
				caller, as := s.caller(i)
				o := call(use, as)
				o.caller = caller
				results.add(o)
			}
		})
	}
	hand(ctx, s, in, turns)
	close(turns)
	clients.Wait()
	return results.Report
}

func hand(ctx context.Context, s settings, in io.Reader, turns chan<- int) {
	if s.rate == 0 {
		for i := range s.count {
			select {
			case turns <- i:
			case <-ctx.Done():
				return
			}
		}
		return
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	}()
	tick := time.NewTicker(time.Second / time.Duration(s.rate))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			turns <- i
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

func client(single bool) *http.Client {
	return &http.Client{
		Timeout:   2 * time.Minute,
		Transport: &http.Transport{DisableKeepAlives: single, MaxIdleConnsPerHost: 1},
	}
}

// outcome is one answer, or the error that came instead.
type outcome struct {
	status, version, body string
	caller                string
	header                http.Header
	took                  time.Duration
	err                   error
}

func call(c *http.Client, s settings) outcome {
	start := time.Now()
	// No GetBody: Go's client would try a lost request again behind our back.
	request, err := http.NewRequest(s.method, s.url, io.NopCloser(bytes.NewReader([]byte(s.body))))
	if err != nil {
		return outcome{err: err}
	}
	request.ContentLength = int64(len(s.body))
	request.Header = http.Header(s.headers).Clone()
	response, err := c.Do(request)
	if err != nil {
		return outcome{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return outcome{
		status: strconv.Itoa(response.StatusCode), version: response.Header.Get("azureml-model-deployment"),
		body: strings.TrimSpace(string(body)), header: response.Header, took: time.Since(start), err: err,
	}
}

type results struct {
	turn sync.Mutex
	Report
}

func newResults() *results {
	return &results{Report: Report{Status: map[string]int{}, Versions: map[string]int{},
		Callers: map[string]string{}, Bodies: map[string]int{},
		Errors: map[string]int{}, Headers: map[string]string{}}}
}

func (r *results) add(o outcome) {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.Sent++
	if o.err != nil {
		r.Errors[o.err.Error()]++
		return
	}
	r.Status[o.status]++
	r.Versions[o.version]++
	if o.caller != "" {
		r.Callers[o.caller] = o.version
	}
	if _, known := r.Bodies[o.body]; known || len(r.Bodies) < 20 {
		r.Bodies[o.body]++
	}
	for name := range o.header {
		r.Headers[name] = o.header.Get(name)
	}
	r.Millis = max(r.Millis, o.took.Milliseconds())
}
