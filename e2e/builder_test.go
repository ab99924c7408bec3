// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
)

// certificates are those of this machine, on Debian.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// The example's environment is built in the cluster, with packages from the
// index of this machine's pip, and serves the example.
func TestAnEnvironmentIsBuiltInTheCluster(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.admits("baseline")
	source, err := os.ReadFile("../examples/diabetes/inferenceconfig.json")
	must(t, err)
	config, findings := amlv1.ReadInferenceConfig("inferenceconfig.json", source)
	e, more := environment.Of(config, nil)
	if findings.Err() != nil || more.Err() != nil {
		t.Fatal(findings, more)
	}
	e.Base = pythonImage(t)
	pinned, err := e.Pin(nil)
	must(t, err)

	start, secret, log := time.Now(), rand.Text(), strings.Builder{}
	result, err := s.builder("1").Build(t.Context(), build.Request{
		Name: e.Name, Dockerfile: pinned.Dockerfile(), Platform: pinned.Target(),
		Secrets: map[string]string{"pip.conf": withSecret(t, packageIndex(t), secret), "ca.crt": certificates},
		Log: func(line string) {
			t.Log(line)
			log.WriteString(line + "\n")
		},
	})
	must(t, err)
	t.Cleanup(func() { must(t, result.Close()) })
	t.Logf("built in %s", time.Since(start).Round(time.Second))
	s.nothingBuilds(time.Minute)
	if strings.Contains(log.String(), secret) {
		t.Error("what is in pip.conf was told")
	}
	hasNot(t, result.Image, e.Base, secret)

	digest, err := result.Image.Digest()
	must(t, err)
	ref, err := name.NewDigest(os.Getenv(registryVar) + "/" + s.namespace + "@" + digest.String())
	must(t, err)
	must(t, remote.Write(ref, result.Image, remote.WithContext(t.Context())))
	folder, answers := trainExample(t)
	c := s.command(t.Context(), "deploy", "diabetes", "--version-name", "blue", "-m", "diabetes:1=models/blue/model.pkl",
		"--inference-config", "inferenceconfig.json", "--deploy-config", "deploymentconfig.json",
		"--environment-image", ref.String())
	c.Dir = folder
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("deploy: %v\n%s", err, text)
	}
	got := s.ok("invoke", "diabetes", "-d", "@"+filepath.Join(folder, "sample.json")).out
	if strings.TrimSpace(got) != answers["blue"] {
		t.Errorf("answered %s, want %s", got, answers["blue"])
	}
}

// withSecret adds a line to a configuration of pip that pip has no use for.
func withSecret(t *testing.T, file, secret string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte(string(content)+"# token: "+secret+"\n"), 0o600))
	return file
}

// hasNot looks for a text in all that an image has more than its base.
func hasNot(t *testing.T, img v1.Image, base, text string) {
	t.Helper()
	ref, err := name.ParseReference(base)
	must(t, err)
	below, err := remote.Image(ref, remote.WithContext(t.Context()))
	must(t, err)
	known, err := below.Manifest()
	must(t, err)
	manifest, err := img.RawManifest()
	must(t, err)
	config, err := img.RawConfigFile()
	must(t, err)
	if strings.Contains(string(manifest)+string(config), text) {
		t.Error("it is in the image's config or manifest")
	}
	layers, err := img.Layers()
	must(t, err)
	for i, l := range layers {
		if i < len(known.Layers) && digestOf(t, l) == known.Layers[i].Digest {
			continue
		}
		in, err := l.Uncompressed()
		must(t, err)
		content, err := io.ReadAll(in)
		must(t, errors.Join(err, in.Close()))
		if bytes.Contains(content, []byte(text)) {
			t.Errorf("it is in layer %d", i)
		}
	}
	if len(layers) <= len(known.Layers) {
		t.Errorf("the image has %d layers, and its base %d", len(layers), len(known.Layers))
	}
}

// A step that fails shows what it said last, and leaves nothing.
func TestAStepFailsInTheCluster(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.admits("baseline")
	_, err := s.builder("400m").Build(t.Context(), build.Request{Name: "the test's", Platform: "linux/amd64",
		Dockerfile: "FROM " + pythonImage(t) + "\nRUN echo first; echo last >&2; id -u; exit 3\n"})
	var step *build.StepError
	if !errors.As(err, &step) || step.Code != 3 || !slices.Contains(step.Tail, "last") || !slices.Contains(step.Tail, "0") {
		t.Errorf("told %v", err)
	}
	s.nothingBuilds(30 * time.Second)
}

