// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// checkWithKrew has krew's validator for its index judge the manifest and install every archive. The archives
// are not published yet, so it gets a manifest that differs in where they are: here.
func checkWithKrew(ctx context.Context, r release, archives []archive) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-krew-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	here, stop, err := serve(ctx, r.Out)
	if err != nil {
		return err
	}
	defer stop()
	manifest, err := renderManifest(r.Version, here, archives)
	if err != nil {
		return err
	}
	// The validator takes the plugin's name from the file's.
	file := filepath.Join(folder, "aml.yaml")
	if err := os.WriteFile(file, manifest, 0o644); err != nil {
		return err
	}
	validator, err := krewTool(ctx, r.Root, "validate-krew-manifest")
	if err != nil {
		return err
	}
	path, err := krewAsPlugin(ctx, r.Root, folder)
	if err != nil {
		return err
	}
	validate := exec.CommandContext(ctx, validator, "-manifest", file)
	validate.Env = append(os.Environ(), "PATH="+path)
	_, err = output(validate)
	return err
}

// serve offers the files of a folder on a loopback port until stop is called.
func serve(ctx context.Context, folder string) (base string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(folder)), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// krewTool builds a program of krew's, pinned in its own module, and says where it is.
func krewTool(ctx context.Context, root, name string) (string, error) {
	where := exec.CommandContext(ctx, "go", "tool", "-n", "-modfile=hack/tools/krew/go.mod", name)
	where.Dir = root
	file, err := output(where)
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(file)), nil
}

// krewAsPlugin makes `kubectl krew` start krew: the validator installs with that command, and nothing else of
// kubectl is needed. It returns the PATH to use.
func krewAsPlugin(ctx context.Context, root, folder string) (string, error) {
	krew, err := krewTool(ctx, root, "krew")
	if err != nil {
		return "", err
	}
	script := fmt.Sprintf("#!/bin/sh\nshift\nexec '%s' \"$@\"\n", krew)
	if err := os.WriteFile(filepath.Join(folder, "kubectl"), []byte(script), 0o755); err != nil {
		return "", err
	}
	return folder + string(os.PathListSeparator) + os.Getenv("PATH"), nil
}
