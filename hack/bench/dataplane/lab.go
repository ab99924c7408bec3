// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package dataplane measures router and limiter, as the chart configures them, beside other engines that do the same
// work: keys, a split over two versions, and the version in the answer. Everything is on loopback.
package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/backend"
	"github.com/kubectl-aml/kubectl-aml/hack/bench/load"
	"github.com/kubectl-aml/kubectl-aml/internal/engines"
)

// The keys of the endpoint.
const (
	primary   = "PRIMARYKEYPRIMARYKEYPRIMARYKEY01"
	secondary = "SECONDARYKEYSECONDARYKEYSECOND02"
)

// path is what is asked.
const path = "/api/v1/service/bench/score"

// lab is where engines, backends and load run.
type lab struct {
	clock  clock.Clock
	self   string // this program
	cache  string // where engines are kept
	folder string

	running context.Context // the life of the lab's processes
	ends    sync.WaitGroup
}

// open makes a lab. It fails where there is no second processor to measure from.
func open(ctx context.Context, o Options) (*lab, func(), error) {
	if runtime.NumCPU() < 2 {
		return nil, nil, errors.New("two processors are needed: one for the engine that is measured, one for the load")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return nil, nil, fmt.Errorf("taskset is needed (util-linux): %w", err)
	}
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return nil, nil, err
	}
	running, stop := context.WithCancel(ctx)
	l := &lab{clock: o.Clock, self: o.Self, cache: o.Cache, folder: folder, running: running}
	return l, func() {
		stop()
		l.ends.Wait()
		_ = os.RemoveAll(folder)
	}, nil
}

// freePort returns a TCP port of 127.0.0.1 that nobody listens on.
func (l *lab) freePort() (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(l.running, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// freePorts returns several of them.
func (l *lab) freePorts(count int) ([]int, error) {
	ports := make([]int, count)
	for i := range ports {
		port, err := l.freePort()
		if err != nil {
			return nil, err
		}
		ports[i] = port
	}
	return ports, nil
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// backends starts one server for each version in a process of its own, and returns their ports.
func (l *lab) backends(takes time.Duration, versions ...string) ([]int, error) {
	ports, err := l.freePorts(len(versions))
	if err != nil {
		return nil, err
	}
	args := []string{"backend"}
	for i, version := range versions {
		args = append(args, backend.Server{Address: address(ports[i]), Version: version, Takes: takes}.String())
	}
	name := fmt.Sprintf("backend-%d", ports[0])
	server, err := l.start(name, loadCore, engines.Program{Path: l.self}, nil, args...)
	if err != nil {
		return nil, err
	}
	for _, port := range ports {
		if err := l.ready(setup{name: name, url: "http://" + address(port), processes: []*process{server}}); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// setup is something that can be asked for a score.
type setup struct {
	name string
	url  string
	// processes are those whose processor time counts.
	processes []*process
	// open lets everybody in and does not split: what is behind it was chosen and let in before.
	open bool
}

// ready waits until a setup gives a score.
func (l *lab) ready(s setup) error {
	var last string
	for range 200 {
		result, err := load.Run(l.running, l.clock, load.Plan{URL: s.url + path, Header: header(primary), Body: "{}",
			Connections: 1, Rate: 100, For: 10 * time.Millisecond})
		if err != nil {
			return err
		}
		if result.Answers[http.StatusOK].Count > 0 {
			return nil
		}
		last = fmt.Sprint(result.Answers, result.Errors)
		l.clock.Sleep(50 * time.Millisecond)
	}
	text := fmt.Sprintf("%s gives no score: %s", s.name, last)
	for _, process := range s.processes {
		text += "\n" + process.said()
	}
	return errors.New(text)
}

func header(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

// load sends requests from a process of its own and returns what became of them.
func (l *lab) load(ctx context.Context, s setup, plan load.Plan) (load.Result, error) {
	out, err := l.output(ctx, loadCore, "load", "-url", s.url+path, "-key", primary, "-for", plan.For.String(),
		"-rate", strconv.FormatFloat(plan.Rate, 'f', -1, 64), "-connections", strconv.Itoa(plan.Connections))
	if err != nil {
		return load.Result{}, err
	}
	var result load.Result
	return result, json.Unmarshal(out, &result)
}

// write puts a file into a folder of the lab and returns its path.
func (l *lab) write(folder, name, text string) (string, error) {
	file := filepath.Join(l.folder, folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(text), 0o600)
}
