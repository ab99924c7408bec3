// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// runLog follows the log of a run. It is an append blob that grows, and that has
// "complete" in its metadata when it is whole. A log that cannot be read fails no
// build.
type runLog struct {
	storage storage
	// link asks for the address, which is signed for a time only.
	link func(ctx context.Context) (string, error)
	line func(string)

	where  string
	offset int64
	rest   string // of a line that is not whole yet
	whole  bool
}

// read reads what is new.
func (l *runLog) read(ctx context.Context) {
	if l.whole {
		return
	}
	if l.where == "" {
		where, err := l.link(ctx)
		if err != nil {
			return // there may be none yet
		}
		l.where = where
	}
	answer, err := l.storage.get(ctx, l.where, l.offset)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusPartialContent:
	case http.StatusOK: // from the start
		if _, err := io.CopyN(io.Discard, answer.Body, l.offset); err != nil {
			return
		}
	case http.StatusForbidden: // the address has ended
		l.where = ""
		return
	default: // 404: nothing yet; 416: nothing new
		l.whole = answer.StatusCode == http.StatusRequestedRangeNotSatisfiable && complete(answer.Header)
		return
	}
	err = l.take(answer.Body)
	l.whole = err == nil && complete(answer.Header)
}

func complete(h http.Header) bool { return h.Get("X-Ms-Meta-Complete") != "" }

func (l *runLog) take(body io.Reader) error {
	lines := bufio.NewReader(body)
	for {
		text, err := lines.ReadString('\n')
		l.offset += int64(len(text))
		l.rest += text
		if strings.HasSuffix(l.rest, "\n") || len(l.rest) > 1<<20 {
			l.flush()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// flush tells the rest of a log that does not end with a line.
func (l *runLog) flush() {
	if l.rest != "" {
		l.line(strings.TrimRight(l.rest, "\r\n"))
	}
	l.rest = ""
}
