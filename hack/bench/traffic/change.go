// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
)

// The load while the traffic is changed.
const (
	perSecond   = 40
	connections = 16
	// quiet is how long no answer of the old split may come until the change is in force everywhere.
	quiet = 3 * time.Second
	// patience is for the kubelet, which looks every minute or so.
	patience = 4 * time.Minute
)

// change is what one change of the traffic took.
type change struct {
	// command is how long the command took, inForce when after its start the last answer by the old split came.
	command, inForce time.Duration
	// sent are the requests meanwhile, lost those that were not answered 200.
	sent, lost int
}

// watch notes which versions answer, and when.
type watch struct {
	mutex sync.Mutex
	last  map[string]time.Time
	sent  int
	lost  map[string]int
}

func (w *watch) see(answer load.Answer) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.sent++
	if answer.Status != http.StatusOK {
		w.lost[fmt.Sprint(answer.Status, answer.Err)]++
		return
	}
	w.last[answer.Version] = answer.Done
}

// lastBy is when a version answered last.
func (w *watch) lastBy(version string) time.Time {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.last[version]
}

// measure changes all of the traffic, from one version to the other, so that each answer tells which split it is by.
func (s *space) measure(ctx context.Context, w way, green int) (change, error) {
	old := map[int]string{100: "blue", 0: "green"}[green]
	seen := &watch{last: map[string]time.Time{}, lost: map[string]int{}}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := load.Run(loading, s.Clock, load.Plan{URL: s.url, Header: http.Header{"Authorization": {"Bearer " + s.key}},
			Body: "{}", Connections: connections, Rate: perSecond, For: patience + time.Minute, Seen: seen.see})
		ended <- err
	}()
	s.Clock.Sleep(time.Second)
	if seen.lastBy(old).IsZero() {
		stop()
		return change{}, errors.Join(fmt.Errorf("version %s does not answer before the change: %v", old, seen.lost), <-ended)
	}
	start := s.Clock.Now()
	if err := w.change(ctx, green); err != nil {
		return change{}, err
	}
	took := s.Clock.Since(start)
	for s.Clock.Since(seen.lastBy(old)) < quiet {
		if s.Clock.Since(start) > patience {
			return change{}, fmt.Errorf("%s: version %s still answers after %s", w.name, old, patience)
		}
		s.Clock.Sleep(100 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		return change{}, err
	}
	lost := 0
	for why, count := range seen.lost {
		fmt.Fprintf(s.Talk, "traffic: %d requests: %s\n", count, why)
		lost += count
	}
	return change{command: took, inForce: seen.lastBy(old).Sub(start), sent: seen.sent, lost: lost}, nil
}