// A step that needs more memory than a build may use is killed, and the error names
// the flag that allows more.
func TestAStepNeedsMoreMemoryInTheCluster(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.admits("baseline")
	config := filepath.Join(t.TempDir(), "inferenceconfig.json")
	text, err := json.Marshal(map[string]any{"entryScript": "score.py", "environment": map[string]any{
		"docker": map[string]any{"baseDockerfile": "FROM " + pythonImage(t) + "\nRUN echo " + s.namespace +
			"; python3 -c 'print(len(b\"x\" * 2**30))'\n"},
		"python": map[string]any{"userManagedDependencies": true}}})
	must(t, err)
	must(t, os.WriteFile(config, text, 0o600))
	must(t, os.WriteFile(filepath.Join(filepath.Dir(config), "score.py"), nil, 0o600))
	s.fails(1, []string{"for using more memory than its 400Mi: allow it more with --builder-memory"}, "build",
		"--inference-config", config, "--relative-to-file", "--builder", "cluster", "--builder-cpu", "400m",
		"--builder-memory", "400Mi", "--builder-disk", "4Gi")
	s.nothingBuilds(30 * time.Second)
}

// A namespace that admits restricted pods only is told of, and nothing is made.
func TestARestrictedNamespaceDoesNotBuild(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	_, err := s.builder("400m").Build(t.Context(), build.Request{Name: "the test's", Dockerfile: "FROM scratch\n",
		Platform: "linux/amd64"})
	if err == nil || !strings.Contains(err.Error(), "build in one of level baseline") {
		t.Errorf("told %v", err)
	}
	s.nothingBuilds(0)
}

// BuildKit does not outlive who started it, even if that was killed.
func TestABuildWhoseClientIsKilledEnds(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.admits("baseline")
	program, err := buildGo(t.Context(), t.TempDir(), "builder", "./builder")
	must(t, err)
	c := exec.CommandContext(t.Context(), program, "-kubeconfig", s.kubeconfig, "-namespace", s.namespace,
		"-image", os.Getenv(buildkitVar), "-idle", "10s")
	c.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // it leaves its folder
	c.Stdin = strings.NewReader("FROM " + pythonImage(t) + "\nRUN echo it is at work; sleep 3600\n")
	said, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "it is at work") {
		t.Log(lines.Text())
	}
	must(t, lines.Err())
	// Longer than it would go on for without a sign of life.
	select {
	case <-time.After(12 * time.Second):
	case <-t.Context().Done():
	}
	if jobs := s.jobs(); len(jobs) != 1 {
		t.Errorf("while the client lives, there are Jobs %v", jobs)
	}
	must(t, c.Process.Kill())
	_ = c.Wait() // killed
	killed := time.Now()
	s.nothingBuilds(2 * time.Minute)
	t.Logf("gone %s after its client was killed", time.Since(killed).Round(time.Second))
}

const buildkitVar = "AML_BUILDKIT_IMAGE"

// builder builds in the space, as its user. It asks for a quarter of the CPU that it
// may use: several at once have to fit on a small node.
func (s *space) builder(cpu string) build.Builder {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	must(s.t, err)
	kube, err := kubernetes.NewForConfig(config)
	must(s.t, err)
	b, err := build.Cluster(kube, config, build.ClusterOptions{Namespace: s.namespace, Image: os.Getenv(buildkitVar),
		CPU: resource.MustParse(cpu), Memory: resource.MustParse("2Gi")})
	must(s.t, err)
	return b
}

// publishedPython is what environments are built on, where published images can be
// pulled.
const publishedPython = "docker.io/library/python:3.11-slim-bookworm"

// pythonImage is that image, or another that is as good, by digest.
func pythonImage(t *testing.T) string {
	t.Helper()
	ref, err := name.ParseReference(cmp.Or(os.Getenv("AML_PYTHON_IMAGE"), publishedPython))
	must(t, err)
	head, err := remote.Head(ref, remote.WithContext(t.Context()), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	must(t, err)
	return ref.Context().Digest(head.Digest.String()).Name()
}

// admits sets the level of Pod Security that the space admits.
func (s *space) admits(level string) {
	s.t.Helper()
	_, err := s.admin.CoreV1().Namespaces().Patch(s.t.Context(), s.namespace, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"`+level+`"}}}`), metav1.PatchOptions{})
	must(s.t, err)
}

const ofBuilds = "app.kubernetes.io/component=build"

func (s *space) jobs() []string {
	s.t.Helper()
	var names []string
	jobs, err := s.admin.BatchV1().Jobs(s.namespace).List(s.t.Context(), metav1.ListOptions{})
	must(s.t, err)
	for _, j := range jobs.Items {
		names = append(names, j.Name)
	}
	pods, err := s.admin.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: ofBuilds})
	must(s.t, err)
	for _, p := range pods.Items {
		if len(jobs.Items) == 0 {
			names = append(names, p.Name)
		}
	}
	return names
}

// nothingBuilds waits until no Job is left, and no pod of one.
func (s *space) nothingBuilds(patience time.Duration) {
	s.t.Helper()
	var left []string
	err := wait.PollUntilContextTimeout(s.t.Context(), time.Second, max(patience, time.Second), true,
		func(context.Context) (bool, error) {
			left = s.jobs()
			return len(left) == 0, nil
		})
	if err != nil {
		s.t.Errorf("left is %v after %s", left, patience)
	}
}
