// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package redeploy measures how long it takes from a changed script until it serves: by the plugin, and by
// docker build, docker push and helm upgrade; once with an engine that has everything else cached, and once where
// nothing is cached.
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
	// Base and Packages are what an environment is built of where nothing is cached: an image with Python 3.11, and
	// the file with pip's requirements.
	Base, Packages string
	// Changes is how often the script is changed for each, Uncached how often with nothing cached.
	Changes, Uncached int
	// Out gets the table, Talk what goes on.
	Out, Talk io.Writer
}

// times are those of one way: until the image was in the registry, and until the change served.
type times struct{ pushed, served []time.Duration }

// way brings the folder into the cluster, and tells when the image was in the registry.
type way func(context.Context) (time.Time, error)

// Compare changes the script of an endpoint, deploys it by the one and by the other in turns, and prints the times.
// It fails where a command fails; never for a figure.
func Compare(ctx context.Context, o Options) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s := &space{Options: o, folder: folder, namespace: strings.ToLower(filepath.Base(folder))}
	defer s.close(context.WithoutCancel(ctx))
	if err := s.open(ctx); err != nil {
		return err
	}
	if _, err := s.turns(ctx, 1, s.plugin, s.docker); err != nil { // fills the caches of both
		return err
	}
	cached, err := s.turns(ctx, o.Changes, s.plugin, s.docker)
	if err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	uncached, err := s.turns(ctx, o.Uncached, s.withoutEngine, s.dockerUncached)
	if err != nil {
		return err
	}
	return report(o, cached, uncached)
}

// turns changes the script and deploys it by each of the two ways, so many times.
func (s *space) turns(ctx context.Context, changes int, ways ...way) ([]times, error) {
	taken := make([]times, len(ways))
	for i := range changes {
		fmt.Fprintf(s.Talk, "redeploy: change %d of %d\n", i+1, changes)
		for j, deploy := range ways {
			took, err := s.measure(ctx, deploy)
			if err != nil {
				return nil, err
			}
			taken[j].pushed, taken[j].served = append(taken[j].pushed, took[0]), append(taken[j].served, took[1])
		}
	}
	return taken, nil
}

func report(o Options, cached, uncached []times) error {
	fmt.Fprintf(o.Out, "\nRedeploy: from a changed script until it answers, a model of %d MB unchanged; medians "+
		"(least..most) in seconds.\n\n", modelSize>>20)
	return table.Print(o.Out, func(w io.Writer) {
		compared(w, fmt.Sprintf("everything else cached, %d changes", o.Changes), cached,
			"kubectl aml deploy", "docker build, push, helm upgrade")
		fmt.Fprintln(w, "\t\t")
		compared(w, fmt.Sprintf("nothing cached, %d changes", o.Uncached), uncached,
			"kubectl aml deploy, without an engine", "docker build --no-cache, push, helm upgrade")
	})
}

// compared are the lines of two ways to do the same.
func compared(w io.Writer, title string, taken []times, names ...string) {
	fmt.Fprintf(w, "%s\timage pushed\tserving\n", title)
	for i, name := range names {
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, seconds(taken[i].pushed), seconds(taken[i].served))
	}
	pushed, served := ratio(taken[0].pushed, taken[1].pushed), ratio(taken[0].served, taken[1].served)
	fmt.Fprintf(w, "ratio\t%.2f\t%.2f\n", pushed, served)
	verdict := "MISSED"
	if served <= 0.2 {
		verdict = "met"
	}
	fmt.Fprintf(w, "ratio <= 0.2\t\t%s\n", verdict)
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
	// number is what the script answers.
	number int
	// built are the images that the engine has made.
	built []string
}

// close takes everything away but what is in the registry.
func (s *space) close(ctx context.Context) {
	_, _ = s.run(ctx, s.Kubectl, "delete", "namespace", s.namespace, "--wait=false")
	if len(s.built) > 0 {
		_ = exec.CommandContext(ctx, "docker", append([]string{"image", "rm", "-f"}, s.built...)...).Run()
	}
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
func (s *space) measure(ctx context.Context, deploy way) ([2]time.Duration, error) {
	s.number++
	code := filepath.Join(s.folder, "model/code")
	if err := os.MkdirAll(code, 0o700); err != nil {
		return [2]time.Duration{}, err
	}
	text := fmt.Sprintf("def init():\n    pass\n\n\ndef run(data):\n    return {\"number\": %d}\n", s.number)
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
		if err == nil && strings.Contains(said, fmt.Sprintf("%d}", s.number)) {
			return [2]time.Duration{pushed.Sub(start), s.Clock.Since(start)}, nil
		}
		s.Clock.Sleep(100 * time.Millisecond)
	}
	return [2]time.Duration{}, fmt.Errorf("the script that answers %d does not serve", s.number)
}

// plugin deploys upon the image that is there.
func (s *space) plugin(ctx context.Context) (time.Time, error) {
	return s.deploy(ctx, nil, "--inference-config", "inferenceconfig.json", "--environment-image", s.Environment)
}

// deploy runs the plugin, and tells when the image was pushed.
func (s *space) deploy(ctx context.Context, environment []string, args ...string) (time.Time, error) {
	command := s.command(ctx, s.Plugin, append([]string{"deploy", endpoint, "-m", "weights.bin", "--deploy-config",
		"deploymentconfig.json", "--registry", s.Registry}, args...)...)
	command.Env = append(os.Environ(), environment...)
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

// docker builds the code and the model upon the image that is there.
func (s *space) docker(ctx context.Context) (time.Time, error) {
	return s.upgrade(ctx, "-f", "Dockerfile")
}

// upgrade builds and pushes an image, and sets it in the release that the plugin made.
func (s *space) upgrade(ctx context.Context, args ...string) (time.Time, error) {
	repository := s.Registry + "/bench-docker"
	id, err := s.engine(ctx, append([]string{"build", "-q", "-t", repository, "."}, args...)...)
	if err != nil {
		return time.Time{}, err
	}
	s.built = append(s.built, id)
	if _, err := s.engine(ctx, "push", "-q", repository); err != nil {
		return time.Time{}, err
	}
	pushed := s.Clock.Now()
	pinned, err := s.engine(ctx, "inspect", "-f", "{{index .RepoDigests 0}}", repository)
	if err != nil {
		return pushed, err
	}
	line := append(slices.Clone(s.Helm[1:]), "upgrade", endpoint, s.Chart, "--reuse-values", "--wait",
		"--set", "versions.main.image="+pinned, "--namespace", s.namespace)
	said, err := exec.CommandContext(ctx, s.Helm[0], line...).CombinedOutput()
	if err != nil {
		return pushed, fmt.Errorf("helm upgrade: %w\n%s", err, said)
	}
	return pushed, nil
}

// engine runs docker in the folder, and returns what it answers.
func (s *space) engine(ctx context.Context, args ...string) (string, error) {
	var said, wrong strings.Builder
	command := exec.CommandContext(ctx, "docker", args...)
	command.Dir, command.Stdout, command.Stderr = filepath.Join(s.folder, "model"), &said, &wrong
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s%s", args[0], err, said.String(), wrong.String())
	}
	return strings.TrimSpace(said.String()), nil
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
