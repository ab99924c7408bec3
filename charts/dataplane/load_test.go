// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"crypto/tls"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// load is a steady stream of POST requests to a router.
type load struct {
	router *router
	stop   chan struct{}
	done   sync.WaitGroup

	mutex    sync.Mutex
	versions map[string]int
	failures map[string]int
	took     []time.Duration
	sent     int
}

// startLoad sends so many requests a second, whatever the answers, until end.
// Every fifth goes over a connection of its own: what fails for new or for kept
// connections only is seen.
func (r *router) startLoad(perSecond int) *load {
	l := &load{router: r, stop: make(chan struct{}), versions: map[string]int{}, failures: map[string]int{}}
	// Of a router with TLS every certificate is taken: what is counted is answers.
	config := &tls.Config{InsecureSkipVerify: true}
	kept := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, TLSClientConfig: config}}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	ticker := wall.NewTicker(time.Second / time.Duration(perSecond))
	l.done.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-ticker.C():
			}
			l.sent++
			client := kept
			if l.sent%5 == 0 {
				client = fresh
			}
			l.done.Go(func() { l.once(client) })
		}
	})
	return l
}

func (l *load) once(client *http.Client) {
	url := l.router.url + "/api/v1/service/sentiment/score"
	request, err := http.NewRequestWithContext(l.router.t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		l.router.t.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+primary)
	began := wall.Now()
	got := do(client, request)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.took = append(l.took, wall.Since(began))
	if got.status == http.StatusOK {
		l.versions[got.version()]++
		return
	}
	l.failures[fmt.Sprintf("%d %s %s", got.status, strings.TrimSpace(got.body), got.header.Get("X-Why"))]++
}

// end stops the stream, waits for the answers under way and fails the test for
// each that was not 200. It returns how many were sent.
func (l *load) end() int {
	l.router.t.Helper()
	close(l.stop)
	l.done.Wait()
	for failure, times := range l.failures {
		l.router.t.Errorf("%d of %d requests lost: %s", times, l.sent, failure)
	}
	return l.sent
}

// percentile is the time within which so many percent of the answers came.
func (l *load) percentile(p int) time.Duration {
	slices.Sort(l.took)
	return l.took[min(len(l.took)*p/100, len(l.took)-1)]
}

// loadFor sends so many requests a second for such a time.
func (r *router) loadFor(perSecond int, long time.Duration) *load {
	r.t.Helper()
	l := r.startLoad(perSecond)
	wall.Sleep(long)
	l.end()
	return l
}

// joined is one load with the times of several.
func joined(loads ...*load) *load {
	all := &load{}
	for _, l := range loads {
		all.took = append(all.took, l.took...)
	}
	return all
}

// within5Sigma tells whether a share of n independent draws may be seen when
// the true one is percent; a right split fails once in 1.7 million runs.
func within5Sigma(seen, percent float64, n int) bool {
	sigma := math.Sqrt(percent * (100 - percent) / float64(n))
	return math.Abs(seen-percent) <= 5*sigma+1e-6
}
