// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package backend is the scoring server of benchmarks: it does as little as possible, so that what stands in front of
// it is seen.
package backend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
)

// Server answers every request with the same small JSON.
type Server struct {
	// Address is where it listens.
	Address string
	// Version is what its answers name.
	Version string
	// Takes is how long an answer takes.
	Takes time.Duration
}

// Parse reads a server from ADDRESS,VERSION,TAKES.
func Parse(text string) (Server, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return Server{}, fmt.Errorf("server %q: want ADDRESS,VERSION,TAKES", text)
	}
	takes, err := time.ParseDuration(fields[2])
	return Server{Address: fields[0], Version: fields[1], Takes: takes}, err
}

// String is what Parse reads.
func (s Server) String() string { return fmt.Sprintf("%s,%s,%s", s.Address, s.Version, s.Takes) }

// Serve answers until the context is done, and returns when no connection is left. It fails where it cannot listen.
func (s Server) Serve(ctx context.Context, c clock.Clock) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	text := `{"version":"` + s.Version + `"}` + "\n"
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n"
	answer := append(fmt.Appendf(nil, head, load.VersionHeader, s.Version, len(text)), text...)
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		connections.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			defer conn.Close()
			s.answer(conn, c, answer)
		})
	}
}

// answer answers the requests of a connection one after the other, until its client ends it.
func (s Server) answer(conn net.Conn, c clock.Clock, answer []byte) {
	reader := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		if s.Takes > 0 {
			c.Sleep(s.Takes)
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
