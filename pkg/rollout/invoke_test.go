// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

func TestInvoke(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("azureml-model-deployment", "blue")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s %q %q %q %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"),
			r.Header.Get("Authorization"), r.Header.Get("azureml-model-deployment"), body)
	}))
	defer server.Close()
	cases := map[string]struct {
		request rollout.Request
		want    string
	}{
		"posts_json_with_the_key": {
			rollout.Request{Body: []byte("[1]"), Bearer: "one"}, `POST /score "application/json" "Bearer one" "" "[1]"`},
		"sends_no_header_without_a_key": {
			rollout.Request{Body: []byte("[1]")}, `POST /score "application/json" "" "" "[1]"`},
		"gets": {
			rollout.Request{Method: http.MethodGet}, `GET /score "" "" "" ""`},
		"sends_other_types": {
			rollout.Request{Body: []byte("x"), ContentType: "text/csv"}, `POST /score "text/csv" "" "" "x"`},
		"pins_a_version": {
			rollout.Request{Header: http.Header{"azureml-model-deployment": {"blue"}}}, `POST /score "" "" "blue" ""`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.request.URL = server.URL + "/score"
			got, err := rollout.Invoke(t.Context(), server.Client(), c.request)
			if err != nil || string(got.Body) != c.want || got.Status != http.StatusTeapot ||
				got.Header.Get("Azureml-Model-Deployment") != "blue" {
				t.Errorf("got %d %s, %v; want %s", got.Status, got.Body, err, c.want)
			}
		})
	}
}

func TestInvokeEndsAfterItsTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	_, err := rollout.Invoke(t.Context(), server.Client(), rollout.Request{URL: server.URL, Timeout: time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestInvokeDoesNotTellTheKey(t *testing.T) {
	_, err := rollout.Invoke(t.Context(), http.DefaultClient,
		rollout.Request{URL: "http://127.0.0.1:1", Bearer: "s3cr3t\n"})
	if err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("got %v, want an error without the key", err)
	}
}
