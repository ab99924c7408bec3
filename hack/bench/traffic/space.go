// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package traffic

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed model
var modelFiles embed.FS

// endpoint is the name of the endpoint whose traffic is changed.
const endpoint = "bench"

// space is a namespace with an endpoint of two versions, blue and green.
type space struct {
	Options
	namespace string
	folder    string
	url, key  string
}

// open makes the namespace and deploys the endpoint. What it returns removes both.
func open(ctx context.Context, o Options) (*space, func(), error) {
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return nil, nil, err
	}
	s := &space{Options: o, namespace: strings.ToLower(filepath.Base(folder)), folder: folder}
	closing := func() {
		_, _ = s.run(context.WithoutCancel(ctx), o.Kubectl, "delete", "namespace", s.namespace, "--wait=false")
		_ = os.RemoveAll(folder)
	}
	if err := s.deploy(ctx); err != nil {
		closing()
		return nil, nil, err
	}
	return s, closing, nil
}

func (s *space) deploy(ctx context.Context) error {
	if err := os.CopyFS(s.folder, modelFiles); err != nil {
		return err
	}
	if _, err := s.run(ctx, s.Kubectl, "create", "namespace", s.namespace); err != nil {
		return err
	}
	model := filepath.Join(s.folder, "model")
	for _, version := range []string{"blue", "green"} {
		// The files' own paths start from the folder where the command runs.
		_, err := s.runIn(ctx, model, s.Plugin, "deploy", endpoint, "--version-name", version, "-m", "score.py",
			"--inference-config", "inferenceconfig.json", "--deploy-config", "deploymentconfig.json",
			"--service-type", "NodePort")
		if err != nil {
			return err
		}
	}
	key, err := s.run(ctx, s.Plugin, "keys", "get", endpoint, "-o", "name")
	if err != nil {
		return err
	}
	s.key, _, _ = strings.Cut(key, "\n")
	return s.find(ctx)
}

// find finds the endpoint's address outside of the cluster, and waits until a node listens there.
func (s *space) find(ctx context.Context) error {
	port, err := s.run(ctx, s.Kubectl, "get", "service", endpoint, "-o", "jsonpath={.spec.ports[0].nodePort}")
	if err != nil {
		return err
	}
	node, err := s.run(ctx, s.Kubectl, "get", "nodes",
		"-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return err
	}
	address := net.JoinHostPort(node, port)
	s.url = fmt.Sprintf("http://%s/api/v1/service/%s/score", address, endpoint)
	for range 100 {
		var conn net.Conn
		if conn, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address); err == nil {
			return conn.Close()
		}
		s.Clock.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the node does not listen at %s: %w", address, err)
}

// run runs a program for the namespace and returns what it printed.
func (s *space) run(ctx context.Context, program string, args ...string) (string, error) {
	return s.runIn(ctx, "", program, args...)
}

func (s *space) runIn(ctx context.Context, folder, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, append(args, "--namespace", s.namespace)...)
	command.Dir = folder
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}
