// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package backend

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

func TestServeAnswersUntilTheContextIsDone(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Server{Address: address, Version: "blue", Takes: time.Millisecond}.Serve(ctx, clock.RealClock{})
	}()
	for range 2 {
		response, err := ask(t, address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if string(body) != `{"version":"blue"}`+"\n" || response.Header.Get("azureml-model-deployment") != "blue" {
			t.Errorf("got %s, %v", body, response.Header)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// ask asks until somebody listens.
func ask(t *testing.T, address string) (response *http.Response, err error) {
	t.Helper()
	for range 100 {
		response, err = http.Post("http://"+address, "application/json", strings.NewReader("{}"))
		if err == nil {
			t.Cleanup(func() { _ = response.Body.Close() })
			return response, nil
		}
		clock.RealClock{}.Sleep(10 * time.Millisecond)
	}
	return nil, err
}

func TestParse(t *testing.T) {
	t.Parallel()
	want := Server{Address: "127.0.0.1:1", Version: "blue", Takes: 50 * time.Millisecond}
	if got, err := Parse(want.String()); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, wrong := range []string{"", "127.0.0.1:1,blue", "127.0.0.1:1,blue,soon"} {
		if got, err := Parse(wrong); err == nil {
			t.Errorf("%q is %v", wrong, got)
		}
	}
}
