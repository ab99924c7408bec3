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
		p.log(fmt.Sprintf("%s: %.1f MB sent", p.doing, float64(p.bytes)/1e6))
	}
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
