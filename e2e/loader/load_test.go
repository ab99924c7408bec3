// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The suite counts as lost what is told here.
func TestNumberedRequestsWantTheirOwnAnswer(t *testing.T) {
	t.Parallel()
	const version = "azureml-model-deployment"
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string // of what each request lost; empty: none is
	}{
		"their number and a version": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(version, "blue")
			echo(w, r)
		}, ""},
		"their number alone": {echo, "200 without a version"},
		"another number": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(version, "blue")
			_, _ = io.WriteString(w, "17")
		}, "200 with another request's answer"},
		"a refusal": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-aml-limiter", "full")
			http.Error(w, "no replica was free", http.StatusServiceUnavailable)
		}, `503 no replica was free, limiter "full"`},
		"a closed connection": {hangUp, "EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tt.answer)
			defer server.Close()
			s := settings{url: server.URL, method: http.MethodPost, count: 10, clients: 2, fresh: 5, numbered: true}
			r := load(t.Context(), s, nil)
			want := 10
			if tt.want == "" {
				want = 0
			}
			if r.Sent != 10 || len(r.Lost) != want {
				t.Errorf("of %d requests %d are lost, want %d of 10: %v", r.Sent, len(r.Lost), want, r.Lost)
			}
			for _, l := range r.Lost {
				if l.What != tt.want {
					t.Errorf("request %d is lost to %q, want %q", l.Number, l.What, tt.want)
				}
			}
		})
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func TestASteadyStreamEndsWhenItsInputHasAndAllAreSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	s := settings{url: server.URL, method: http.MethodPost, count: 30, rate: 1000, clients: 4}
	if r := load(t.Context(), s, strings.NewReader("")); r.Sent != 30 {
		t.Errorf("%d requests were sent, want the 30 counted although the input ended before", r.Sent)
	}
}
