// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package redeploy measures how long it takes from a changed script until it serves: by the plugin, and by
// docker build, docker push and helm upgrade.
package redeploy

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/table"
)

//go:embed model
var files embed.FS

const (
	endpoint = "bench"
	// modelSize is that of the model, which stays as it is.
	modelSize = 50 << 20
)

// Options say how to measure.
type Options struct {
	Clock clock.Clock
	// Plugin and Kubectl are programs, Helm is a program with its first arguments, Chart the chart's folder.
	Plugin, Kubectl string
	Helm            []string
	Chart           string
	// Registry is where both push to, Environment the image that both build upon.
	Registry, Environment string
	// Changes is how often the script is changed for each.
	Changes int
	// Out gets the table, Talk what goes on.
	Out, Talk io.Writer
}

// times are those of one way: until the image was in the registry, and until the change served.
type times struct{ pushed, served []time.Duration }

// Compare changes the script of an endpoint, deploys it by the one and by the other in turns, and prints the times.
// It fails where a command fails; never for a figure.
func Compare(ctx context.Context, o Options) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s := &space{Options: o, folder: folder, namespace: strings.ToLower(filepath.Base(folder))}
	defer func() {
		_, _ = s.run(context.WithoutCancel(ctx), o.Kubectl, "delete", "namespace", s.namespace, "--wait=false")
	}()
	if err := s.open(ctx); err != nil {
		return err
	}
	var ours, theirs times
	for i := range o.Changes + 1 {
		fmt.Fprintf(o.Talk, "redeploy: change %d of %d\n", i, o.Changes)
		a, err := s.measure(ctx, 2*i+1, s.plugin)
		if err != nil {
			return err
		}
		b, err := s.measure(ctx, 2*i+2, s.docker)
		if err != nil {
			return err
		}
		if i > 0 { // the first fills the caches of both
			ours.pushed, ours.served = append(ours.pushed, a[0]), append(ours.served, a[1])
			theirs.pushed, theirs.served = append(theirs.pushed, b[0]), append(theirs.served, b[1])
		}
	}
	return report(o, ours, theirs)
}

func report(o Options, ours, theirs times) error {
	fmt.Fprintf(o.Out, "\nRedeploy: from a changed script until it answers, a model of %d MB unchanged; medians of %d "+
		"(least..most)\nin seconds.\n\n", modelSize>>20, o.Changes)
	return table.Print(o.Out, func(w io.Writer) {
		fmt.Fprintln(w, "\timage pushed\tserving")
		fmt.Fprintf(w, "kubectl aml deploy\t%s\t%s\n", seconds(ours.pushed), seconds(ours.served))
		fmt.Fprintf(w, "docker build, push, helm upgrade\t%s\t%s\n", seconds(theirs.pushed), seconds(theirs.served))
		pushed, served := ratio(ours.pushed, theirs.pushed), ratio(ours.served, theirs.served)
		fmt.Fprintf(w, "ratio\t%.2f\t%.2f\n", pushed, served)
		verdict := "MISSED"
		if served <= 0.2 {
			verdict = "met"
		}
		fmt.Fprintf(w, "ratio <= 0.2\t\t%s\n", verdict)
	})
}

