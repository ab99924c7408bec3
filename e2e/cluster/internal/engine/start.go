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
	"runtime"
	"syscall"
	"time"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

// ErrNoEngine says that no Docker engine answers and none can be started here.
var ErrNoEngine = errors.New("no Docker engine answers")

// Find returns the Docker engine that answers. Where none does, and this
// process is root on Debian or Ubuntu, it installs the distribution's engine
// and starts it; the engine then outlives this process. source is the root of
// this repository's tree. Elsewhere: ErrNoEngine.
func Find(ctx context.Context, store *step.Store, source string) (Docker, error) {
	docker := Docker{}
	if docker.Answers(ctx) {
		return docker, nil
	}
	if !CanInstall() {
		return docker, fmt.Errorf("%w: start Docker, or install it (https://docs.docker.com/engine/install)", ErrNoEngine)
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		if err := Install(ctx, store, "docker.io", "iptables"); err != nil {
			return docker, err
		}
	}
	var runtimeFlags []string
	if limits, err := ownLimits(); err != nil {
		return docker, err
	} else if !limits {
		program, err := buildRuntime(ctx, store, source)
		if err != nil {
			return docker, err
		}
		runtimeFlags = []string{"--add-runtime", "aml=" + program, "--default-runtime", "aml"}
	}
	return docker, store.Watch(ctx, "docker engine", "started", func(ctx context.Context, log io.Writer) error {
		if _, err := os.Stat("/run/systemd/system"); err == nil {
			return Command(ctx, log, "systemctl", "start", "docker")
		}
		return startByHand(ctx, docker, store.Dir(), runtimeFlags)
	})
}

// CanInstall tells whether this process may install Debian packages.
func CanInstall() bool {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return false
	}
	_, err := exec.LookPath("apt-get")
	return err == nil
}

// Install installs Debian packages on this machine.
func Install(ctx context.Context, store *step.Store, packages ...string) error {
	return store.Watch(ctx, fmt.Sprintf("install %v", packages), "done", func(ctx context.Context, log io.Writer) error {
		if err := Command(ctx, log, "apt-get", "update", "-qq"); err != nil {
			return err
		}
		args := append([]string{"DEBIAN_FRONTEND=noninteractive",
			"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, packages...)
		return Command(ctx, log, "env", args...)
	})
}

// Command runs a program with its output in the log. The program and all that
// it starts end with ctx.
func Command(ctx context.Context, log io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

func ownLimits() (bool, error) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return false, err
	}
	defer func() { _ = status.Close() }()
	return maySetLimits(status)
}

// buildRuntime makes the OCI runtime that asks for no CAP_SYS_RESOURCE: without
// it the engine's privileged containers fail where the machine lacks it.
func buildRuntime(ctx context.Context, store *step.Store, source string) (string, error) {
	folder := filepath.Join(source, "e2e/cluster/internal/ociruntime")
	inputs, err := step.Files(folder)
	if err != nil {
		return "", err
	}
	dir, err := store.Run(ctx, step.Step{
		Name: "engine: container runtime", Inputs: []string{inputs, runtime.Version()},
		Build: func(ctx context.Context, dir string, log io.Writer) error {
			return Command(ctx, log, "env", "CGO_ENABLED=0", "go", "-C", source, "build", "-trimpath",
				"-o", filepath.Join(dir, "oci-runtime"), "./e2e/cluster/internal/ociruntime")
		},
	})
	return filepath.Join(dir, "oci-runtime"), err
}
