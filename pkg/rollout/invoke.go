// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// DefaultInvokeTimeout is longer than any answer takes by default: 60 s of
// scoring and half a second in the queue.
const DefaultInvokeTimeout = 65 * time.Second

// maxAnswer bounds how much of an answer is read into memory: 1 GiB.
const maxAnswer = 1 << 30

// Request is one call of an endpoint.
type Request struct {
	// URL is the whole address.
	URL string
	// Method is POST if empty.
	Method string
	Body   []byte
	// ContentType is application/json if empty and there is a body.
	ContentType string
	// Bearer is the key or token to send; empty for none.
	Bearer string
	// Header is sent as well, such as the one that pins a version.
	Header http.Header
	// Timeout is DefaultInvokeTimeout if zero.
	Timeout time.Duration
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Invoke calls the endpoint once and returns its answer, whatever the status.
// The error says why there is none; it never tells the key.
func Invoke(ctx context.Context, client *http.Client, r Request) (Answer, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = DefaultInvokeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := r.build(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("call the endpoint: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("call the endpoint: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("read the endpoint's answer: %w", err)
	}
	if len(body) > maxAnswer {
		return Answer{}, fmt.Errorf("read the endpoint's answer: it is longer than %d bytes", maxAnswer)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	if len(r.Body) > 0 && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.ContentType != "" {
		request.Header.Set("Content-Type", r.ContentType)
	}
	if r.Bearer != "" {
		request.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	return request, nil
}
