// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

// startTimeout is how long an engine has to answer once it is started.
const startTimeout = time.Minute

// pidFile is where, in the cache, the number of the engine's process stands.
func pidFile(dir string) string {
	return filepath.Join(dir, "dockerd.pid")
}

// startByHand starts the engine in a session of its own, so that an interrupt
// at our terminal does not reach it, and waits until it answers.
func startByHand(ctx context.Context, docker Docker, dir string, flags []string) error {
	// The engine trusts the numbers that an engine before it has left, whoever
	// has them after the machine was started again.
	err := errors.Join(removeStale(pidFile(dir), "dockerd"),
		removeStale("/var/run/docker/containerd/containerd.pid", "containerd"))
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(dir, "dockerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	// Not CommandContext: the engine must outlive us.
	daemon := exec.Command("dockerd", append([]string{"--pidfile", pidFile(dir)}, flags...)...)
	daemon.Stdout, daemon.Stderr = out, out
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !docker.Answers(ctx) {
		select {
		case err := <-ended:
			return fmt.Errorf("dockerd ended (%w): see %s", err, out.Name())
		case <-ctx.Done():
			return fmt.Errorf("dockerd does not answer: see %s", out.Name())
		case <-time.After(300 * time.Millisecond):
		}
	}
	return nil
}

// Stop ends the engine if Find started it by hand with this cache, and waits
// until it has ended.
func Stop(ctx context.Context, store *step.Store) error {
	pid, alive, err := process(pidFile(store.Dir()), "dockerd")
	if err != nil || !alive {
		return err
	}
	return store.Watch(ctx, "docker engine", "stopped", func(ctx context.Context, _ io.Writer) error {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			return err
		}
		for {
			if _, alive, err := process(pidFile(store.Dir()), "dockerd"); err != nil || !alive {
				return err
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
}

// process is the number in a file, and whether a program of that name has it.
// No such file is no such process.
func process(file, name string) (pid int, alive bool, err error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
		return 0, false, fmt.Errorf("%s: %w", file, err)
	}
	running, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return pid, err == nil && strings.TrimSpace(string(running)) == name, nil
}

// removeStale removes a file with the number of a process that has gone.
func removeStale(file, name string) error {
	if _, alive, err := process(file, name); err == nil && alive {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
