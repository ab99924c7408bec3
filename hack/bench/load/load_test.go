// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package load

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// serve starts a server of which every tenth answer is a refusal.
func serve(t *testing.T, delay time.Duration) (string, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		clock.RealClock{}.Sleep(delay)
		w.Header().Set(VersionHeader, "blue")
		if asked.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, &asked
}

func TestRunAtARate(t *testing.T) {
	t.Parallel()
	url, asked := serve(t, 0)
	result, err := Run(t.Context(), clock.RealClock{}, Plan{URL: url, Body: "{}", Connections: 4, Rate: 200,
		Header: http.Header{"Authorization": {"Bearer key"}}, For: time.Second / 2})
	if err != nil {
		t.Fatal(err)
	}
	if result.Sent != 100 || asked.Load() != 100 {
		t.Errorf("sent %d, the server saw %d, want 100", result.Sent, asked.Load())
	}
	if result.Answers[200].Count != 90 || result.Answers[503].Count != 10 || result.Versions["blue"] != 100 {
		t.Errorf("got %v from %v", result.Answers, result.Versions)
	}
}

func TestRunCountsTheWaitForAConnection(t *testing.T) {
	t.Parallel()
	const delay = 50 * time.Millisecond
	url, _ := serve(t, delay)
	result, err := Run(t.Context(), clock.RealClock{}, Plan{URL: url, Connections: 1, Rate: 100,
		Header: http.Header{"Authorization": {"Bearer key"}}, For: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// Ten were due within 100 ms, of which the last is sent after nine answers.
	if most := max(result.Answers[200].Most, result.Answers[503].Most); most < 9*delay-100*time.Millisecond+delay {
		t.Errorf("the slowest answer took %v, as if its request had not waited", most)
	}
}

func TestRunAsFastAsAnswersCome(t *testing.T) {
	t.Parallel()
	url, asked := serve(t, 0)
	var seen atomic.Int64
	result, err := Run(t.Context(), clock.RealClock{}, Plan{URL: url, Connections: 2, For: time.Second / 2,
		Header: http.Header{"Authorization": {"Bearer key"}}, Seen: func(Answer) { seen.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	if result.Sent == 0 || int64(result.Sent) != asked.Load() || seen.Load() != asked.Load() {
		t.Errorf("sent %d, the server saw %d, the caller was told of %d", result.Sent, asked.Load(), seen.Load())
	}
}

func TestRunTellsWhatFailed(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, 0)
	closed := httptest.NewServer(nil)
	closed.Close()
	refused, err := Run(t.Context(), clock.RealClock{}, Plan{URL: url, Connections: 1, Rate: 100, For: 50 * time.Millisecond})
	if err != nil || refused.Answers[401].Count != 5 {
		t.Errorf("without a key: got %v, %v", refused.Answers, err)
	}
	lost, err := Run(t.Context(), clock.RealClock{}, Plan{URL: closed.URL, Connections: 1, Rate: 100, For: 50 * time.Millisecond})
	if err != nil || lost.Answers[0].Count != 5 || len(lost.Errors) != 1 {
		t.Errorf("with nobody there: got %v, %v, %v", lost.Answers, lost.Errors, err)
	}
	for _, plan := range []Plan{{URL: "https://x", Connections: 1}, {URL: url}, {URL: ":"}} {
		if _, err := Run(t.Context(), clock.RealClock{}, plan); err == nil {
			t.Errorf("%+v was followed", plan)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	plan := Plan{URL: url, Connections: 1, Rate: 100, For: time.Hour, Seen: func(Answer) { cancel() }}
	if result, err := Run(ctx, clock.RealClock{}, plan); err != nil || result.Sent == 0 {
		t.Errorf("sent %d, %v", result.Sent, err)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1))
	}
	if got := []time.Duration{quantile(times, 0.5), quantile(times, 0.99), quantile(times[:1], 0.99)}; got[0] != 51 ||
		got[1] != 100 || got[2] != 1 {
		t.Errorf("got %v", got)
	}
	if text := string(request(&url.URL{Host: "x", Path: "/score", RawQuery: "a=1"}, Plan{Body: "{}"})); !strings.HasPrefix(text, "POST /score?a=1 HTTP/1.1\r\n") ||
		!strings.HasSuffix(text, "Content-Length: 2\r\n\r\n{}") {
		t.Errorf("got %q", text)
	}
}
