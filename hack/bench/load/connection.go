// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// answerWithin is how long an answer may take before it counts as lost.
const answerWithin = time.Minute

// connection is one client: it has at most one request under way, and keeps its connection as long as the server does.
// net/http's client would take longer for a request than some of the servers that are measured.
type connection struct {
	address string
	request []byte
	clock   clock.PassiveClock
	conn    net.Conn
	reader  *bufio.Reader
}

// request is the text of the plan's request.
func request(target *url.URL, plan Plan) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		target.RequestURI(), target.Host, len(plan.Body))
	_ = plan.Header.Write(&text)
	text.WriteString("\r\n" + plan.Body)
	return []byte(text.String())
}

// ask sends the request that was due at a time, and waits for the answer.
func (c *connection) ask(due time.Time) Answer {
	answer, err := c.exchange()
	if err != nil {
		c.close()
		answer = Answer{Err: err}
	}
	answer.Done = c.clock.Now()
	answer.Took = answer.Done.Sub(due)
	return answer
}

func (c *connection) exchange() (Answer, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, answerWithin)
		if err != nil {
			return Answer{}, err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(c.clock.Now().Add(answerWithin)); err != nil {
		return Answer{}, err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return Answer{}, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return Answer{}, err
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return Answer{}, err
	}
	if err := response.Body.Close(); err != nil {
		return Answer{}, err
	}
	if response.Close {
		c.close()
	}
	return Answer{Status: response.StatusCode, Version: response.Header.Get(VersionHeader)}, nil
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}
