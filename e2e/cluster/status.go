// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/engine"
)

// ErrNotUp says that there is no cluster, or that it does not answer.
var ErrNotUp = errors.New("the cluster is not up: go run ./hack/cluster up")

// Look describes what runs, in lines "name: state", and changes nothing.
// ErrNotUp, or engine.ErrNoEngine, where the cluster cannot be used.
func Look(ctx context.Context, opts Options) (string, error) {
	opts, err := opts.complete()
	if err != nil {
		return "", err
	}
	s := &session{opts: opts}
	if !s.docker.Answers(ctx) {
		return "engine: does not answer\n", engine.ErrNoEngine
	}
	var out strings.Builder
	up := true
	for _, container := range []string{s.registryName(), opts.Name + "-control-plane", opts.Name + "-worker"} {
		exists, running, err := s.docker.Running(ctx, container)
		if err != nil {
			return out.String(), err
		}
		what := "running"
		if !running {
			up, what = false, "stopped"
		}
		if !exists {
			what = "absent"
		}
		fmt.Fprintf(&out, "%s: %s\n", container, what)
	}
	client, err := s.connect()
	if err == nil && up {
		err = ready(ctx, client)
	}
	if err != nil || !up {
		return out.String(), ErrNotUp
	}
	fmt.Fprintf(&out, "kubeconfig: %s\n", s.kubeconfig())
	return out.String(), nil
}

// ClearCache deletes all that was built and kept, and ends the engine if it was
// started from here. It refuses while there is a cluster: Down deletes it.
func ClearCache(ctx context.Context, opts Options) error {
	s, err := open(ctx, opts)
	if err != nil {
		return err
	}
	defer s.close()
	left, err := os.ReadDir(filepath.Join(s.opts.CacheDir, "clusters"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("cluster %s is still there: go run ./hack/cluster --name %s down", left[0].Name(), left[0].Name())
	}
	if err := engine.Stop(ctx, s.store); err != nil {
		return err
	}
	return os.RemoveAll(s.opts.CacheDir)
}
