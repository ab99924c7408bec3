// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed requirements.txt
var requirements []byte

// environment is a virtual environment of Python with azureml-core.
type environment struct{ dir string }

func (e environment) python() string { return filepath.Join(e.dir, "bin", "python") }

// prepare makes the environment below cache, or finds it there. It is made anew
// when the requirements or the Python have changed, or when whoever made it was
// stopped halfway. Of two runs at once, one makes it and the other waits.
func prepare(ctx context.Context, cache string, log io.Writer) (environment, error) {
	interpreter, version, err := findPython(ctx)
	if err != nil {
		return environment{}, err
	}
	sum := sha256.Sum256(append([]byte(version), requirements...))
	e := environment{filepath.Join(cache, fmt.Sprintf("azureml-core-%x", sum[:6]))}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return e, err
	}
	held, err := lock(ctx, e.dir+".lock")
	if err != nil {
		return e, err
	}
	defer func() { _ = held.Close() }() // nothing is written to it
	ready := filepath.Join(e.dir, "ready")
	if _, err := os.Stat(ready); err != nil {
		fmt.Fprintf(log, "installing azureml-core for Python %s in %s\n", version, e.dir)
		if err := e.make(ctx, interpreter, log); err != nil {
			return e, err
		}
		return e, os.WriteFile(ready, nil, 0o644)
	}
	return e, nil
}

func (e environment) make(ctx context.Context, interpreter string, log io.Writer) error {
	if err := os.RemoveAll(e.dir); err != nil {
		return err
	}
	if err := command(ctx, log, interpreter, "-m", "venv", e.dir); err != nil {
		return fmt.Errorf("python's venv module is needed, install python3-venv: %w", err)
	}
	list := filepath.Join(e.dir, "requirements.txt")
	if err := os.WriteFile(list, requirements, 0o644); err != nil {
		return err
	}
	return command(ctx, log, e.python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
		"--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", list)
}

func command(ctx context.Context, log io.Writer, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return nil
}

// findPython finds an interpreter that azureml-core runs with, and its version.
func findPython(ctx context.Context) (interpreter, version string, err error) {
	const accept = "import sys; v = sys.version_info; print('%d.%d' % v[:2]); sys.exit(not (3, 8) <= v[:2] <= (3, 11))"
	for _, name := range []string{"python3.11", "python3.10", "python3.9", "python3.8", "python3"} {
		out, err := exec.CommandContext(ctx, name, "-c", accept).Output()
		if err == nil {
			return name, string(out[:max(len(out)-1, 0)]), nil
		}
	}
	return "", "", errors.New("no Python that azureml-core runs with: install Python 3.8 to 3.11, such as " +
		"Debian's python3.11")
}
