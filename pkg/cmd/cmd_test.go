// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/utils/clock"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// world is a cluster and a registry in memory, and somebody who types.
type world struct {
	t        *testing.T
	cluster  *releasetest.Cluster
	registry string
	env      map[string]string
	dir      string
	in       string
	forward  func(ctx context.Context, pod string) (string, func(), error)
	doors    func(endpoint string) rollout.Doors
	objects  dynamic.Interface
	noPython bool
	// target is the compute of the context in use; nil for none.
	target *compute.Context
	// clock is one on which waiting takes no time if nil, terminal is none.
	clock    clock.WithTicker
	terminal func() (width, height int, ok bool)
	// heard is called with what the command says, while it runs; it may be nil.
	heard func(text string)
	// ctx is the test's if nil.
	ctx context.Context
	// change changes more of the environment; it may be nil.
	change func(*cmd.Env)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(quiet())))
	t.Cleanup(server.Close)
	w := &world{t: t, cluster: releasetest.New("models"), env: map[string]string{}, dir: t.TempDir(),
		objects:  fake.NewSimpleDynamicClient(runtime.NewScheme()),
		registry: strings.TrimPrefix(server.URL, "http://")}
	w.push("environment:1")
	w.namespace("models")
	w.env["AML_REGISTRY"] = w.registry
	w.env["AML_ENVIRONMENT_IMAGE"] = w.registry + "/environment:1"
	w.write("score.py", "def init(): pass\ndef run(data): return data\n")
	w.write("model.txt", "sky\n")
	return w
}

// namespace makes one in the cluster.
func (w *world) namespace(name string) {
	w.t.Helper()
	_, err := w.cluster.Clientset.CoreV1().Namespaces().Create(w.t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) push(image string) {
	w.t.Helper()
	ref, err := name.ParseReference(w.registry + "/" + image)
	if err != nil {
		w.t.Fatal(err)
	}
	img, err := random.Image(64, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(file, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// said is what a command printed and ended with.
type said struct {
	out, err string
	code     int
}

func (w *world) run(args ...string) said {
	w.t.Helper()
	var out, errOut bytes.Buffer
	env := cmd.Env{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(w.in), Out: &out, ErrOut: ears{&errOut, w.heard}},
		Clock:   &hurry{},
		Getenv:  func(name string) string { return w.env[name] },
		Dir:     w.dir,
		Holder:  "ada@desk",
		Connect: func(flags *genericclioptions.ConfigFlags) (*cmd.Session, error) { return w.session(flags, &errOut) },
	}
	if !w.noPython {
		env.Python = python
	}
	if w.clock != nil {
		env.Clock = w.clock
	}
	env.Terminal = w.terminal
	if w.change != nil {
		w.change(&env)
	}
	root := cmd.NewRoot(env)
	root.SetArgs(cmd.LongFlags(root, args))
	err := root.ExecuteContext(w.context())
	if message := cmd.Message(err); message != "" {
		errOut.WriteString("error: " + message + "\n")
	}
	return said{out.String(), w.plain(errOut.String()), cmd.ExitCode(err)}
}

// context is the one given, that of the clock if that ends commands, or the test's.
func (w *world) context() context.Context {
	if w.ctx != nil {
		return w.ctx
	}
	if m, ok := w.clock.(*moments); ok {
		return m.ctx
	}
	return w.t.Context()
}

// ears write what a command says, and tell of it.
type ears struct {
	io.Writer
	heard func(text string)
}

func (e ears) Write(text []byte) (int, error) {
	n, err := e.Writer.Write(text)
	if e.heard != nil {
		e.heard(string(text))
	}
	return n, err
}

func (w *world) connect(flags *genericclioptions.ConfigFlags) (*cmd.Session, error) {
	return w.session(flags, io.Discard)
}

// session is connect, with what happens told to log.
func (w *world) session(flags *genericclioptions.ConfigFlags, log io.Writer) (*cmd.Session, error) {
	c, err := chart.Load()
	if err != nil {
		return nil, err
	}
	releases := release.New(flags, release.Options{Namespace: "models", Chart: c, Holder: "ada@desk",
		Log:     func(line string) { fmt.Fprintln(log, line) },
		Backend: release.Backend{Kubernetes: w.cluster.Clientset, Kube: w.cluster, Records: w.cluster.Records}})
	return &cmd.Session{Namespace: "models", Kube: w.cluster.Clientset, Dynamic: w.objects, Releases: releases,
		Forward: w.forward, Doors: w.doors, Compute: w.target}, nil
}

// plain takes out what differs from run to run.
func (w *world) plain(text string) string {
	text = strings.ReplaceAll(text, w.registry, "REGISTRY")
	text = strings.ReplaceAll(text, w.dir, "DIR")
	return regexp.MustCompile(`sha256:[0-9a-f]{64}`).ReplaceAllString(text, "DIGEST")
}

func (w *world) deploy(version string, args ...string) said {
	w.t.Helper()
	return w.run(append([]string{"deploy", "diabetes", "--version-name", version, "--wait=false",
		"--entry-script", "score.py", "-m", "model.txt"}, args...)...)
}

func (w *world) mustDeploy(version string, args ...string) {
	w.t.Helper()
	if r := w.deploy(version, args...); r.code != 0 {
		w.t.Fatalf("deploy %s ended with %d: %s", version, r.code, r.err)
	}
}

func TestDeployTellsWhatItDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"--dry-run", "client"}, "endpoint/diabetes created (dry run)\n"},
		{nil, "endpoint/diabetes created\n"},
		{nil, "endpoint/diabetes unchanged\n"},
		{[]string{"--replicas", "2", "--dry-run", "server"}, "endpoint/diabetes configured (server dry run)\n"},
		{[]string{"--replicas", "2"}, "endpoint/diabetes configured\n"},
		{[]string{"--replicas", "2", "-o", "name"}, "endpoint/diabetes\n"},
	} {
		if r := w.deploy("blue", step.args...); r.out != step.want || r.code != 0 {
			t.Errorf("deploy %v: exit code %d, %q, want %q\n%s", step.args, r.code, r.out, step.want, r.err)
		}
	}
}

