// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package engine finds a Docker engine, or installs and starts one.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Docker is a Docker engine, spoken to through its command-line client.
type Docker struct{}

// Do runs "docker args…" and returns what it wrote to stdout, without the space
// around it. The error holds the last line of what docker complained about.
func (d Docker) Do(ctx context.Context, args ...string) (string, error) {
	return d.Pipe(ctx, nil, args...)
}

// Pipe is Do with something on stdin.
func (Docker) Pipe(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("docker %s: %s", strings.Join(args[:min(2, len(args))], " "), complaint(err, stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), err
}

// Answers tells whether the engine answers.
func (d Docker) Answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	version, err := d.Do(ctx, "version", "--format", "{{.Server.Version}}")
	return err == nil && version != ""
}

// Running tells whether a container of that name exists, and whether it runs.
func (d Docker) Running(ctx context.Context, container string) (exists, running bool, err error) {
	state, err := d.Do(ctx, "ps", "--all", "--no-trunc", "--filter", "name=^/?"+container+"$", "--format", "{{.State}}")
	return state != "", state == "running", err
}

// complaint is the last line that a program wrote before it failed.
func complaint(err error, stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	var exit *exec.ExitError
	if last := lines[len(lines)-1]; last != "" && errors.As(err, &exit) {
		return last
	}
	return err.Error()
}
