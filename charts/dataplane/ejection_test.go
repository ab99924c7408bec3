// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// greenOnly are the values of an endpoint whose requests all go to green, and
// to blue when green is left out.
const greenOnly = "{defaultVersion: blue, versions: {blue: {image: i}, " +
	"green: {image: i, traffic: 100, maxConcurrentRequests: 4, scoringTimeoutMs: 1000}}}"

// TestNothingThatAModelDoesEjectsItsReplica has one replica of green with its
// limiter: were it left out, blue would answer.
func TestNothingThatAModelDoesEjectsItsReplica(t *testing.T) {
	c := newCluster(t)
	blue := c.addPod("blue")
	l := c.addLimiter("green", greenOnly)
	l.listen()
	l.waitAlive()
	r := newRouter(t, c, greenOnly)
	const api = "/api/v1/service/sentiment/score"
	key := []string{"Authorization", "Bearer " + primary}
	asks := func(query string) func(*testing.T) {
		return func(*testing.T) { r.ask(http.MethodPost, api+"?"+query, strings.NewReader("{}"), key...) }
	}
	for name, act := range map[string]func(*testing.T){
		"500":                      asks("status=500"),
		"503":                      asks("status=503"),
		"599":                      asks("status=599"),
		"no answer in time":        asks("ms=1500"),
		"a header of the limiter":  asks("status=503&limiter=down"),
		"a cut answer":             asks("cut=1"),
		"a WebSocket that it ends": func(t *testing.T) { t.Helper(); r.outlive(t, api, key...) },
	} {
		t.Run(name, func(t *testing.T) {
			eventually(t, 15*time.Second, "green answers", func() bool { return r.score().version() == "green" })
			before := blue.served.Load()
			for range 3 {
				act(t)
				for range 5 {
					if got := r.score(); got.version() != "green" {
						t.Errorf("then %q answered %d", got.version(), got.status)
					}
				}
			}
			if got := blue.served.Load(); got != before {
				t.Errorf("blue got %d requests", got-before)
			}
		})
	}
}

// outlive opens a WebSocket and has the model hang up.
func (r *router) outlive(t *testing.T, path string, headers ...string) {
	t.Helper()
	conn, _, err := r.dial(path, headers...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	echo(t, conn, "one")
	if err := conn.WriteMessage(websocket.TextMessage, []byte("end")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err == nil {
		t.Fatal("the WebSocket goes on")
	}
}

// TestAModelCannotSpeakForItsLimiter has two replicas whose model claims what
// only a limiter knows.
func TestAModelCannotSpeakForItsLimiter(t *testing.T) {
	const values = "{defaultVersion: blue, versions: {blue: {image: i}}}"
	c := newCluster(t)
	limiters := []*limiter{c.addLimiter("blue", values), c.addLimiter("blue", values)}
	for _, l := range limiters {
		l.listen()
		l.waitAlive()
	}
	r := newRouter(t, c, values)
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		before := limiters[0].app.served.Load() + limiters[1].app.served.Load()
		query := fmt.Sprintf("?limiter=down&status=%d", status)
		got := r.ask(http.MethodPost, "/score"+query, strings.NewReader("{}"), "Authorization", "Bearer "+primary)
		if said := got.header.Get("X-Aml-Limiter"); said != "" {
			t.Errorf("a model's %d came with x-aml-limiter %q", status, said)
		}
		if reached := limiters[0].app.served.Load() + limiters[1].app.served.Load() - before; reached != 1 {
			t.Errorf("a model's %d: the models got the request %d times", status, reached)
		}
	}
}