func ratio(ours, theirs []time.Duration) float64 {
	return float64(median(ours)) / float64(median(theirs))
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

func seconds(times []time.Duration) string {
	return fmt.Sprintf("%.2f (%.2f..%.2f)", median(times).Seconds(), slices.Min(times).Seconds(),
		slices.Max(times).Seconds())
}

// space is a namespace with an endpoint, and the folder that it is deployed from.
type space struct {
	Options
	folder, namespace string
}

func (s *space) open(ctx context.Context) error {
	if err := os.CopyFS(s.folder, files); err != nil {
		return err
	}
	model := make([]byte, modelSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(model) // never fails
	if err := os.WriteFile(filepath.Join(s.folder, "model/weights.bin"), model, 0o600); err != nil {
		return err
	}
	text := "FROM " + s.Environment + "\nCOPY weights.bin /var/azureml-app/azureml-models/weights.bin/1/\n" +
		"COPY code /var/azureml-app/code\n"
	if err := os.WriteFile(filepath.Join(s.folder, "model/Dockerfile"), []byte(text), 0o600); err != nil {
		return err
	}
	_, err := s.run(ctx, s.Kubectl, "create", "namespace", s.namespace)
	return err
}

// measure writes a script that answers with a number, and tells how long the image took and how long the whole.
func (s *space) measure(ctx context.Context, number int, deploy func(context.Context) (time.Time, error)) (
	[2]time.Duration, error,
) {
	code := filepath.Join(s.folder, "model/code")
	if err := os.MkdirAll(code, 0o700); err != nil {
		return [2]time.Duration{}, err
	}
	text := fmt.Sprintf("def init():\n    pass\n\n\ndef run(data):\n    return {\"number\": %d}\n", number)
	if err := os.WriteFile(filepath.Join(code, "score.py"), []byte(text), 0o644); err != nil {
		return [2]time.Duration{}, err
	}
	start := s.Clock.Now()
	pushed, err := deploy(ctx)
	if err != nil {
		return [2]time.Duration{}, err
	}
	for range 100 {
		said, err := s.run(ctx, s.Plugin, "invoke", endpoint, "-d", "{}")
		if err == nil && strings.Contains(said, fmt.Sprintf("%d}", number)) {
			return [2]time.Duration{pushed.Sub(start), s.Clock.Since(start)}, nil
		}
		s.Clock.Sleep(100 * time.Millisecond)
	}
	return [2]time.Duration{}, fmt.Errorf("the script that answers %d does not serve", number)
}

// plugin deploys, and tells when the image was pushed: from there on, it is --image.
func (s *space) plugin(ctx context.Context) (time.Time, error) {
	command := s.command(ctx, s.Plugin, "deploy", endpoint, "-m", "weights.bin", "--inference-config",
		"inferenceconfig.json", "--deploy-config", "deploymentconfig.json", "--registry", s.Registry,
		"--environment-image", s.Environment)
	said := &lines{clock: s.Clock}
	command.Stderr = said
	if err := command.Run(); err != nil {
		return time.Time{}, fmt.Errorf("deploy: %w\n%s", err, said.text.String())
	}
	return said.pushed, nil
}

// lines notes when the plugin tells of the image that is in the registry.
type lines struct {
	clock  clock.PassiveClock
	text   strings.Builder
	pushed time.Time
}

// Write takes what the plugin says.
func (l *lines) Write(p []byte) (int, error) {
	if l.pushed.IsZero() && strings.Contains(string(p), "blobs sent") {
		l.pushed = l.clock.Now()
	}
	return l.text.Write(p)
}

// docker builds and pushes the image, and sets it in the release that the plugin made.
func (s *space) docker(ctx context.Context) (time.Time, error) {
	const tag = "bench-docker"
	repository := s.Registry + "/" + tag
	build := exec.CommandContext(ctx, "docker", "build", "-q", "-t", repository, ".")
	for _, command := range []*exec.Cmd{build, exec.CommandContext(ctx, "docker", "push", "-q", repository)} {
		command.Dir = filepath.Join(s.folder, "model")
		if said, err := command.CombinedOutput(); err != nil {
			return time.Time{}, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args[:2], " "), err, said)
		}
	}
	pushed := s.Clock.Now()
	pinned, err := exec.CommandContext(ctx, "docker", "inspect", "-f", "{{index .RepoDigests 0}}", repository).Output()
	if err != nil {
		return pushed, err
	}
	args := append(slices.Clone(s.Helm[1:]), "upgrade", endpoint, s.Chart, "--reuse-values", "--wait",
		"--set", "versions.main.image="+strings.TrimSpace(string(pinned)), "--namespace", s.namespace)
	said, err := exec.CommandContext(ctx, s.Helm[0], args...).CombinedOutput()
	if err != nil {
		return pushed, fmt.Errorf("helm upgrade: %w\n%s", err, said)
	}
	return pushed, nil
}

func (s *space) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, append(args, "--namespace", s.namespace)...)
	command.Dir = filepath.Join(s.folder, "model")
	return command
}

func (s *space) run(ctx context.Context, program string, args ...string) (string, error) {
	out, err := s.command(ctx, program, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}
