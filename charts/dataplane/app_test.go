// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// app stands for the scoring server: what to answer stands in the query.
type app struct {
	served, active, most atomic.Int64
}

// ServeHTTP answers with the status, header and body of the query, after ms.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.served.Add(1)
	raise(&a.most, a.active.Add(1))
	defer a.active.Add(-1)
	if websocket.IsWebSocketUpgrade(r) {
		a.echo(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	query := r.URL.Query()
	if query.Get("reset") != "" {
		reset(w)
		return
	}
	delay, _ := strconv.Atoi(query.Get("ms"))
	wall.Sleep(time.Duration(delay) * time.Millisecond)
	if query.Get("failed") != "" {
		w.Header().Set("x-ms-run-function-failed", "True")
	}
	if says := query.Get("limiter"); says != "" {
		w.Header().Set("x-aml-limiter", says)
	}
	status, err := strconv.Atoi(query.Get("status"))
	if err != nil {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	fmt.Fprint(w, r.URL.Path, query.Get("body"))
	if query.Get("cut") != "" {
		_ = http.NewResponseController(w).Flush()
		reset(w)
	}
}

// echo sends back what comes over a WebSocket, and hangs up on "end".
func (a *app) echo(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || string(message) == "end" || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// reset cuts the connection of a request as a process does that is killed.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}
