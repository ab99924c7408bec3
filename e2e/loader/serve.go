// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// serve is a scoring server where the limiter looks for one. It gives each
// number back after 5 to 20 ms, and one in a hundred after half a second, so
// that there is always something under way. When it is told to end, it takes
// no more connections and finishes what it has.
func serve(ctx context.Context) error {
	server := &http.Server{Addr: "127.0.0.1:5001", Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ended <- server.Shutdown(context.WithoutCancel(ctx))
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-ended
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if number, err := strconv.Atoi(string(body)); err == nil {
		time.Sleep(work(number))
	}
	_, _ = w.Write(body)
}

// work is how long the model takes for a number.
func work(number int) time.Duration {
	if number%100 == 99 {
		return 500 * time.Millisecond
	}
	return time.Duration(5+number%16) * time.Millisecond
}
