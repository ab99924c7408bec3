// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

// Docker's engine builds, and has nothing of it afterwards. What it has of the run is
// looked at, so this test does not run beside others of it.
func TestEngineBuilds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	docker, err := build.Engine(t.Context(), os.Getenv)
	must(t, err)
	t.Run("an image that can be pushed", func(t *testing.T) { engineMakesAnImage(t, docker) })
	t.Run("a step that fails", func(t *testing.T) { engineTellsAStep(t, docker) })
	t.Run("a base that is not there", func(t *testing.T) { engineTellsABase(t, docker) })
	t.Run("a build that is ended", func(t *testing.T) { engineEnds(t, docker) })
	if images, err := engine("image", "ls", "--all", "--quiet", "--filter", "label="+runLabel()); err != nil || images != "" {
		t.Errorf("the engine has the images\n%s\n%v", images, err)
	}
	left, err := os.ReadDir(os.TempDir())
	must(t, err)
	for _, file := range left {
		if strings.HasPrefix(file.Name(), "kubectl-aml-build-") {
			t.Errorf("%s is left on this machine", file.Name())
		}
	}
}

// request starts from the environment image; the result has the run's label.
func request(steps string, log func(string)) build.Request {
	return build.Request{Name: "env", Platform: "linux/amd64", Log: log,
		Dockerfile: "FROM " + os.Getenv(environmentVar) + "\nLABEL " + runLabel() + "\n" + steps}
}

func engineMakesAnImage(t *testing.T, docker build.Builder) {
	t.Helper()
	const word = "correct-horse-battery"
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte(word), 0o600))
	var log strings.Builder
	r := request("ARG GREETING\nRUN --mount=type=secret,id=word,uid=10001 "+
		"cat /run/secrets/word && echo $GREETING > /tmp/greeting", func(line string) { log.WriteString(line + "\n") })
	r.Secrets = map[string]string{"word": secret}
	greeting := rand.Text() // or the step is one that was done before
	r.Arguments = map[string]string{"GREETING": greeting}
	result, err := docker.Build(t.Context(), r)
	must(t, err)
	defer func() { must(t, errors.Join(result.Close(), result.Close())) }()

	ref, err := name.ParseReference(os.Getenv(registryVar) + "/engine:built")
	must(t, err)
	must(t, remote.Write(ref, result.Image, remote.WithContext(t.Context())))
	pushed, err := remote.Image(ref, remote.WithContext(t.Context()))
	must(t, err)
	layers, err := pushed.Layers()
	must(t, err)
	environment, err := name.ParseReference(os.Getenv(environmentVar))
	must(t, err)
	base, err := remote.Image(environment, remote.WithContext(t.Context()))
	must(t, err)
	below, err := base.Layers()
	must(t, err)
	if len(layers) != len(below)+1 {
		t.Fatalf("the image has %d layers, and its base %d", len(layers), len(below))
	}
	for i, l := range below {
		if digestOf(t, l) != digestOf(t, layers[i]) {
			t.Errorf("layer %d is not the one of the base", i)
		}
	}
	files, content := contentOf(t, layers[len(layers)-1])
	if got := files["tmp/greeting"]; got != greeting+"\n" {
		t.Errorf("/tmp/greeting is %q", got)
	}
	config, err := pushed.RawConfigFile()
	must(t, err)
	if strings.Contains(log.String()+content+string(config), word) {
		t.Error("the secret is in the image or was told")
	}
	if !strings.Contains(log.String(), "[2/2] | ***") {
		t.Errorf("the step's line is not in the log:\n%s", log.String())
	}
}

func digestOf(t *testing.T, l v1.Layer) v1.Hash {
	t.Helper()
	h, err := l.Digest()
	must(t, err)
	return h
}

// contentOf are the files of a layer, and its bytes.
func contentOf(t *testing.T, l v1.Layer) (map[string]string, string) {
	t.Helper()
	in, err := l.Uncompressed()
	must(t, err)
	defer in.Close()
	all, err := io.ReadAll(in)
	must(t, err)
	files := map[string]string{}
	archive := tar.NewReader(bytes.NewReader(all))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, string(all)
		}
		must(t, err)
		content, err := io.ReadAll(archive)
		must(t, err)
		files[header.Name] = string(content)
	}
}

func engineTellsAStep(t *testing.T, docker build.Builder) {
	t.Helper()
	_, err := docker.Build(t.Context(), request("RUN seq 30; exit 7", nil))
	var step *build.StepError
	if !errors.As(err, &step) {
		t.Fatalf("got %v", err)
	}
	if step.Step != "RUN seq 30; exit 7" || step.Code != 7 || len(step.Tail) != 20 || step.Tail[19] != "30" {
		t.Errorf("got %+v", step)
	}
}

func engineTellsABase(t *testing.T, docker build.Builder) {
	t.Helper()
	image := os.Getenv(registryVar) + "/none/such:1"
	_, err := docker.Build(t.Context(), build.Request{Name: "env", Platform: "linux/amd64", Dockerfile: "FROM " + image})
	if want := "cannot build env: there is no image " + image + ": correct its name and tag"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func engineEnds(t *testing.T, docker build.Builder) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := docker.Build(ctx, request("RUN echo it is there; sleep 31415", func(line string) {
		if line == "[2/2] | it is there" {
			cancel()
		}
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), "pgrep", "-fx", "sleep 31415").Output(); err == nil {
		t.Errorf("the step goes on: %s", out)
	}
}
