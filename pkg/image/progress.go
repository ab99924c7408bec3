// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// tellEvery is how often whoever waits for a push is told how much was sent.
const tellEvery = 5 * time.Second

// progress tells what is sent while it is.
type progress struct {
	clock clock.Clock
	log   func(string)

	mu    sync.Mutex
	doing string
	last  time.Time
	bytes int64
	// total is how many there will be; 0 is unknown.
	total int64
}

// begin logs what begins. From then on, what is sent is a part of that.
func (p *progress) begin(doing string) {
	p.log(doing)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing, p.last, p.bytes = doing, p.clock.Now(), 0
}

// add counts what is sent, and logs it every few seconds.
func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += int64(n)
	if p.doing != "" && p.clock.Since(p.last) >= tellEvery {
		p.last = p.clock.Now()
		p.log(p.doing + ": " + p.soFar())
	}
}

func (p *progress) soFar() string {
	if p.total > 0 {
		return fmt.Sprintf("%.1f of %.1f MB", float64(p.bytes)/1e6, float64(p.total)/1e6)
	}
	return fmt.Sprintf("%.1f MB sent", float64(p.bytes)/1e6)
}

// Meter counts the bytes that are written to it, of so many in all. The first line is
// logged after a few seconds, and then one every few: what is quick says nothing.
func (o Options) Meter(doing string, total int64) io.Writer {
	now := o.clock()
	return meter{&progress{clock: now, log: o.log, doing: doing, last: now.Now(), total: total}}
}

// Meter is as that of Options.
func (c *Courier) Meter(doing string, total int64) io.Writer { return c.o.Meter(doing, total) }

type meter struct{ *progress }

// Write counts and keeps nothing.
func (m meter) Write(p []byte) (int, error) {
	m.add(len(p))
	return len(p), nil
}

// counted is r with a body that counts itself as it is sent.
func (p *progress) counted(r *http.Request) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	with := *r
	with.Body = countedBody{r.Body, p}
	return &with
}

type countedBody struct {
	io.ReadCloser
	progress *progress
}

// Read counts what it reads.
func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.progress.add(n)
	return n, err
}
