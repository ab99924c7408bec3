// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package e2e proves what a user sees: the plugin's own binary against a real
// cluster, as a ServiceAccount that may no more than edit one namespace.
package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// What the suite is given, and what TestMain adds for the tests.
const (
	kubeconfigVar  = "KUBECONFIG"
	registryVar    = "AML_REGISTRY"
	environmentVar = "AML_ENVIRONMENT_IMAGE"
	runVar         = "AML_E2E_RUN"
	pluginVar      = "AML_E2E_PLUGIN"
	loaderVar      = "AML_E2E_LOADER"
)

func TestMain(m *testing.M) {
	code, err := runSuite(context.Background(), m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
	os.Exit(code)
}

func runSuite(ctx context.Context, m *testing.M) (int, error) {
	if os.Getenv("AML_E2E") != "1" {
		return 1, fmt.Errorf("these tests need a cluster with a registry: run make e2e, which makes one")
	}
	for _, name := range []string{kubeconfigVar, registryVar, environmentVar} {
		if os.Getenv(name) == "" {
			return 1, fmt.Errorf("%s is not set: run make e2e, or eval \"$(go run ./hack/cluster up)\"", name)
		}
	}
	run, err := begin(ctx)
	if err != nil {
		return 1, err
	}
	defer func() { _ = run.End() }() // or the next run does
	if err := prepare(ctx, run); err != nil {
		return 1, err
	}
	code := m.Run()
	if err := nothingLeft(ctx); err != nil {
		return max(code, 1), err
	}
	return code, nil
}

// begin begins a run. Who interrupts it meanwhile is not left with a registry that
// was stopped to give room back.
func begin(ctx context.Context) (*cluster.Run, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cluster.Begin(ctx, cluster.Options{Progress: os.Stderr})
}

// prepare builds what the tests run, and sets what they are told. Their files, too,
// are in the run's folder.
func prepare(ctx context.Context, run *cluster.Run) error {
	plugin, err := buildGo(ctx, run.Folder, "kubectl-aml", "../cmd/kubectl-aml")
	if err != nil {
		return err
	}
	loader, err := buildGo(ctx, run.Folder, "loader", "./loader")
	if err != nil {
		return err
	}
	image, err := pushLoader(run.Registry, loader)
	if err != nil {
		return fmt.Errorf("push the loader: %w", err)
	}
	for name, value := range map[string]string{
		runVar: run.Name, registryVar: run.Registry, pluginVar: plugin, loaderVar: image, "TMPDIR": run.Folder,
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// registryHost is the registry's HOST:PORT, without the run's place in it.
func registryHost() string {
	host, _, _ := strings.Cut(os.Getenv(registryVar), "/")
	return host
}

// nothingLeft looks, after all that the tests did, whether a packet for a pod
// or a service went where none may go: out of the nodes' network.
func nothingLeft(ctx context.Context) error {
	c, err := cluster.Up(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	if err := c.AssertContained(ctx); err != nil {
		return err
	}
	fmt.Println("no packet for a pod or a service has left the nodes' network")
	return nil
}

func buildGo(ctx context.Context, dir, name, pkg string) (string, error) {
	out := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, text)
	}
	return out, nil
}

// pushLoader pushes an image of the one binary and returns it by digest. Its
// python is the loader too: what a scoring container starts is the loader's
// scoring server.
func pushLoader(registry, binary string) (string, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	if err := files.WriteHeader(&tar.Header{Name: "loader", Mode: 0o755, Size: int64(len(content))}); err != nil {
		return "", err
	}
	if _, err := files.Write(content); err != nil {
		return "", err
	}
	err = files.WriteHeader(&tar.Header{Name: "usr/bin/python", Typeflag: tar.TypeSymlink, Linkname: "/loader", Mode: 0o777})
	if err := errors.Join(err, files.Close()); err != nil {
		return "", err
	}
	only, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	})
	if err != nil {
		return "", err
	}
	image, err := mutate.AppendLayers(empty.Image, only)
	if err != nil {
		return "", err
	}
	image, err = mutate.Config(image, v1.Config{Entrypoint: []string{"/loader"}, Cmd: []string{"sleep"}})
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	ref, err := name.NewDigest(registry + "/loader@" + digest.String())
	if err != nil {
		return "", err
	}
	return ref.String(), remote.Write(ref, image)
}
