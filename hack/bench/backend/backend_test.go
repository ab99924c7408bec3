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
		body, version, err := ask(address)
		if body != `{"version":"blue"}`+"\n" || version != "blue" || err != nil {
			t.Errorf("got %q of %q, %v", body, version, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// ask asks until somebody listens, and returns the answer and the version that gave it.
func ask(address string) (body, version string, err error) {
	for range 100 {
		var response *http.Response
		response, err = http.Post("http://"+address, "application/json", strings.NewReader("{}"))
		if err == nil {
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			return string(text), response.Header.Get("azureml-model-deployment"), err
		}
		clock.RealClock{}.Sleep(10 * time.Millisecond)
	}
	return "", "", err
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
