// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load hands out turns to the clients: count of them as fast as they are taken,
// or rate a second until in ends and count are sent. What was begun is always
// finished.
func load(ctx context.Context, s settings, in io.Reader) Report {
	turns := make(chan int)
	results := newResults()
	start := time.Now()
	var clients sync.WaitGroup
	for range s.clients {
		clients.Go(func() {
			kept, single := s.client(false), s.client(true)
			for i := range turns {
				use := kept
				if s.fresh > 0 && i%s.fresh == 0 {
					use = single
				}
				caller, as := s.caller(i)
				o := call(use, as, i)
				o.caller = caller
				results.add(o)
			}
		})
	}
	hand(ctx, s, in, turns)
	close(turns)
	clients.Wait()
	results.Took = time.Since(start).Milliseconds()
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
	over := false
	for i := 0; !over || i < s.count; {
		select {
		case <-tick.C:
			turns <- i
			i++
		case <-ended:
			over, ended = true, nil
		case <-ctx.Done():
			return
		}
	}
}

// client trusts the one authority that is given, if one is.
func (s settings) client(single bool) *http.Client {
	transport := &http.Transport{DisableKeepAlives: single, MaxIdleConnsPerHost: 1}
	if s.authority != "" {
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM([]byte(s.authority))
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
	}
	return &http.Client{Timeout: 2 * time.Minute, Transport: transport}
}

// outcome is one answer, or the error that came instead.
type outcome struct {
	number                int
	status, version, body string
	caller                string
	header                http.Header
	at                    time.Time
	took                  time.Duration
	err                   error
	// lost is what came instead of the number's own answer; empty if that came,
	// or requests have no numbers.
	lost string
}

func call(c *http.Client, s settings, number int) outcome {
	o := outcome{number: number, at: time.Now()}
	body := s.body
	if s.numbered {
		body = strconv.Itoa(number)
	}
	o.ask(c, s, body)
	o.took = time.Since(o.at)
	if s.numbered {
		o.lost = o.instead(body)
	}
	return o
}

func (o *outcome) ask(c *http.Client, s settings, body string) {
	// No GetBody: Go's client would try a lost request again behind our back.
	request, err := http.NewRequest(s.method, s.url, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		o.err = err
		return
	}
	request.ContentLength = int64(len(body))
	request.Header = http.Header(s.headers).Clone()
	response, err := c.Do(request)
	if err != nil {
		o.err = err
		return
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	o.status, o.version = strconv.Itoa(response.StatusCode), response.Header.Get("azureml-model-deployment")
	o.body, o.header, o.err = strings.TrimSpace(string(answer)), response.Header, err
}

// instead is what came instead of 200 with the number and a version's name.
func (o *outcome) instead(number string) string {
	switch {
	case o.err != nil:
		return kind(o.err)
	case o.status != "200":
		return fmt.Sprintf("%s %.80s, limiter %q", o.status, o.body, o.header.Get("x-aml-limiter"))
	case o.body != number:
		return "200 with another request's answer"
	case o.version == "":
		return "200 without a version"
	}
	return ""
}

// kind is an error without the addresses and ports in it.
func kind(err error) string {
	var url *url.Error
	if errors.As(err, &url) {
		err = url.Err
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return network.Op + ": " + network.Err.Error()
	}
	return err.Error()
}

type results struct {
	turn sync.Mutex
	Report
}

func newResults() *results {
	return &results{Report: Report{Status: map[string]int{}, Versions: map[string]int{}, Bodies: map[string]int{},
		Callers: map[string]string{}, Errors: map[string]int{}, Headers: map[string]string{}, Lost: []Loss{}}}
}

func (r *results) add(o outcome) {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.Sent++
	if o.lost != "" && len(r.Lost) < 1000 {
		r.Lost = append(r.Lost, Loss{Number: o.number, At: o.at.UnixMilli(), Millis: o.took.Milliseconds(), What: o.lost})
	}
	if o.err != nil {
		r.Errors[kind(o.err)]++
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
