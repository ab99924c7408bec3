// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

// The engine is found and builds as the docker command finds it: where a context
// says that it made and chose, and by SSH. Variables are changed, so this test does
// not run beside others.
func TestEngineOfAContextBuilds(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp") // the path of a socket has to be short
	folder := t.TempDir()
	host := strings.TrimSpace(docker(t, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))
	moved := filepath.Join(folder, "moved.sock")
	must(t, os.Symlink(strings.TrimPrefix(host, "unix://"), moved))
	t.Setenv("DOCKER_CONFIG", folder)
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")

	docker(t, "context", "create", "moved", "--docker", "host=unix://"+moved)
	docker(t, "context", "use", "moved")
	t.Run("chosen", func(t *testing.T) { engineRuns(t, "unix://"+moved+` of context "moved"`) })

	docker(t, "context", "create", "far", "--docker", "host=ssh://me@there")
	ssh := "#!/bin/sh\nexec docker --host " + host + " system dial-stdio\n"
	must(t, os.WriteFile(filepath.Join(folder, "ssh"), []byte(ssh), 0o700))
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONTEXT", "far")
	t.Run("by SSH", func(t *testing.T) { engineRuns(t, `ssh://me@there of context "far"`) })
}

// engineRuns builds with the engine that the variables lead to.
func engineRuns(t *testing.T, at string) {
	t.Helper()
	b, err := build.Engine(t.Context(), os.Getenv)
	must(t, err)
	if b.Name() != "Docker's engine at "+at {
		t.Errorf("it is %s, not at %s", b.Name(), at)
	}
	result, err := b.Build(t.Context(), request("RUN echo "+t.Name()+" > /tmp/name", nil))
	must(t, err)
	layers, err := result.Image.Layers()
	must(t, err)
	files, _ := contentOf(t, layers[len(layers)-1])
	if files["tmp/name"] != t.Name()+"\n" {
		t.Errorf("the image has %q", files["tmp/name"])
	}
	must(t, result.Close())
}