func TestAReadyImageIsDeployedByItsDigest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run("deploy", "diabetes", "--image", w.registry+"/environment:1", "--wait=false")
	if r.out != "endpoint/diabetes created\n" || r.code != 0 {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	if got := w.plain(w.run("get", "versions", "-o", "wide").out); !strings.Contains(got, "REGISTRY/environment@DIGEST") {
		t.Errorf("got %s", got)
	}
}

func TestTheListingsShowWhatWasDeployed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.mustDeploy("green", "--traffic", "20", "--accelerator", "nvidia:2")
	for command, want := range map[string]string{
		"get versions": `NAME    ENDPOINT   TRAFFIC   READY   ROLE      ACCELERATOR
blue    diabetes   80%       0/0     default   <none>
green   diabetes   20%       0/0     <none>    nvidia:2
`,
		"get endpoints -o name": "endpoint/diabetes\n",
		"get versions -o name":  "version/blue\nversion/green\n",
		"traffic get diabetes": `VERSION   DECLARED   EFFECTIVE   ROLE
blue      0%         80%         default
green     20%        20%         <none>
`,
	} {
		if r := w.run(strings.Fields(command)...); r.out != want || r.code != 0 {
			t.Errorf("%s: exit code %d\n%s\nwant\n%s", command, r.code, r.out+r.err, want)
		}
	}
	var list struct {
		Items []struct {
			Name     string `json:"name"`
			Revision int    `json:"revision"`
			Versions []any  `json:"versions"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(w.run("get", "endpoints", "-o", "json").out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Revision != 2 || len(list.Items[0].Versions) != 2 {
		t.Errorf("got %+v", list)
	}
}

func TestTrafficSetReplacesTheSplit(t *testing.T) {
	t.Parallel()
	w, _ := withPods(t)
	w.mustDeploy("blue")
	w.mustDeploy("green", "--traffic", "20")
	r := w.run("traffic", "set", "diabetes", "--default", "green", "blue=5%", "--wait=false")
	if r.out != "endpoint/diabetes traffic set\n" || r.code != 0 {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	want := "VERSION   DECLARED   EFFECTIVE   ROLE\nblue      5%         5%          <none>\n" +
		"green     0%         95%         default\n"
	if got := w.run("traffic", "get", "diabetes").out; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDeletingTheEndpointTakesItsKeysAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	keys := strings.Fields(w.run("keys", "get", "diabetes", "-o", "name").out)
	if len(keys) != 2 || len(keys[0]) != 32 {
		t.Fatalf("%d keys", len(keys))
	}
	if r := w.run("delete", "endpoint", "diabetes"); r.out != "endpoint/diabetes deleted\n" {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	if left := w.cluster.Names(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if r := w.run("keys", "get", "diabetes"); r.code != 1 {
		t.Errorf("the keys of a deleted endpoint: exit code %d", r.code)
	}
}

// What a first deploy left for inspection is no endpoint in force, and can be
// deleted all the same.
func TestDeletingWhatAFailedFirstDeployLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Refuse = func(_, object string) error {
		if object == "Deployment/diabetes-blue" {
			return errors.New("quota exceeded")
		}
		return nil
	}
	if r := w.deploy("blue", "--no-rollback"); r.code != 1 || !strings.Contains(r.err, "quota exceeded") {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	w.cluster.Refuse = nil
	if r := w.run("delete", "endpoint", "diabetes"); r.out != "endpoint/diabetes deleted\n" || r.code != 0 {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	if left := w.cluster.Names(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if r := w.run("delete", "endpoint", "diabetes"); r.code != 1 || !strings.Contains(r.err, `no endpoint "diabetes"`) {
		t.Errorf("deleted twice: exit code %d: %s", r.code, r.err)
	}
}

// quiet throws away what the registry logs.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// folder writes a file into a folder.
func (w *world) folder(name, file, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, name), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.write(filepath.Join(name, file), text)
}
