// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/step"
)

const (
	gatewayPart      = "envoy-gateway"
	envoyGateway     = "github.com/envoyproxy/gateway"
	gatewayAPI       = "sigs.k8s.io/gateway-api"
	gatewayAPICRDs   = "config/crd/standard"
	envoyGatewayCRDs = "charts/gateway-helm/charts/crds/crds/generated"
)

// GatewayVersion is the version of Envoy Gateway.
func (b *Book) GatewayVersion() (string, error) { return b.version(gatewayPart, envoyGateway) }

// Gateway is Envoy Gateway, a controller of the Gateway API.
func (b *Book) Gateway() Image {
	return b.image("aml/envoy-gateway", "", func(ctx context.Context) (v1.Image, error) {
		dir, err := b.programs(ctx, gatewayPart, envoyGateway, "-ldflags", "-s -w")
		if err != nil {
			return nil, err
		}
		layer, err := b.layer(ctx, "envoy-gateway: layer", []string{dir}, func() (image.Files, error) {
			return image.Files{"usr/local/bin/envoy-gateway": image.Program(filepath.Join(dir, "envoy-gateway"))}.
				Add(account("nonroot", nonRoot)), nil
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env: []string{searchPath}, User: fmt.Sprint(nonRoot), Entrypoint: []string{"envoy-gateway"},
		}, layer)
	})
}

// GatewayCRDs are the definitions of the Gateway API and of what Envoy Gateway
// adds to it, as one manifest, from the modules that the controller is built of.
func (b *Book) GatewayCRDs(ctx context.Context) ([]byte, error) {
	inputs, err := step.Files(b.part(gatewayPart))
	if err != nil {
		return nil, err
	}
	dir, err := b.store.Run(ctx, step.Step{
		Name: "envoy-gateway: resource definitions", Inputs: []string{b.code, inputs}, Cheap: true,
		Build: func(ctx context.Context, dir string, log io.Writer) error {
			all, err := b.crds(ctx, log)
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "crds.yaml"), all, 0o644))
		},
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "crds.yaml"))
}

func (b *Book) crds(ctx context.Context, log io.Writer) ([]byte, error) {
	err := engine.Command(ctx, log, "env", "GOWORK=off", "go", "-C", b.part(gatewayPart), "mod", "download",
		gatewayAPI, envoyGateway)
	if err != nil {
		return nil, err
	}
	list := exec.CommandContext(ctx, "go", "-C", b.part(gatewayPart), "list", "-m", "-f", "{{.Dir}}",
		gatewayAPI, envoyGateway)
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("find the modules of %s: %w", gatewayPart, err)
	}
	dirs := strings.Fields(string(out))
	if len(dirs) != 2 {
		return nil, fmt.Errorf("the modules of %s are in two folders, not in %q", gatewayPart, dirs)
	}
	var all bytes.Buffer
	for _, pattern := range []string{
		filepath.Join(dirs[0], gatewayAPICRDs, "gateway.networking.k8s.io_*.yaml"),
		filepath.Join(dirs[1], envoyGatewayCRDs, "*.yaml"),
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no resource definitions in %s: %w", pattern, err)
		}
		for _, file := range files {
			if strings.Contains(file, "_vap_") { // a policy against older definitions
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&all, "---\n%s\n", content)
		}
	}
	return all.Bytes(), nil
}
